"""What an order has to do with others: what it stands for, what stands for it, its requisition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import IntegerField, QuerySet, Value

from ris.domain.orders import OrderStatus
from ris.models import EarlyCancellation, Order
from ris.selectors.views import OrderView


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedOrder:
    """Another order, for a link."""

    public_id: str
    accession_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """``is_canceled_early``: its cancellation came before it, and was refused."""

    replaces: tuple[RelatedOrder, ...] = ()
    replaced_by: tuple[RelatedOrder, ...] = ()
    requisition: tuple[RelatedOrder, ...] = ()
    is_canceled_early: bool = False


_REPLACES, _REPLACED_BY, _REQUISITION, _EARLY = range(4)
_MOST = 150


def relations(order: OrderView) -> Relations:
    """In one query."""
    others = Order.objects.exclude(public_id=order.public_id)
    asked = {
        _REPLACES: others.filter(replaced_by__public_id=order.public_id),
        _REPLACED_BY: others.filter(replaces__public_id=order.public_id),
        # The order itself, if its cancellation came before it.
        _EARLY: Order.objects.filter(
            status=OrderStatus.CANCELED.value,
            pk__in=EarlyCancellation.objects.filter(order__public_id=order.public_id).values(
                "order"
            ),
        ),
    }
    if order.parent.value:
        asked[_REQUISITION] = others.filter(
            parent_order_number=order.parent.value, parent_issuer=order.parent.issuer
        )
    first, *more = (_links(kind, rows) for kind, rows in asked.items())
    found: dict[int, list[RelatedOrder]] = {kind: [] for kind in range(4)}
    for kind, _pk, key, number in first.union(*more, all=True).order_by("pk")[:_MOST]:
        found[kind].append(RelatedOrder(public_id=str(key), accession_number=number))
    return Relations(
        replaces=tuple(found[_REPLACES]),
        replaced_by=tuple(found[_REPLACED_BY]),
        requisition=tuple(found[_REQUISITION]),
        is_canceled_early=bool(found[_EARLY]),
    )


def _links(kind: int, orders: QuerySet[Order]) -> QuerySet[Order, tuple[Any, ...]]:
    return orders.values_list(Value(kind, IntegerField()), "pk", "public_id", "accession_number")
