"""Events of a performed step: one for each order it belongs to, so that each is told in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ris.domain.commands import Event
from ris.models import Order, PerformedProcedureStep, ScheduledProcedureStep
from ris.services._context import Context

# (order's public id, public ids of its steps, whether this is the first of several) → event
MakeEvent = Callable[[str, tuple[str, ...], bool], Event]


def tell(
    context: Context,
    performed: PerformedProcedureStep,
    orders: Sequence[Order],
    steps: Iterable[ScheduledProcedureStep],
    make: MakeEvent,
) -> None:
    """Emit ``make`` for each order with its own steps; once without order if there is none."""
    by_order: dict[int, list[str]] = {}
    for step in steps:
        by_order.setdefault(step.procedure.order_id, []).append(str(step.public_id))
    if not orders:
        context.emit(make("", (), True), subject=performed, patient=performed.patient)
    for number, order in enumerate(orders):
        context.emit(
            make(str(order.public_id), tuple(by_order.get(order.pk, ())), number == 0),
            subject=performed,
            order=order,
            patient=order.patient,
        )


def public_ids(steps: Iterable[ScheduledProcedureStep]) -> tuple[str, ...]:
    return tuple(str(step.public_id) for step in steps)
