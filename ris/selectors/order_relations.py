"""What an order has to do with others: what it stands for, what stands for it, its requisition."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

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


def relations(order: OrderView) -> Relations:
    """In three queries; a fourth if the order came under a requisition."""
    others = Order.objects.exclude(public_id=order.public_id)
    siblings = others.filter(
        parent_order_number=order.parent.value, parent_issuer=order.parent.issuer
    )
    early = EarlyCancellation.objects.filter(order__public_id=order.public_id)
    return Relations(
        replaces=_links(others.filter(replaced_by__public_id=order.public_id)),
        replaced_by=_links(others.filter(replaces__public_id=order.public_id)),
        requisition=_links(siblings) if order.parent.value else (),
        is_canceled_early=early.exists(),
    )


def _links(orders: QuerySet[Order]) -> tuple[RelatedOrder, ...]:
    rows = orders.order_by("id").values_list("public_id", "accession_number")[:50]
    return tuple(RelatedOrder(public_id=str(key), accession_number=number) for key, number in rows)
