"""Rows locked in one order: patient, order, procedure, step, appointment (DESIGN 6).

Whoever changes anything of an order locks the order first; SQLite's IMMEDIATE transactions make the
same code serial there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeVar

from django.db.models import BigIntegerField, Model, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.models import Appointment, Order, ScheduledProcedureStep, driver
from ris.models.driver import Text
from ris.models.prepared import Given, Select

R = TypeVar("R", bound=Model)

_STEP_RELATED = ("procedure__order__patient", "appointment", "device")


def lock_name(name: str) -> None:
    """Wait for whoever does the same, until this transaction ends: for what has no row to lock.

    Where rows cannot be locked, whoever writes at all is alone.
    """
    here = driver.here()
    if here.vendor == "postgresql":
        driver.rows(here, _named_lock(), [name])


@cache
def _named_lock() -> Text:
    return Text("SELECT pg_advisory_xact_lock(hashtext(%s))", "postgresql")


def public_key(text: str, what: str) -> uuid.UUID:
    """A public id as a key; raises UnknownKeyError for what cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise UnknownKeyError(f"no such {what}") from None


_ORDER = Select(
    lambda: (
        Order.objects.select_for_update(of=("self",))
        .select_related("patient")
        .filter(pk=Given("pk", BigIntegerField()))
    )
)


def lock_orders(ids: Iterable[int]) -> list[Order]:
    """The orders, locked one by one in the order of their keys."""
    return [order for key in sorted(set(ids)) for order in _locked(key)]


def _locked(key: int) -> list[Order]:
    """The order; looked for twice, for a merge may give it another patient while we wait.

    PostgreSQL then compares the new row with the patient it had joined before, and leaves it out.
    """
    return _ORDER.all(pk=key) or _ORDER.all(pk=key)


def lock_beside(
    rows: QuerySet[R], public_id: str, what: str, *, order: str, related: Sequence[str]
) -> R:
    """A row by its public id, with its order, which is found by the field ``order``, locked first.

    ``what`` it is tells who names one that is not there.
    """
    found = rows.filter(public_id=public_key(public_id, what))
    lock_orders(found.values_list(order, flat=True))
    row = found.select_for_update(of=("self",)).select_related(*related).first()
    if row is None:
        raise UnknownKeyError(f"no such {what}")
    return row


def lock_step(public_id: str) -> ScheduledProcedureStep:
    """The step, with its order locked first."""
    key = public_key(public_id, "step")
    order_id = (
        ScheduledProcedureStep.objects.filter(public_id=key)
        .values_list("procedure__order_id", flat=True)
        .first()
    )
    if order_id is None:
        raise UnknownKeyError("no such step")
    lock_orders([order_id])
    return (
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .select_related(*_STEP_RELATED)
        .get(public_id=key)
    )


def lock_appointment(public_id: str) -> Appointment:
    """The appointment, with its orders locked first."""
    key = public_key(public_id, "appointment")
    lock_orders(
        ScheduledProcedureStep.objects.filter(appointment__public_id=key).values_list(
            "procedure__order_id", flat=True
        )
    )
    appointment = (
        Appointment.objects.select_for_update(of=("self",))
        .select_related("patient", "device__resource", "device__room__resource")
        .filter(public_id=key)
        .first()
    )
    if appointment is None:
        raise UnknownKeyError("no such appointment")
    return appointment


def lock_appointments(public_ids: Iterable[str]) -> dict[str, Appointment]:
    """Several, with the orders of all of them locked first: who locks orders does so by their keys.

    By the text they are named with.
    """
    keys = {text: public_key(text, "appointment") for text in public_ids}
    lock_orders(
        ScheduledProcedureStep.objects.filter(appointment__public_id__in=keys.values()).values_list(
            "procedure__order_id", flat=True
        )
    )
    return {text: lock_appointment(text) for text in sorted(keys, key=lambda text: keys[text])}


def steps_of_order(order: Order) -> list[ScheduledProcedureStep]:
    """The order's steps, locked, oldest first."""
    return list(
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .filter(procedure__order=order)
        .select_related(*_STEP_RELATED)
        .order_by("id")
    )


def steps_of_appointment(appointment: Appointment) -> list[ScheduledProcedureStep]:
    """The appointment's steps, locked, oldest first."""
    return list(
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .filter(appointment=appointment)
        .select_related(*_STEP_RELATED)
        .order_by("id")
    )
