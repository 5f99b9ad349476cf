"""What can be taken back, and why what cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ris.domain.orders import OrderStatus
from ris.domain.undoing import RESTORE_HOURS
from ris.models import DomainEvent, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """The last cancellation of an order, as its event says."""

    at: datetime
    by: str
    by_placer: bool
    replaced: bool
    early: bool
    was_held: bool
    steps: frozenset[str]


def cancellation_of(order: int) -> Cancellation | None:
    """Of an order by primary key."""
    event = DomainEvent.objects.filter(order_id=order, name="OrderCanceled").order_by("-id").first()
    if event is None:
        return None
    said = event.payload
    return Cancellation(
        at=event.at,
        by=event.actor_name,
        by_placer=bool(said.get("by_placer")),
        replaced=bool(said.get("replaced")),
        early=bool(said.get("early")),
        was_held=bool(said.get("was_held")),
        steps=frozenset(said.get("canceled_steps") or ()),
    )


def why_not_restored(status: str, canceled: Cancellation | None, now: datetime) -> str:
    """Why a cancellation cannot be taken back; empty if it can."""
    if status != OrderStatus.CANCELED.value or canceled is None:
        return "this order is not canceled"
    if canceled.by_placer or canceled.early:
        return "the ordering side canceled it, and would have to order it again"
    if canceled.replaced:
        return "another order stands for it"
    if not canceled.steps:
        return "nothing of it was left when it was canceled"
    if now - canceled.at > timedelta(hours=RESTORE_HOURS):
        return f"it was canceled more than {RESTORE_HOURS} hours ago: order it again"
    return ""


def can_restore(order: str, now: datetime) -> bool:
    """Whether a canceled order can be opened again, by public id."""
    row = Order.objects.filter(public_id=order).values_list("pk", "status").first()
    return row is not None and not why_not_restored(row[1], cancellation_of(row[0]), now)
