"""Which order is meant, and whether it is still live."""

from __future__ import annotations

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
)
from ris.selectors.order_keys import criteria


def find(reference: OrderReference, *, lock: bool = True) -> Order | None:
    """The order meant. Raises DuplicateKeyError if its numbers belong to different orders."""
    rows = Order.objects.select_related("patient")
    if lock:
        rows = rows.select_for_update(of=("self",))
    found: dict[int, Order] = {}
    for filters in criteria(reference):
        order = rows.filter(**filters).first()
        if order is not None:
            found[order.pk] = order
    if len(found) > 1:
        raise DuplicateKeyError("the numbers belong to different orders", path="ORC-2")
    return next(iter(found.values()), None)


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


def placed(order: Order, *, created: bool) -> PlacedOrder:
    return PlacedOrder(
        public_id=str(order.public_id),
        filler_order_number=order.filler_order_number,
        accession_number=order.accession_number,
        study_instance_uids=tuple(
            order.procedures.order_by("id").values_list("study_instance_uid", flat=True)
        ),
        created=created,
    )
