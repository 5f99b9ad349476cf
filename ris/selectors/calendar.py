"""Free and taken time of devices: hours minus closures minus bookings, computed and never stored.

Hours are in site-local time, so a day with a clock change has the hours that people there expect
(DESIGN 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.db.models import Q
from django.utils import timezone

from ris.models import Booking, Closure, Device, ResourceHours

# Where neither the device nor its room has hours of its own.
DEFAULT_HOURS = (time(8), time(18))
GRID_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


def subtract(free: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of ``free`` once every stretch of ``taken`` is cut out."""
    left = sorted(free, key=lambda span: span.start)
    for cut in taken:
        rest: list[Span] = []
        for span in left:
            if not span.overlaps(cut):
                rest.append(span)
                continue
            if span.start < cut.start:
                rest.append(Span(span.start, cut.start))
            if cut.end < span.end:
                rest.append(Span(cut.end, span.end))
        left = rest
    return left


def starts_in(gap: Span, minutes: int) -> list[datetime]:
    """Start times for an exam of ``minutes``, one after the other so that no time is wasted."""
    length = timedelta(minutes=minutes)
    stride = timedelta(minutes=-(-minutes // GRID_MINUTES) * GRID_MINUTES)
    at = _round_up(gap.start)
    found = []
    while at + length <= gap.end:
        found.append(at)
        at += stride
    return found


def _round_up(at: datetime) -> datetime:
    """The next instant on the grid."""
    over = timedelta(
        minutes=at.minute % GRID_MINUTES, seconds=at.second, microseconds=at.microsecond
    )
    return at if not over else at - over + timedelta(minutes=GRID_MINUTES)


# --- opening hours


class Calendar:
    """Hours, closures and bookings of some devices over some days, read in three queries."""

    def __init__(self, devices: Sequence[Device], first: date, days: int) -> None:
        self.zone = timezone.get_default_timezone()
        self.days = [first + timedelta(days=offset) for offset in range(days)]
        self.span = Span(midnight(first, self.zone), midnight(first + timedelta(days), self.zone))
        resources = {key for device in devices for key in _resource_ids(device)}
        inside = Q(start_at__lt=self.span.end, end_at__gt=self.span.start)
        self._hours: dict[int, list[ResourceHours]] = defaultdict(list)
        for row in ResourceHours.objects.filter(resource_id__in=resources).order_by("opens"):
            self._hours[row.resource_id].append(row)
        self._closures: dict[int, list[Closure]] = defaultdict(list)
        for closure in Closure.objects.filter(inside, resource_id__in=resources):
            self._closures[closure.resource_id].append(closure)
        self._bookings: dict[int, list[Booking]] = defaultdict(list)
        for booking in Booking.objects.filter(inside, resource_id__in=resources, live=True):
            self._bookings[booking.resource_id].append(booking)

    def open(self, device: Device, day: date) -> list[Span]:
        """When both the device and its room are open on a day, closures cut out.

        In UTC: on the wall clock an hour more is no hour later on the day the clock is changed.
        """
        spans = [
            Span(
                _at(day, opens, self.zone).astimezone(UTC),
                _at(day, closes, self.zone).astimezone(UTC),
            )
            for opens, closes in self._hours_of(device, day.weekday())
        ]
        return subtract(spans, self.closed(device))

    def closed(self, device: Device) -> list[Span]:
        return [
            Span(row.start_at, row.end_at)
            for key in _resource_ids(device)
            for row in self._closures[key]
        ]

    def taken(self, device: Device, but: int | None = None) -> list[Span]:
        """Live bookings of the device or its room; those of appointment ``but`` left out."""
        return [
            Span(row.start_at, row.end_at)
            for key in _resource_ids(device)
            for row in self._bookings[key]
            if row.appointment_id != but
        ]

    def bookings(self, device: Device) -> dict[int, Span]:
        """What takes the device or its room: each appointment, by primary key, and its time."""
        return {
            row.appointment_id: Span(row.start_at, row.end_at)
            for key in _resource_ids(device)
            for row in self._bookings[key]
        }

    def _hours_of(self, device: Device, weekday: int) -> list[tuple[time, time]]:
        found = [
            [(row.opens, row.closes) for row in self._hours[key] if row.weekday == weekday]
            for key in _resource_ids(device)
            if self._hours[key]
        ]
        if not found:
            return [DEFAULT_HOURS]
        if len(found) == 1:
            return found[0]
        return [
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in found[0]
            for b in found[1]
            if max(a[0], b[0]) < min(a[1], b[1])
        ]


def _resource_ids(device: Device) -> list[int]:
    room = [device.room.resource_id] if device.room else []
    return [device.resource_id, *room]


def midnight(day: date, zone: tzinfo) -> datetime:
    return _at(day, time(0), zone)


def _at(day: date, clock: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, clock, zone)
