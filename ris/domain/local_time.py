"""The clock on the wall of a site as instants, also on the days when it is changed.

A time that the clock jumps over is the instant of the jump. Of one that comes twice, what opens
opens the first time and what closes closes the second, so that nothing that is said to be open is
missing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ris.domain.errors import InvalidValueError

MIDNIGHT = time(0)


def instant(day: date, clock: time, zone: tzinfo, *, last: bool = False) -> datetime:
    """The instant, in UTC, of a time on the wall; ``last`` chooses of one that comes twice."""
    wall = datetime.combine(day, clock)
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early > late:  # the clock jumps over it (PEP 495)
        return _jump(late, early, zone)
    return late if last else early


def _jump(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """When the offset changes, which it does once between the two."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def is_skipped(day: date, clock: time, zone: tzinfo) -> bool:
    """Whether the clock jumps over a time on the wall, so that it is never that time."""
    wall = datetime.combine(day, clock, zone)
    early, late = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return early > late


def comes_twice(at: datetime, zone: tzinfo) -> bool:
    """Whether the wall shows the time of an instant before or after it as well."""
    wall = at.astimezone(zone)
    return wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()


def offset_of(at: datetime, zone: tzinfo) -> str:
    """How far the wall is from universal time: ``UTC+2``, ``UTC-3:30``, ``UTC``."""
    apart = at.astimezone(zone).utcoffset() or timedelta()
    hours, minutes = divmod(round(abs(apart).total_seconds() / 60), 60)
    if not hours and not minutes:
        return "UTC"
    return f"UTC{'-' if apart < timedelta() else '+'}{hours}{f':{minutes:02d}' if minutes else ''}"


def which(at: datetime, zone: tzinfo) -> str:
    """The offset, which tells a time that comes twice from the other; nothing for any other."""
    return offset_of(at, zone) if comes_twice(at, zone) else ""


def hour_of(at: datetime, zone: tzinfo) -> str:
    """What the wall shows, told apart where it comes twice: ``14:30``, ``02:30 UTC+2``."""
    return f"{at.astimezone(zone):%H:%M} {which(at, zone)}".rstrip()


def ended(start_at: datetime, minutes: int) -> datetime:
    """When that ends which begins then and lasts so long, in UTC.

    Adding to the time of a zone would move the hands of its clock, whatever is done to the clock
    meanwhile (PEP 495). Raises InvalidValueError where the calendar ends before.
    """
    try:
        return start_at.astimezone(UTC) + timedelta(minutes=minutes)
    except OverflowError:
        raise InvalidValueError("no such day or time", path="start_at") from None


def between(day: date, opens: time, closes: time, zone: tzinfo) -> tuple[datetime, datetime]:
    """From ``opens`` to ``closes`` of a day; closing at 0:00 is the midnight that ends it.

    On a day when the clock jumps over both there is nothing between them.
    """
    ends_on = day + timedelta(days=1) if closes == MIDNIGHT else day
    return instant(day, opens, zone), instant(ends_on, closes, zone, last=closes != MIDNIGHT)


def whole_day(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """A day of the site: 23, 24 or 25 hours."""
    return between(day, MIDNIGHT, MIDNIGHT, zone)


def is_one_clock(one: tzinfo, other: tzinfo, since: date) -> bool:
    """Whether two zones show the same time for the year to come."""
    noons = (datetime.combine(since, time(12)) + timedelta(days=day) for day in range(366))
    return all(one.utcoffset(noon) == other.utcoffset(noon) for noon in noons)


def is_after(closes: time, opens: time) -> bool:
    """Whether something can be open from one to the other on one day."""
    return closes == MIDNIGHT or closes > opens
