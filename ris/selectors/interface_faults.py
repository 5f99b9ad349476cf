"""What is wrong with a connection now, by its own limits; what alerts are raised from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop as noop

from ris.domain.exchange import Direction
from ris.domain.interfaces import AlertKind, Watch
from ris.domain.opening_hours import parse_hours
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
        # What a peer answers on the connection we sent over is kept as its messages are.
        unapplied = into.get(endpoint.pk, Queue()).stuck
        if unapplied:
            found.append(Wrong(endpoint, AlertKind.WAITING, _not_applied(unapplied)))
        found += _lagging(endpoint, watch, queue, now)
        refused = last_hour.get(link_of(endpoint), Sums()).refused
        if watch.refused_an_hour and refused >= watch.refused_an_hour:
            found.append(Wrong(endpoint, AlertKind.REFUSED, _refused(refused)))
        silent = _silent(endpoint, watch, is_out, now)
        if silent is not None:
            span = _span(silent)
            found.append(Wrong(endpoint, AlertKind.SILENT, noop(f"no message for {span}")))
    strangers = into.get(None, Queue()).stuck
    if strangers:
        found.append(Wrong(None, AlertKind.WAITING, _not_applied(strangers)))
    return found


def _wrong_out(endpoint: Endpoint, queue: Queue) -> list[Wrong]:
    found = []
    if queue.stuck:
        found.append(Wrong(endpoint, AlertKind.PARKED, _parked(queue.stuck)))
    if queue.queued and not endpoint.paused and unreached_since(endpoint) is not None:
        found.append(Wrong(endpoint, AlertKind.UNREACHED, noop("it does not answer")))
    return found


def _lagging(endpoint: Endpoint, watch: Watch, queue: Queue, now: datetime) -> list[Wrong]:
    """What waits to leave; or to be applied, where messages are answered when they are stored."""
    count = queue.queued
    age = timedelta() if queue.oldest_at is None else now - queue.oldest_at
    is_old = bool(watch.oldest_minutes) and age >= timedelta(minutes=watch.oldest_minutes)
    is_long = bool(watch.queued) and count >= watch.queued
    if not is_old and not is_long:
        return []
    words = _queued(count if is_long else 0, _span(age) if is_old else "", paused=endpoint.paused)
    return [Wrong(endpoint, AlertKind.LAGGING, words)]


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


# Each sentence is whole in the catalogs: its words stand otherwise in another language.


def _not_applied(count: int) -> str:
    if count == 1:
        return noop("1 message not applied")
    return noop(f"{count} messages not applied")


def _refused(count: int) -> str:
    if count == 1:
        return noop("1 message refused within the hour")
    return noop(f"{count} messages refused within the hour")


def _parked(count: int) -> str:
    if count == 1:
        return noop("1 message refused or given up")
    return noop(f"{count} messages refused or given up")


def _queued(count: int, age: str, *, paused: bool) -> str:
    """What is beyond its limit: ``count``, ``age`` of the oldest, or both."""
    if count and age:
        if paused:
            return noop(f"{count} in the queue, the oldest for {age}, paused")
        return noop(f"{count} in the queue, the oldest for {age}")
    if count:
        return noop(f"{count} in the queue, paused") if paused else noop(f"{count} in the queue")
    if paused:
        return noop(f"the oldest waits for {age}, paused")
    return noop(f"the oldest waits for {age}")


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
