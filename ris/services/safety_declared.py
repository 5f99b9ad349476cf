"""What patients say at their page of their safety: kept beside the answers that count.

It never lifts a block. It can raise one: what is unsafe, where the answer that counts says
otherwise, opens that question again until a person has asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils import timezone

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.safety import Answer, QuestionDetails, reasons, valid
from ris.domain.safety_declared import DeclareSafetyAnswers, SafetyAnswersDeclared
from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment, DeclaredAnswer, Order, SafetyAnswer, SafetyQuestion
from ris.models.prepared import add_all
from ris.selectors.safety_declared import asked_at, said_of
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services.safety import tell_scanner


def declare_safety_answers(command: DeclareSafetyAnswers, context: Context) -> int:
    if not command.answers:
        raise MissingValueError("nothing is answered", path="answers")
    appointment = (
        Appointment.objects.select_related("order", "patient")
        .filter(public_id=public_key(command.appointment, "appointment"))
        .first()
    )
    if appointment is None:
        raise UnknownKeyError("no such appointment")
    if appointment.status != AppointmentStatus.BOOKED.value or appointment.order is None:
        raise StateConflictError("the questions of this appointment are asked no more")
    keys = {appointment.order.pk, *appointment.steps.values_list("procedure__order", flat=True)}
    orders = lock_orders(keys)
    asked = {each.question.code: each.question for each in asked_at(appointment, context.now)}
    before = said_of(orders, asked)
    known = {code: Answer(value=row.value, on=row.value_on) for code, row in before.items()}
    given: dict[str, Answer] = {}
    today = timezone.localdate(context.now)
    for each in command.answers:
        if each.question not in asked:
            raise UnknownKeyError(f"{each.question} is not asked before this exam")
        answer = valid(asked[each.question], Answer(value=each.value, on=each.on))
        if answer.on is not None and answer.on > today:
            raise InvalidValueError("the day is not here yet", path=each.question)
        if known.get(each.question) != answer:
            given[each.question] = answer
        known[each.question] = answer
    order = appointment.order
    context.about(appointment, order)
    if not given:
        return 0
    rows = {row.code: row for row in SafetyQuestion.objects.filter(code__in=given)}
    _store(orders, given, asked, rows, context)
    settled = _settled(orders)
    others = {row.question.code: Answer(value=row.value, on=row.value_on) for row in settled}
    others |= known
    unsafe = tuple(
        code for code, answer in given.items() if reasons(asked[code], answer, today, others)
    )
    wrong = [
        row
        for row in settled
        if row.question.code in unsafe and row.value != known[row.question.code].value
    ]
    reopened = _reopen(wrong, orders, context)
    context.emit(
        SafetyAnswersDeclared(
            order=str(order.public_id),
            appointment=str(appointment.public_id),
            questions=tuple(given),
            unsafe=unsafe,
            reopened=reopened,
        ),
        subject=appointment,
        order=order,
        patient=appointment.patient,
    )
    return len(given)


def _store(
    orders: Sequence[Order],
    given: Mapping[str, Answer],
    asked: Mapping[str, QuestionDetails],
    rows: Mapping[str, SafetyQuestion],
    context: Context,
) -> None:
    DeclaredAnswer.objects.filter(
        order__in=orders, question__code__in=given, superseded_at=None
    ).update(superseded_at=context.now, updated_at=context.now)
    add_all(
        [
            DeclaredAnswer(
                order=order,
                question=rows[code],
                words=asked[code].patient_words,
                value=answer.value,
                value_on=answer.on,
                declared_at=context.now,
            )
            for order in orders
            for code, answer in given.items()
        ]
    )


def _settled(orders: Sequence[Order]) -> list[SafetyAnswer]:
    return list(
        SafetyAnswer.objects.filter(order__in=orders, superseded_at=None).select_related("question")
    )


def _reopen(
    wrong: Sequence[SafetyAnswer], orders: Sequence[Order], context: Context
) -> tuple[str, ...]:
    """Let answers count no more that the patient gives otherwise, and not as safe."""
    if not wrong:
        return ()
    SafetyAnswer.objects.filter(pk__in=[row.pk for row in wrong]).update(
        superseded_at=context.now, updated_at=context.now
    )
    for order in orders:
        tell_scanner(order)
    return tuple(sorted({row.question.code for row in wrong}))


HANDLERS = {DeclareSafetyAnswers: declare_safety_answers}

PERMISSIONS = {DeclareSafetyAnswers: {Role.PATIENT}}
