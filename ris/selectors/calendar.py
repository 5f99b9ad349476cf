"""Free and taken time of devices: hours minus closures minus bookings, computed and never stored.

Hours are in site-local time, so a day with a clock change has the hours that people there expect
(DESIGN 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from ris.domain.openings import GRID_MINUTES
from ris.domain.scheduling import LONGEST
from ris.models import Booking, Device
from ris.selectors.resources import Timetable


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


class Calendar:
    """Opening and bookings of some devices over some days, as pages and slots show them."""

    def __init__(self, devices: Sequence[Device], first: date, days: int) -> None:
        keys = {key for device in devices for key in _resource_ids(device)}
        self._times = Timetable(keys, first, days)
        self.days = self._times.days
        self.span = Span(*self._times.span)
        self._bookings: dict[int, list[Booking]] = defaultdict(list)
        for booking in Booking.objects.filter(
            resource_id__in=keys,
            live=True,
            start_at__lt=self.span.end,
            start_at__gt=self.span.start - LONGEST,
            end_at__gt=self.span.start,
        ):
            self._bookings[booking.resource_id].append(booking)

    def open(self, device: Device, day: date) -> list[Span]:
        """When both the device and its room are open on a day; closures and holidays cut out.

        In UTC: on the wall clock an hour more is no hour later on the day the clock is changed.
        """
        keys = _resource_ids(device)
        if any(
            not self._times.resources[key].active or self._times.holiday(key, day) for key in keys
        ):
            return []
        spans = [Span(*stretch) for stretch in self._times.hours_together(keys, day)]
        return subtract(spans, self.closed(device))

    def closed(self, device: Device) -> list[Span]:
        return [
            Span(row.start_at, row.until)
            for key in _resource_ids(device)
            for row in self._times.closures(key)
        ]

    def bookings(self, device: Device) -> dict[int, Span]:
        """What takes the device or its room: each appointment, by primary key, and its time."""
        return {
            row.appointment_id: Span(row.start_at, row.end_at)
            for key in _resource_ids(device)
            for row in self._bookings[key]
        }


def _resource_ids(device: Device) -> list[int]:
    room = [device.room.resource_id] if device.room else []
    return [device.resource_id, *room]


def midnight(day: date, zone: tzinfo) -> datetime:
    return _at(day, time(0), zone)


def _at(day: date, clock: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, clock, zone)
