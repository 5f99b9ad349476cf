"""Move requested procedures to an order of their own (IHE RAD TF-2 4.3: one placer order, several
filler orders)."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.domain.order_events import OrderPlaced, OrderRevised
from ris.domain.orders import PERFORMED, StepStatus
from ris.domain.splitting import OrderSplit, SplitOrder
from ris.models import (
    Appointment,
    Order,
    RequestedProcedure,
    SafetyAnswer,
    ScheduledProcedureStep,
)
from ris.models.prepared import add_all
from ris.services import _numbers
from ris.services._context import Context
from ris.services._locks import steps_of_order
from ris.services._transition import touch
from ris.services.orders.finding import require, require_live
from ris.services.orders.placing import new_accession_number

# What is an order's own and not its request's; the rest is copied, whatever is added to it.
_OWN = frozenset(
    {
        "id",
        "public_id",
        "created_at",
        "updated_at",
        "version",
        "placer_order_number",
        "placer_issuer",
        "filler_order_number",
        "accession_number",
        "accession_issuer",
        "parent_order_number",
        "parent_issuer",
        "fingerprint",
    }
)


def split_order(command: SplitOrder, context: Context) -> str:
    order = require(command.order)
    if command.expected_version is not None and command.expected_version != order.version:
        raise StateConflictError("somebody else changed this order meanwhile")
    require_live(order)
    steps = steps_of_order(order)
    chosen = _chosen(order, command.procedures)
    moved = [step for step in steps if step.procedure_id in {each.pk for each in chosen}]
    _refuse_begun(chosen, moved)
    appointments = _appointments_of(moved, steps)
    new = _copy(order, context)
    for procedure in chosen:
        procedure.order = new
        procedure.save(update_fields=["order", "updated_at"])
    for appointment in appointments:
        appointment.order = new
        touch(appointment, "order")
    for step in steps:
        touch(step)  # the worklist's answers are kept by the step's version
    touch(order)
    _tell(order, new, chosen, moved, context)
    return str(new.public_id)


def _chosen(order: Order, keys: Sequence[str]) -> list[RequestedProcedure]:
    if not keys:
        raise MissingValueError("say which exams are to be moved", path="procedures")
    own = {str(each.public_id): each for each in order.procedures.order_by("id")}
    if set(keys) - set(own):
        raise UnknownKeyError("an exam is not one of this order", path="procedures")
    if set(keys) == set(own):
        raise StateConflictError("an order cannot be left without an exam")
    return [each for key, each in own.items() if key in set(keys)]


def _refuse_begun(
    chosen: Sequence[RequestedProcedure], moved: Sequence[ScheduledProcedureStep]
) -> None:
    """What was begun has been told under its accession number: images and reports bear it."""
    begun = any(StepStatus(step.status) in PERFORMED for step in moved)
    if begun or any(each.reports.exists() for each in chosen):
        raise StateConflictError("the exam was started: it stays with its accession number")


def _appointments_of(
    moved: Sequence[ScheduledProcedureStep], steps: Sequence[ScheduledProcedureStep]
) -> list[Appointment]:
    """The appointments that go with the exams; one that is shared belongs to both orders."""
    staying = {step.appointment_id for step in steps if step not in moved}
    found = {step.appointment_id: step.appointment for step in moved if step.appointment}
    if staying & set(found):
        raise StateConflictError("the exams are booked as one: give their time back first")
    return list(found.values())


def _copy(order: Order, context: Context) -> Order:
    """A new order that says the same, with numbers of its own and the other as its requisition."""
    copied = {
        field.attname: getattr(order, field.attname)
        for field in Order._meta.concrete_fields
        if field.name not in _OWN
    }
    new = Order(
        **copied,
        accession_number=new_accession_number(context),
        filler_order_number=_numbers.filler_order_number(),
        parent_order_number=order.placer_order_number or order.parent_order_number,
        parent_issuer=order.placer_issuer if order.placer_order_number else order.parent_issuer,
    )
    new.save()
    new.messages.set(order.messages.all())
    _copy_answers(order, new)
    return new


def _copy_answers(order: Order, new: Order) -> None:
    """What was said of the patient's safety holds for both: the scanner is told it of both."""
    answers = list(SafetyAnswer.objects.filter(order=order, superseded_at=None).order_by("id"))
    for answer in answers:
        answer.pk, answer.public_id, answer.order = None, SafetyAnswer().public_id, new
        answer._state.adding = True
    add_all(answers)


def _tell(
    order: Order,
    new: Order,
    chosen: Sequence[RequestedProcedure],
    moved: Sequence[ScheduledProcedureStep],
    context: Context,
) -> None:
    context.emit(
        OrderSplit(
            order=str(order.public_id),
            into=str(new.public_id),
            procedures=tuple(str(each.public_id) for each in chosen),
            note=f"under {new.accession_number}",
        ),
        subject=order,
    )
    context.emit(OrderPlaced(order=str(new.public_id), stage=chosen[0].stage), subject=new)
    context.emit(OrderRevised(order=str(order.public_id), changed=("procedures",)), subject=order)
    if any(step.announced for step in moved):
        # The archive knows these steps under the other accession number.
        context.emit(
            OrderRevised(order=str(new.public_id), changed=("accession_number",)), subject=new
        )
