"""What passed each connection, counted by the clock and not by the messages.

A message in costs nothing for it: twice a minute the last few minutes are read by the index of
their times and written as one row for each connection. What is counted twice is written again, not
added, so it does not matter who counts, or how often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Sum

from ris.domain.exchange import MessageState
from ris.domain.interfaces import LIMITS, class_of, link_in, link_out
from ris.domain.protocol import Result
from ris.models import DeliveryAttempt, InboundMessage, Traffic
from ris.services import _clock
from ris.services._execute import transactional

MINUTES = 5
KEPT = timedelta(days=8)
FIRST = timedelta(hours=24)  # how far back a new installation counts, and one that was off
# What passed so many messages is not read again before it is over.
BUSY = 20_000
_REACHED = {Result.DELIVERED.value, Result.REFUSED.value}


@dataclass(slots=True)
class _Count:
    endpoint_id: int | None
    messages: int = 0
    refused: int = 0
    failed: int = 0
    answers: list[int] = field(default_factory=lambda: [0] * (len(LIMITS) + 1))

    def answered(self, began: datetime, ended: datetime) -> None:
        self.answers[class_of((ended - began).total_seconds() * 1000)] += 1


def start_of(moment: datetime) -> datetime:
    """The beginning of the minutes that a moment belongs to."""
    seconds = int(moment.timestamp()) // (MINUTES * 60) * (MINUTES * 60)
    return datetime.fromtimestamp(seconds, UTC)


@transactional
def count() -> int:
    """Count what passed since the last time; how many rows were written."""
    now = _clock.now()
    since = _since(now)
    if since is None:
        return 0
    counts: dict[tuple[str, datetime], _Count] = {}
    _count_in(since, now, counts)
    _count_out(since, now, counts)
    Traffic.objects.bulk_create(
        [
            Traffic(
                link=link,
                start_at=start,
                endpoint_id=found.endpoint_id,
                messages=found.messages,
                refused=found.refused,
                failed=found.failed,
                answers=found.answers,
            )
            for (link, start), found in counts.items()
        ],
        update_conflicts=True,
        unique_fields=["link", "start_at"],
        update_fields=["endpoint", "messages", "refused", "failed", "answers"],
        batch_size=500,
    )
    Traffic.objects.filter(start_at__lt=now - KEPT).delete()
    return len(counts)


def _since(now: datetime) -> datetime | None:
    """From where to count: the minutes before the last ones counted, for they were not over."""
    last = Traffic.objects.order_by("-start_at").values_list("start_at", flat=True).first()
    if last is None or last < now - FIRST:
        return start_of(now - FIRST)
    if last == start_of(now):
        passed = Traffic.objects.filter(start_at=last).aggregate(sum=Sum("messages"))["sum"]
        if (passed or 0) > BUSY:
            return None
    return last - timedelta(minutes=MINUTES)


def _count_in(since: datetime, now: datetime, counts: dict[tuple[str, datetime], _Count]) -> None:
    rows = InboundMessage.objects.filter(received_at__gte=since, received_at__lte=now).values_list(
        "protocol", "endpoint_id", "state", "received_at", "answered_at"
    )
    for protocol, endpoint_id, state, received_at, answered_at in rows.iterator(chunk_size=2000):
        key = (link_in(protocol, endpoint_id), start_of(received_at))
        found = counts.setdefault(key, _Count(endpoint_id))
        found.messages += 1
        found.refused += state == MessageState.REJECTED.value
        found.failed += state == MessageState.FAILED.value
        if answered_at is not None:
            found.answered(received_at, answered_at)


def _count_out(since: datetime, now: datetime, counts: dict[tuple[str, datetime], _Count]) -> None:
    for endpoint_id, result, started_at, ended_at in _attempts(since, now):
        found = counts.setdefault(
            (link_out(endpoint_id), start_of(started_at)), _Count(endpoint_id)
        )
        found.messages += result == Result.DELIVERED.value
        found.refused += result == Result.REFUSED.value
        found.failed += result not in _REACHED
        if result in _REACHED and ended_at is not None:
            found.answered(started_at, ended_at)


def _attempts(
    since: datetime, now: datetime
) -> Iterator[tuple[int, str, datetime, datetime | None]]:
    rows = (
        DeliveryAttempt.objects.filter(started_at__gte=since, started_at__lte=now)
        .exclude(ended_at=None)
        .order_by()
    )
    yield from rows.values_list(
        "delivery__endpoint_id", "result", "started_at", "ended_at"
    ).iterator(chunk_size=2000)
