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
    PlacedOrder,
)
from ris.models import (
    Order,
    RequestedProcedure,
)
from ris.models.prepared import Given, Select
from ris.selectors.order_keys import criteria


def find(reference: OrderReference, *, lock: bool = True) -> Order | None:
    """The order meant. Raises DuplicateKeyError if its numbers belong to different orders."""
    found: dict[int, Order] = {}
    for filters in criteria(reference):
        order = _by(frozenset(filters), lock=lock).first(**filters)
        if order is not None:
            found[order.pk] = order
    if len(found) > 1:
        raise DuplicateKeyError("the numbers belong to different orders", path="ORC-2")
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
    order = find(reference)
    if order is None:
        raise UnknownKeyError("no such order", path="ORC-2")
    return order


def require_live(order: Order) -> None:
    if order.status not in {"ACTIVE", "ON_HOLD"}:
        raise StateConflictError(
            f"this order is {order.status.lower().replace('_', ' ')}", path="ORC-1"
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
    )
