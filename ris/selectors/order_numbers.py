"""What an answer to an order message tells of the order: its number with us, how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.orders import OrderReference, OrderStatus, Stage
from ris.domain.values import Identifier
from ris.models import Order, RequestedProcedure
from ris.selectors.order_keys import criteria


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNumbers:
    """``stages`` are those of its procedures, in their order."""

    public_id: str
    filler: Identifier
    status: OrderStatus
    stages: tuple[Stage, ...]


def order_numbers(reference: OrderReference) -> OrderNumbers | None:
    """The order meant by any of its numbers; None if none or several."""
    found: dict[int, Order] = {}
    for filters in criteria(reference):
        for order in Order.objects.filter(**filters)[:2]:
            found[order.pk] = order
    if len(found) != 1:
        return None
    (order,) = found.values()
    stages = RequestedProcedure.objects.filter(order=order).order_by("pk")
    return OrderNumbers(
        public_id=str(order.public_id),
        filler=Identifier(order.filler_order_number, order.filler_issuer, "FILL"),
        status=OrderStatus(order.status),
        stages=tuple(Stage(stage) for stage in stages.values_list("stage", flat=True)),
    )
