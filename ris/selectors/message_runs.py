"""Runs over many messages, and what one would do before it is started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import Direction
from ris.models import Delivery, InboundMessage, MessageRun
from ris.selectors.message_filters import (
    OVER_DELIVERY,
    STUCK_DELIVERY,
    Filter,
    key_of,
    runnable,
)
from ris.selectors.messages import with_inbound_lines, with_outbound_lines

SHOWN = 20  # of what a run could not do


@dataclass(frozen=True, slots=True)
class Found:
    """What a run would be about; ``anew`` of them were sent and would be sent as new messages."""

    total: int
    anew: int
    first_at: datetime | None
    last_at: datetime | None


def count(direction: Direction, wanted: Filter) -> Found:
    rows = runnable(direction, wanted.said())
    column = "received_at" if direction is Direction.IN else "created_at"
    times = rows.aggregate(first=Min(column), last=Max(column))
    anew = rows.filter(state__in=OVER_DELIVERY).count() if direction is Direction.OUT else 0
    return Found(rows.count(), anew, times["first"], times["last"])


def latest(limit: int = 50) -> list[MessageRun]:
    return list(MessageRun.objects.order_by("-id")[:limit])


def run(public_id: str) -> MessageRun:
    """Raises UnknownKeyError."""
    row = MessageRun.objects.filter(public_id=key_of(public_id, "run")).first()
    if row is None:
        raise UnknownKeyError("no such run")
    return row


def refused_in(run: MessageRun) -> list[InboundMessage]:
    """What was tried and is still not applied, in its order; the first ones."""
    rows = runnable(Direction.IN, run.filters)
    tried = rows.filter(pk__lte=min(run.cursor, run.last_id)).order_by("pk")
    return list(with_inbound_lines(tried)[:SHOWN])  # type: ignore[arg-type]


def refused_out(run: MessageRun) -> list[Delivery]:
    """What was tried and is still parked, in its order; the first ones."""
    rows = runnable(Direction.OUT, run.filters).filter(state__in=STUCK_DELIVERY)
    tried = rows.filter(pk__lte=min(run.cursor, run.last_id)).order_by("pk")
    return list(with_outbound_lines(tried)[:SHOWN])  # type: ignore[arg-type]
