"""A performed step locked for a change, with its orders and its steps as they are then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BigIntegerField, CharField, F, UUIDField

from ris.domain.errors import UnknownKeyError
from ris.domain.places import Place
from ris.models import Order, PerformedProcedureStep, ScheduledProcedureStep
from ris.models.driver import Rows
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
    """Raises UnknownKeyError."""
    found, _ = _BY_UID.rows(uid=sop_instance_uid)
    if not found:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path=Place.PERFORMED)
    return _take(found)


def taken_by_key(public_id: str, orders: Iterable[int] = ()) -> Taken:
    """With further ``orders`` locked in the same go, in the order all lock them in."""
    found, _ = _BY_KEY.rows(key=public_key(public_id, "performed step"))
    if not found:
        raise UnknownKeyError("no such performed step")
    return _take(found, orders)


def _seeking(**by: Given) -> Select[PerformedProcedureStep]:
    """The exam's key, the order it was made from, and that of its steps: a row for each step."""
    return Select(
        lambda: (
            PerformedProcedureStep.objects.only("order")
            .annotate(of_step=F("steps__procedure__order"))
            .filter(**by)
        )
    )


_BY_UID = _seeking(sop_instance_uid=Given("uid", CharField()))
_BY_KEY = _seeking(public_id=Given("key", UUIDField()))
_LOCKED = Select(
    lambda: PerformedProcedureStep.objects.select_for_update(of=("self",)).filter(
        pk=Given("pk", BigIntegerField())
    )
)


def _take(sought: Rows, further: Iterable[int] = ()) -> Taken:
    """The orders first, as everybody locks them; what belongs to none needs no second look."""
    keys = {order for _, own, of_step in sought for order in (own, of_step) if order}
    locked = {order.pk: order for order in lock_orders(keys | set(further))}
    (performed,) = _LOCKED.all(pk=sought[0][0])
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
