"""What removing a closure, a holiday, a downtime or kept time would give back, and who has to do
with it: exams that lie inside, people who wait for a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils import timezone

from ris.domain.facility import ResourceKind
from ris.domain.local_time import whole_day
from ris.domain.waiting import WaitingStatus
from ris.models import Block, Booking, Closure, Device, Holiday, Resource, WaitingEntry
from ris.selectors.resources import kept_times, zone_of

AHEAD = timedelta(days=28)  # what is further away is found when somebody looks for a time
# Somebody's own hours free no room: whoever needs him finds it out when a time is looked for.
_PLACES = (ResourceKind.ROOM.value, ResourceKind.DEVICE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a room or device, by primary key."""

    resource: int
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Who has to do with it."""

    exams: int = 0
    waiting: int = 0

    def __bool__(self) -> bool:
        return bool(self.exams or self.waiting)


def of_closure(row: Closure, now: datetime) -> list[Span]:
    return _ahead([(row.resource, row.start_at, row.end_at)], now)


def of_block(row: Block, now: datetime, *, day: date | None = None) -> list[Span]:
    """All that is still to come of kept time, or what is kept on one day."""
    zone = zone_of(row.resource.site)
    first = timezone.localtime(now, zone).date()
    days = [day] if day else [first + timedelta(days=each) for each in range(AHEAD.days + 1)]
    return _ahead(
        [
            (row.resource, kept.start_at, kept.end_at)
            for kept in kept_times(row, days, zone)
            if not kept.is_free_for_all(now)
        ],
        now,
    )


def of_holiday(row: Holiday, now: datetime) -> list[Span]:
    """The day of every device that it closes; one query."""
    rows = Resource.objects.filter(kind=ResourceKind.DEVICE.value, active=True)
    if row.site_id is not None:
        rows = rows.filter(site=row.site_id)
    closed = rows.filter(open_on_holidays=False).select_related("site")
    return _ahead([(each, *whole_day(row.date, zone_of(each.site))) for each in closed], now)


def _ahead(spans: Iterable[tuple[Resource, datetime, datetime]], now: datetime) -> list[Span]:
    """What of them lies between now and :data:`AHEAD`, of rooms and devices."""
    found = [
        Span(resource=resource.pk, start_at=max(start, now), end_at=min(end, now + AHEAD))
        for resource, start, end in spans
        if resource.kind in _PLACES
    ]
    return [each for each in found if each.start_at < each.end_at]


def behind(spans: Sequence[Span]) -> Behind:
    """Bookings that lie inside, and who waits for such a device; three queries."""
    if not spans:
        return Behind()
    inside = reduce(
        or_,
        (Q(resource=each.resource, start_at__lt=each.end_at, end_at__gt=each.start_at)
         for each in spans),
    )  # fmt: skip
    keys = {each.resource for each in spans}
    modalities = Device.objects.filter(
        Q(resource__in=keys) | Q(room__resource__in=keys), active=True
    ).values_list("modality", flat=True)
    return Behind(
        exams=Booking.objects.filter(inside, live=True).values("appointment").distinct().count(),
        waiting=WaitingEntry.objects.filter(
            status=WaitingStatus.WAITING.value, modality__in=set(modalities)
        ).count(),
    )
