"""Which order is meant, and whether it is still live."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import BigIntegerField, CharField, Field, QuerySet, UUIDField

from ris.domain.errors import (
    DuplicateKeyError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import (
    OrderReference,
    OrderStatus,
    PlacedOrder,
)
from ris.domain.patients import PatientReference
from ris.domain.places import Place
from ris.domain.values import Identifier
from ris.models import (
    Order,
    RequestedProcedure,
)
from ris.models.prepared import Given, Select
from ris.selectors.order_keys import criteria
from ris.services import patients

_LIVE = frozenset({"ACTIVE", "ON_HOLD"})


def find(reference: OrderReference, *, lock: bool = True) -> Order | None:
    """The order meant. Raises DuplicateKeyError if its numbers belong to different orders."""
    found: dict[int, Order] = {}
    for filters in criteria(reference):
        order = _by(frozenset(filters), lock=lock).first(**filters)
        if order is not None:
            found[order.pk] = order
    if len(found) > 1:
        raise DuplicateKeyError("the numbers belong to different orders", path=Place.PLACER)
    return next(iter(found.values()), None)


_FIELDS: dict[str, Field[Any, Any]] = {"public_id": UUIDField()}


@cache
def _by(names: frozenset[str], *, lock: bool) -> Select[Order]:
    def rows() -> QuerySet[Order]:
        given = {name: Given(name, _FIELDS.get(name, CharField())) for name in names}
        orders = Order.objects.select_related("patient").filter(**given).order_by("pk")
        return orders.select_for_update(of=("self",)) if lock else orders

    return Select(rows)


def require(reference: OrderReference) -> Order:
    """The order meant, locked. Raises UnknownKeyError, StateConflictError for somebody else's."""
    order = find(reference)
    if order is None:
        by_ours = reference.filler is not None and reference.placer is None
        raise UnknownKeyError("no such order", path=Place.FILLER if by_ours else Place.PLACER)
    _refuse_other_patient(order, reference)
    return order


def require_all(reference: OrderReference) -> list[Order]:
    """The order meant or, if the number is that of a requisition, what is live under it.

    What was split off an order here has no number of the placer: its number stands for both.
    """
    order = find(reference)
    if order is not None:
        _refuse_other_patient(order, reference)
        return [order, *_split_off(order, reference)]
    placer = reference.placer or Identifier("")
    children = [*_CHILDREN.all(value=placer.value, issuer=placer.issuer)] if placer.value else []
    if not children:
        return [require(reference)]  # which says that there is none
    _refuse_other_patient(children[0], reference)
    return [child for child in children if child.status in _LIVE] or children


_CHILDREN = Select(
    lambda: (
        Order.objects.select_related("patient")
        .filter(
            parent_order_number=Given("value", CharField()),
            parent_issuer=Given("issuer", CharField()),
        )
        .order_by("pk")
        .select_for_update(of=("self",))
    )
)


def _split_off(order: Order, reference: OrderReference) -> list[Order]:
    if reference.public_id or reference.placer is None or not order.placer_order_number:
        return []
    children = _CHILDREN.all(value=order.placer_order_number, issuer=order.placer_issuer)
    return [child for child in children if child.status in _LIVE and not child.placer_order_number]


def _refuse_other_patient(order: Order, reference: OrderReference) -> None:
    """A number that leads to another patient's order is a mistake somewhere: nobody guesses where.

    Identifiers that lead to nobody contradict nothing; a name and a birth date may.
    """
    patient = None
    if reference.patient:
        patient = patients.find(PatientReference(identifiers=reference.patient))
    if patient is not None and patient.pk != order.patient_id:
        raise StateConflictError("this order is of another patient", path=Place.PATIENT)
    if patient is None and reference.demographics is not None:
        patients.refuse_somebody_else(order.patient, reference.demographics)


def require_live(order: Order) -> None:
    if order.status not in _LIVE:
        raise StateConflictError(
            f"this order is {order.status.lower().replace('_', ' ')}", path=Place.ORDER_STATUS
        )


_PROCEDURES = Select(
    lambda: (
        RequestedProcedure.objects.only("study_instance_uid")
        .filter(order=Given("order", BigIntegerField()))
        .order_by("pk")
    )
)


def placed(order: Order, *, created: bool) -> PlacedOrder:
    return PlacedOrder(
        public_id=str(order.public_id),
        filler_order_number=order.filler_order_number,
        accession_number=order.accession_number,
        study_instance_uids=tuple(
            procedure.study_instance_uid for procedure in _PROCEDURES.all(order=order.pk)
        ),
        created=created,
        status=OrderStatus(order.status),
    )
