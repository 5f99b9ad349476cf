"""What patients are asked at the page of their appointment, and what they said there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from ris.domain.safety import QuestionDetails
from ris.models import Appointment, DeclaredAnswer, Order, ScheduledProcedureStep
from ris.selectors import safety


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A question in the patient's words, with what the patient said, if anything."""

    question: QuestionDetails
    value: str = ""
    shown: str = ""
    on: date | None = None
    at: datetime | None = None


def asked_at(appointment: Appointment, now: datetime | None = None) -> list[Declared]:
    """The questions of the appointment's exams that have words for patients; four queries."""
    steps = list(
        ScheduledProcedureStep.objects.select_related(*safety.RELATED)
        .filter(appointment=appointment)
        .order_by("id")
    )
    asked: dict[str, QuestionDetails] = {}
    for state in safety.states(steps, now).values():
        for check in state.checks:
            if check.question.patient_words:
                asked.setdefault(check.question.code, check.question)
    if not asked:
        return []
    orders = {step.procedure.order for step in steps}
    said = {row.question.code: row for row in _rows(orders, asked)}
    return [
        Declared(question=question) if (row := said.get(code)) is None else _declared(question, row)
        for code, question in asked.items()
    ]


def said_of(orders: Collection[Order], codes: Collection[str]) -> dict[str, DeclaredAnswer]:
    """The patient's answers that stand for orders, by the question's code; one query."""
    return {row.question.code: row for row in _rows(orders, codes)}


def said_for(order: str) -> list[Declared]:
    """What the patient said for an order, in the order of the catalog; one query."""
    if not order:
        return []
    rows = (
        DeclaredAnswer.objects.filter(order__public_id=order, superseded_at=None)
        .select_related("question")
        .order_by("question__position", "question__code")
    )
    return [_declared(safety.details(row.question), row) for row in rows]


def _rows(orders: Collection[Order], codes: Collection[str]) -> list[DeclaredAnswer]:
    return list(
        DeclaredAnswer.objects.filter(
            order__in=orders, question__code__in=list(codes), superseded_at=None
        ).select_related("question")
    )


def _declared(question: QuestionDetails, row: DeclaredAnswer) -> Declared:
    return Declared(
        question=question,
        value=row.value,
        shown=safety.shown(question, row.value, row.value_on),
        on=row.value_on,
        at=row.declared_at,
    )
