"""Opening hours as people write them.

A day's at a page: ``8-12, 13-18:30``, ``0-24``, nothing for closed. Those of weekdays in a row in a
site file: ``Mon-Fri 07:00-19:00``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import time
from itertools import pairwise

from ris.domain.errors import InvalidValueError
from ris.domain.local_time import MIDNIGHT, is_after

Hours = tuple[time, time]  # closing at 0:00 is the midnight that ends the day

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOSED = frozenset({"", "-", "closed"})
_HOURS = re.compile(r"(\d{1,2})(?:[:.]?(\d{2}))?\s*[-\u2013\u2014]\s*(\d{1,2})(?:[:.]?(\d{2}))?$")


def read_day(text: str, path: str = "hours") -> tuple[Hours, ...]:
    """The hours of one day, in order; raises InvalidValueError that says how they are written."""
    if text.strip().lower() in _CLOSED:
        return ()
    found = sorted(_read(part.strip(), path) for part in re.split(r"[,;]", text) if part.strip())
    for before, after in pairwise(found):
        if is_after(before[1], after[0]):
            raise InvalidValueError(f"{path}: hours of one day overlap", path=path)
    return tuple(found)


def _read(text: str, path: str) -> Hours:
    match = _HOURS.match(text)
    if match is None:
        raise InvalidValueError(
            f"{path}: hours are written like “8-12, 13-18:30” or “0-24”", path=path
        )
    first, first_minutes, last, last_minutes = match.groups(default="00")
    opens, closes = clock(first, first_minutes, path), clock(last, last_minutes, path)
    if int(first) == 24 or not is_after(closes, opens) or (closes == MIDNIGHT and int(last) != 24):
        raise InvalidValueError(f"{path}: hours close after they open", path=path)
    return opens, closes


def clock(hour: str, minutes: str, path: str) -> time:
    """A time of day; 24:00 is the midnight that ends it."""
    if (int(hour), int(minutes)) == (24, 0):
        return MIDNIGHT
    try:
        return time(int(hour), int(minutes))
    except ValueError:
        raise InvalidValueError(f"{path}: there is no {hour}:{minutes}", path=path) from None


def write_day(hours: Iterable[Hours]) -> str:
    """``08:00-12:00, 13:00-18:30``; empty for a day that is closed."""
    return ", ".join(f"{opens:%H:%M}-{closing(closes)}" for opens, closes in hours)


def closing(closes: time) -> str:
    return "24:00" if closes == MIDNIGHT else f"{closes:%H:%M}"


def by_day(rows: Iterable[tuple[int, time, time]]) -> tuple[tuple[Hours, ...], ...]:
    """Weekly rows as seven days."""
    days: list[list[Hours]] = [[] for _ in DAYS]
    for weekday, opens, closes in sorted(rows):
        days[weekday].append((opens, closes))
    return tuple(tuple(day) for day in days)


def as_rows(days: Sequence[Sequence[Hours]]) -> tuple[tuple[int, time, time], ...]:
    """Seven days as weekly rows."""
    return tuple(
        (weekday, opens, closes) for weekday, day in enumerate(days) for opens, closes in day
    )


# --- weekdays in a row

_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEKLY = re.compile(r"(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)$")
_NOT_WEEKLY = 'hours are written like "Mon-Fri 07:00-19:00" or "Sat 08:00-12:00"'


def parse_hours(text: str) -> list[tuple[int, time, time]]:
    """``Mon-Fri 07:00-19:00`` as (weekday, opens, closes), one for each day; 0 is Monday."""
    match = _WEEKLY.match(text)
    if match is None:
        raise InvalidValueError(_NOT_WEEKLY)
    first, last, *digits = match.groups()
    last = last or first
    if first not in _WEEK or last not in _WEEK or _WEEK.index(last) < _WEEK.index(first):
        raise InvalidValueError(_NOT_WEEKLY)
    if digits[2:] == ["24", "00"]:
        digits[2] = "00"  # the midnight that ends the day
    elif digits[2:] == ["00", "00"]:
        raise InvalidValueError("hours close after they open")
    try:
        opens, closes = (time(int(digits[i]), int(digits[i + 1])) for i in (0, 2))
    except ValueError:
        raise InvalidValueError(_NOT_WEEKLY) from None
    if not is_after(closes, opens):
        raise InvalidValueError("hours close after they open")
    return [(day, opens, closes) for day in range(_WEEK.index(first), _WEEK.index(last) + 1)]


def format_hours(hours: Sequence[tuple[int, time, time]]) -> list[str]:
    """Weekly hours as a file writes them: days in a row with the same times are one text."""
    runs: list[tuple[int, int, time, time]] = []
    for day, opens, closes in sorted(hours, key=lambda row: (row[1], row[2], row[0])):
        if runs and runs[-1][1] == day - 1 and runs[-1][2:] == (opens, closes):
            runs[-1] = (runs[-1][0], day, opens, closes)
        else:
            runs.append((day, day, opens, closes))
    return [
        f"{_WEEK[first]}{f'-{_WEEK[last]}' if last > first else ''} {opens:%H:%M}-{closing(closes)}"
        for first, last, opens, closes in sorted(runs)
    ]
