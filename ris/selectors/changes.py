"""What has changed since a moment ago: the newest events of the journal, without anything of them.

Read again and again by every web process that has pages open (ris/web/live), so it walks the
primary key from a floor and takes three columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from time import monotonic
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ris.models import DeliveryAttempt, DomainEvent, InboundMessage, Site
from ris.selectors.resources import zone_of

AT_ONCE = 500
# Ids commit out of order: the floor follows only behind events that were seen this long ago.
LATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """An event by its name, and the site's days that it is about; none: any day."""

    name: str
    days: frozenset[date] = frozenset()


class Journal:
    """Events as they are committed, each once."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        newest = DomainEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._floor = newest or 0
        self._zones = _zones()

    def lately(self, seconds: float) -> list[Change]:
        """What happened just before this journal was opened."""
        since = timezone.now() - timedelta(seconds=seconds)
        rows = (
            DomainEvent.objects.filter(pk__lte=self._floor)
            .order_by("-pk")
            .values_list("name", "payload", "at")[:AT_ONCE]
        )
        return [
            Change(name, days_of(payload, self._zones)) for name, payload, at in rows if at >= since
        ]

    def news(self) -> list[Change] | None:
        """What came since the last look; None if it was too much to look at each."""
        now = monotonic()
        rows = list(
            DomainEvent.objects.filter(pk__gt=self._floor)
            .exclude(pk__in=list(self._seen)[-AT_ONCE:])
            .order_by("pk")
            .values_list("pk", "name", "payload")[:AT_ONCE]
        )
        self._seen.update((pk, now) for pk, _, _ in rows)
        if len(rows) == AT_ONCE:
            newest = DomainEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
            self._floor = newest or rows[-1][0]
            self._seen.clear()
            return None
        old = [pk for pk, at in self._seen.items() if now - at > LATE_SECONDS]
        if old:
            self._floor = max(self._floor, *old)
            self._seen = {pk: at for pk, at in self._seen.items() if pk > self._floor}
        if any(name == "SiteRegistered" for _, name, _payload in rows):
            self._zones = _zones()
        return [Change(name, days_of(payload, self._zones)) for _, name, payload in rows]


class Traffic:
    """Whether a message came in or was sent; rows that are no events."""

    def __init__(self) -> None:
        self._last = self._newest()

    def moved(self) -> bool:
        before, self._last = self._last, self._newest()
        return before != self._last

    @staticmethod
    def _newest() -> tuple[int | None, int | None]:
        return (
            InboundMessage.objects.order_by("-pk").values_list("pk", flat=True).first(),
            DeliveryAttempt.objects.order_by("-pk").values_list("pk", flat=True).first(),
        )


_TIMES = ("start_at", "end_at", "previous_start_at", "previous_end_at")


def days_of(payload: dict[str, Any], zones: Iterable[tzinfo] = ()) -> frozenset[date]:
    """The days that an event names, by the clock of any site."""
    clocks = {timezone.get_default_timezone(), *zones}
    return frozenset(at.astimezone(zone).date() for at in _times(payload) for zone in clocks)


def _zones() -> list[tzinfo]:
    return [zone_of(site) for site in Site.objects.exclude(time_zone="")]


def _times(payload: dict[str, Any]) -> Iterator[datetime]:
    for name in _TIMES:
        text = payload.get(name)
        at = parse_datetime(text) if isinstance(text, str) else None
        if at is not None and at.tzinfo is not None:
            yield at
