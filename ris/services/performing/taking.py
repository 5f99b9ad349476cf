"""A performed step locked for a change, with its orders and its steps as they are then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BigIntegerField, CharField, UUIDField

from ris.domain.errors import UnknownKeyError
from ris.models import Order, PerformedProcedureStep, RequestedProcedure, ScheduledProcedureStep
from ris.models.prepared import Given, Select
from ris.services._locks import lock_orders, public_key
from ris.services.performing.following import steps_performed


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
    performed = _BY_UID.first(uid=sop_instance_uid)
    if performed is None:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path="(0000,1001)")
    return _take(performed)


def taken_by_key(public_id: str, orders: Iterable[int] = ()) -> Taken:
    """With further ``orders`` locked in the same go, in the order all lock them in."""
    performed = _BY_KEY.first(key=public_key(public_id, "performed step"))
    if performed is None:
        raise UnknownKeyError("no such performed step")
    return _take(performed, orders)


_BY_UID = Select(
    lambda: PerformedProcedureStep.objects.only("order").filter(
        sop_instance_uid=Given("uid", CharField())
    )
)
_BY_KEY = Select(
    lambda: PerformedProcedureStep.objects.only("order").filter(public_id=Given("key", UUIDField()))
)
_LOCKED = Select(
    lambda: PerformedProcedureStep.objects.select_for_update(of=("self",)).filter(
        pk=Given("pk", BigIntegerField())
    )
)
_ORDERS = Select(
    lambda: RequestedProcedure.objects.only("order").filter(
        steps__performed=Given("performed", BigIntegerField())
    )
)


def _take(sought: PerformedProcedureStep, further: Iterable[int] = ()) -> Taken:
    """The orders first, as everybody locks them; what belongs to none needs no second look."""
    keys = {procedure.order_id for procedure in _ORDERS.all(performed=sought.pk)} | set(further)
    if sought.order_id:
        keys.add(sought.order_id)
    locked = {order.pk: order for order in lock_orders(keys)}
    (performed,) = _LOCKED.all(pk=sought.pk)
    for order in locked.values():
        # Spares reading order and patient once more.
        if performed.order_id == order.pk:
            performed.order = order
        if performed.patient_id == order.patient_id:
            performed.patient = order.patient
    steps = steps_performed(locked, performed)
    missing = {step.procedure.order_id for step in steps} - locked.keys()
    if missing:  # somebody tied it to others meanwhile
        locked |= {order.pk: order for order in lock_orders(missing)}
        steps = steps_performed(locked, performed)
    return Taken(performed, steps, locked)
