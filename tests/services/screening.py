"""Builders of breast exams: done, assessed, signed, written about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import time_machine

from ris.domain.mammography import AssessBreast, Assessed, SetBreastExam
from ris.domain.mammography_letters import MarkLettersSent, PrintLetters
from ris.domain.reporting import (
    FinalizeReport,
)
from ris.models import (
    BreastAssessment,
    BreastLetter,
    BreastRecall,
    DomainEvent,
    Order,
)
from ris.services import execute
from tests import make, people

NOON = make.NOON
LATER = datetime(2026, 3, 3, 13, 0, tzinfo=UTC)  # a letter's hour has come
CLEAR = Assessed(right="1", left="2", density="B")


def site() -> None:
    make.site()
    make.device()
    key = make.definition()
    execute(SetBreastExam(procedure=key, exam="SCREENING"), actor=people.manager)


def exam(**overrides: Any) -> tuple[Order, str]:
    """A screening exam that was done, and the report begun on it."""
    order = make.performed(**overrides)
    return order, str(make.opened_report(order).public_id)


def assess(report: str, said: Assessed = CLEAR) -> str:
    return execute(AssessBreast(report=report, assessed=said), actor=people.radiologist)


def finalize(report: str) -> None:
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=people.radiologist)


def final(said: Assessed = CLEAR, **overrides: Any) -> BreastAssessment:
    _, report = exam(**overrides)
    key = assess(report, said)
    finalize(report)
    return BreastAssessment.objects.get(public_id=key)


def recall_of(row: BreastAssessment) -> BreastRecall:
    return BreastRecall.objects.get(assessment=row)


def letter_of(row: BreastAssessment) -> BreastLetter:
    return BreastLetter.objects.get(assessment=row)


def posted(row: BreastAssessment, clock: time_machine.Traveller) -> BreastLetter:
    """The letter of an assessment, printed and sent when its hour had come."""
    clock.move_to(LATER)
    letter = BreastLetter.objects.filter(assessment=row).latest("id")
    keys = execute(PrintLetters(letters=(str(letter.public_id),)), actor=people.frontdesk)
    execute(MarkLettersSent(letters=keys), actor=people.frontdesk)
    letter.refresh_from_db()
    return letter


def events(name: str) -> int:
    return DomainEvent.objects.filter(name=name).count()
