"""A performed step locked for a change, with its orders and its steps as they are then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ris.domain.errors import UnknownKeyError
from ris.models import Order, PerformedProcedureStep, ScheduledProcedureStep
from ris.services._locks import lock_orders, public_key
from ris.services.performing.following import reload


@dataclass(slots=True)
class Taken:
    """``locked`` holds every order that was locked on the way, by primary key."""

    performed: PerformedProcedureStep
    steps: list[ScheduledProcedureStep]
    locked: dict[int, Order]

    @property
    def orders(self) -> list[Order]:
        """The orders it belongs to: those of its steps, else the one it was made from."""
        own: set[int | None] = {step.procedure.order_id for step in self.steps}
        own = own or {self.performed.order_id}
        return [self.locked[key] for key in sorted(self.locked) if key in own]


def taken_by_uid(sop_instance_uid: str) -> Taken:
    """Raises UnknownKeyError; in the words of a scanner's N-SET."""
    return _take(
        {"sop_instance_uid": sop_instance_uid},
        UnknownKeyError("no performed step with this SOP Instance UID", path="(0000,1001)"),
    )


def taken_by_key(public_id: str, orders: Iterable[int] = ()) -> Taken:
    """With further ``orders`` locked in the same go, in the order all lock them in."""
    return _take(
        {"public_id": public_key(public_id, "performed step")},
        UnknownKeyError("no such performed step"),
        orders,
    )


def _take(
    condition: dict[str, object], unknown: UnknownKeyError, further: Iterable[int] = ()
) -> Taken:
    rows = PerformedProcedureStep.objects.filter(**condition)
    keys = {
        key
        for pair in rows.values_list("order_id", "steps__procedure__order_id")
        for key in pair
        if key
    } | set(further)
    locked = {order.pk: order for order in lock_orders(keys)} if keys else {}
    performed = (
        PerformedProcedureStep.objects.select_for_update(of=("self",)).filter(**condition).first()
    )
    if performed is None:
        raise unknown
    for order in locked.values():
        # Spares reading order and patient once more.
        if performed.order_id == order.pk:
            performed.order = order
        if performed.patient_id == order.patient_id:
            performed.patient = order.patient
    steps = reload(locked, performed=performed) if locked else []
    return Taken(performed, steps, locked)
