"""What is wrong with a connection now, by its own limits; what alerts are raised from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop as noop

from ris.domain.configuration import parse_hours
from ris.domain.exchange import Direction
from ris.domain.interfaces import AlertKind, Watch
from ris.models import Endpoint
from ris.selectors.interfaces import (
    Queue,
    Sums,
    link_of,
    queues,
    sums_since,
    unreached_since,
    with_last,
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong with a connection now; ``detail`` has numbers and no patient."""

    endpoint: Endpoint | None
    kind: AlertKind
    detail: str


def faults(now: datetime) -> list[Wrong]:
    """What is beyond the limits of each connection in use."""
    out, into = queues()
    last_hour = sums_since(now - timedelta(hours=1))
    found = []
    for endpoint in with_last():
        if not endpoint.active:
            continue
        watch = Watch.of(endpoint.watch)
        is_out = endpoint.direction == Direction.OUT.value
        queue = (out if is_out else into).get(endpoint.pk, Queue())
        if is_out:
            found += _wrong_out(endpoint, queue)
        elif queue.stuck:
            found.append(Wrong(endpoint, AlertKind.WAITING, _so_many(queue.stuck, "not applied")))
        found += _lagging(endpoint, watch, queue, now)
        refused = last_hour.get(link_of(endpoint), Sums()).refused
        if watch.refused_an_hour and refused >= watch.refused_an_hour:
            words = f"{_so_many(refused, 'refused')} within the hour"
            found.append(Wrong(endpoint, AlertKind.REFUSED, words))
        silent = _silent(endpoint, watch, is_out, now)
        if silent is not None:
            found.append(Wrong(endpoint, AlertKind.SILENT, noop(f"no message for {_span(silent)}")))
    strangers = into.get(None, Queue()).stuck
    if strangers:
        found.append(Wrong(None, AlertKind.WAITING, _so_many(strangers, "not applied")))
    return found


def _wrong_out(endpoint: Endpoint, queue: Queue) -> list[Wrong]:
    found = []
    if queue.stuck:
        found.append(
            Wrong(endpoint, AlertKind.PARKED, _so_many(queue.stuck, "refused or given up"))
        )
    if queue.queued and not endpoint.paused and unreached_since(endpoint) is not None:
        found.append(Wrong(endpoint, AlertKind.UNREACHED, noop("it does not answer")))
    return found


def _lagging(endpoint: Endpoint, watch: Watch, queue: Queue, now: datetime) -> list[Wrong]:
    """What waits to leave; or to be applied, where messages are answered when they are stored."""
    reasons = []
    if queue.oldest_at is not None and watch.oldest_minutes:
        age = now - queue.oldest_at
        if age >= timedelta(minutes=watch.oldest_minutes):
            reasons.append(noop(f"the oldest waits for {_span(age)}"))
    if watch.queued and queue.queued >= watch.queued:
        reasons.append(f"{queue.queued} wait")
    if not reasons:
        return []
    paused = ", paused" if endpoint.paused else ""
    return [Wrong(endpoint, AlertKind.LAGGING, f"{', '.join(reasons)}{paused}")]


def _silent(endpoint: Endpoint, watch: Watch, is_out: bool, now: datetime) -> timedelta | None:
    """For how long nothing came or went, if that is longer than agreed for this time of day."""
    local = timezone.localtime(now)
    if not watch.silent_minutes or endpoint.paused or not watch.is_on(local):
        return None
    last = endpoint.last_out if is_out else endpoint.last_in  # type: ignore[attr-defined]  # annotated
    begins = [endpoint.created_at if last is None else last]
    for text in watch.hours:
        for day, opens, closes in parse_hours(text):
            if day == local.weekday() and opens <= local.time() < closes:
                begins.append(
                    local.replace(hour=opens.hour, minute=opens.minute, second=0, microsecond=0)
                )
    silent = now - max(begins)
    return silent if silent >= timedelta(minutes=watch.silent_minutes) else None


def _so_many(count: int, words: str) -> str:
    return f"{count} message{'' if count == 1 else 's'} {words}"


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
