"""The safety questions of the exams that are being ordered, asked before there is an order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from ris.domain.errors import InvalidValueError
from ris.domain.safety import (
    Answer,
    AnswerSafetyQuestions,
    QuestionDetails,
    SafetyAnswerGiven,
    Subject,
    applies,
    valid,
)
from ris.models import ProcedureDefinition
from ris.selectors import safety
from ris.selectors.views import PatientView
from ris.services import may
from ris.web.access import PageRequest, do
from ris.web.asking import as_day


@dataclass(frozen=True, slots=True)
class Row:
    """A question with what was typed."""

    question: QuestionDetails
    value: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """What questions are chosen by; empty where it is not known, and then they are asked."""

    sex: str = ""
    birth_date: str = ""

    @classmethod
    def of(cls, view: PatientView) -> Person:
        return cls(view.sex.value, view.birth_date.text)


def rows_of(exams: Iterable[str], person: Person, typed: Mapping[str, str]) -> list[Row]:
    """The questions before any of these exams (public ids of the catalog), each once."""
    keys = [key for key in map(_key, exams) if key is not None]
    if not keys:
        return []
    subjects = [
        Subject(
            modality=row.modality,
            contrast=safety.with_contrast(row.contrast),
            procedure=row.code,
            sex=person.sex,
            age=safety.age_at(person.birth_date, timezone.localdate()),
        )
        for row in ProcedureDefinition.objects.filter(public_id__in=keys)
    ]
    return [
        Row(
            line.details,
            typed.get(f"a-{line.details.code}", "").replace("\0", "").strip()[:500],
            typed.get(f"on-{line.details.code}", "")[:10],
        )
        for line in safety.question_lines()
        if any(applies(line.details, subject) for subject in subjects)
    ]


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def faults(rows: Sequence[Row]) -> list[str]:
    """What cannot be an answer, in words; what is not answered may be answered later."""
    found = []
    for row in rows:
        if not row.value:
            continue
        try:
            valid(row.question, Answer(value=row.value, on=as_day(row.on)))
        except InvalidValueError as error:
            found.append(_("%(words)s.") % {"words": error.message.rstrip(".")})
    return found


def given_in(rows: Sequence[Row]) -> tuple[SafetyAnswerGiven, ...]:
    """What was answered, for whoever gives it with the order."""
    return tuple(
        SafetyAnswerGiven(question=row.question.code, value=row.value, on=as_day(row.on))
        for row in rows
        if row.value
    )


def answer(request: PageRequest, step: str, rows: Sequence[Row]) -> None:
    """Give the answers that a step asks for; an answer holds for all steps of the order."""
    typed = {row.question.code: row for row in rows if row.value}
    row_of_step = safety.find_step(step) if typed else None
    if row_of_step is None or not may(request.actor, AnswerSafetyQuestions):
        return
    checks = safety.state(row_of_step).checks
    given = tuple(
        SafetyAnswerGiven(
            question=check.question.code,
            value=typed[check.question.code].value,
            on=as_day(typed[check.question.code].on),
        )
        for check in checks
        if check.question.code in typed and check.answer is None
    )
    if given:
        do(request, AnswerSafetyQuestions(step=step, answers=given))
