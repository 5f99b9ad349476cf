"""Hours in which a peer takes nothing: ``22:00-02:00``, ``Sat-Sun 1:00-5:30``.

A span without days is of every day; one that ends before it begins ends on the next day. The hours
are those of the clock on the peer's wall, so they follow summer time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SPAN = re.compile(
    r"(?:([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? )?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", re.ASCII
)
_DAY = 24 * 60


def fault(span: str) -> str | None:
    """What is wrong with a span, if anything is."""
    try:
        _parse(span)
    except ValueError as error:
        return str(error)
    return None


def within(spans: Iterable[str], at: datetime, zone: tzinfo) -> bool:
    """Whether a time is in any of the spans."""
    local = at.astimezone(zone)
    day, minute = local.weekday(), local.hour * 60 + local.minute
    for span in spans:
        days, begin, end = _parse(span)
        if begin < end:
            if day in days and begin <= minute < end:
                return True
        elif (day in days and minute >= begin) or ((day - 1) % 7 in days and minute < end):
            return True
    return False


@lru_cache(256)
def _parse(span: str) -> tuple[frozenset[int], int, int]:
    """The days on which it begins, and its first minute and the one after its last."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"{span!r} is no span of hours, as '22:00-02:00' or 'Sat-Sun 1:00-5:30'")
    first, last, *clock = found.groups()
    days = frozenset(range(7))
    if first:
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"a day is one of {', '.join(DAYS)}")
        begin_day, end_day = DAYS.index(first), DAYS.index(last or first)
        days = frozenset((begin_day + n) % 7 for n in range((end_day - begin_day) % 7 + 1))
    hour, minute, end_hour, end_minute = map(int, clock)
    begin, end = hour * 60 + minute, end_hour * 60 + end_minute
    if hour > 23 or minute > 59 or end_minute > 59 or end > _DAY or begin == end:
        raise ValueError(f"{span!r} is no span of a day")
    return days, begin, end
