"""Exams above a reference level, or of somebody pregnant: who looked, and what came of it."""

from __future__ import annotations

from ris.domain.dose import AcknowledgeDose, DoseAcknowledged
from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.models import ExamDose, Order
from ris.selectors.dose import alert_version
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key


def acknowledge_dose(command: AcknowledgeDose, context: Context) -> None:
    """Note who looked and what came of it; what gets worse afterwards is to be looked at again."""
    key = public_key(command.order, "order")
    orders = lock_orders(Order.objects.filter(public_id=key).values_list("pk", flat=True))
    row = ExamDose.objects.filter(order__in=orders).first()
    if row is None:
        raise UnknownKeyError("this order has no dose", path="order")
    if row.alerted_at is None:
        raise StateConflictError("there is nothing to look at: the dose is not above a level")
    is_as_shown = command.expected_version in {None, alert_version(row)}
    if row.acknowledged_at is not None or not is_as_shown:
        raise StateConflictError("somebody else changed this meanwhile: reload")
    note = command.note.strip()[:500]
    if not note:
        raise MissingValueError("say what came of it", path="note")
    row.acknowledged_at = context.now
    row.acknowledged_by = (context.actor.display or context.actor.name)[:150]
    row.acknowledged_note = note
    row.acknowledged_exceeded = row.exceeded
    row.save()
    context.emit(
        DoseAcknowledged(order=command.order, note=note), subject=orders[0], order=orders[0]
    )
