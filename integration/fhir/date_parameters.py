"""Search parameters of dates and times, and how a date of a value is read (FHIR R4 3.1.1.4.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import ClassVar

from integration.fhir.parameters import Parameter, Reading, refused
from ris.selectors.search.terms import Comparison, DateTerm, TimeTerm

# The ends of Python's calendar, and of the databases' as well.
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d{4}.*)")
_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d\d:\d\d)?)?)?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateParameter(Parameter):
    """A date or time to any precision; without a zone it is the site's."""

    type: ClassVar[str] = "date"

    def read(self, value: str, modifier: str, reading: Reading) -> TimeTerm:
        prefix, text = _prefixed(self.name, value)
        low, high = interval(self.name, text, reading.zone)
        if prefix == "ap":
            # A tenth of the distance from now (FHIR R4 3.1.1.4.5), at least the precision given.
            slack = abs(reading.now - low) / 10
            return TimeTerm(
                Comparison.EQ,
                low - min(slack, low - _FIRST),
                high + min(slack, _LAST - high),
            )
        return TimeTerm(Comparison(prefix), low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialDateParameter(Parameter):
    """A date without time, such as a birth date."""

    type: ClassVar[str] = "date"

    def read(self, value: str, modifier: str, reading: Reading) -> DateTerm:
        prefix, text = _prefixed(self.name, value)
        interval(self.name, text, UTC)
        if len(text) > 10:
            text = text[:10]
        # About a birth date: the same month.
        return (
            DateTerm(Comparison.EQ, text[:7])
            if prefix == "ap"
            else DateTerm(Comparison(prefix), text)
        )


def _prefixed(name: str, value: str) -> tuple[str, str]:
    found = _PREFIX.fullmatch(value)
    if found is None:
        raise refused(name, "not a date")
    return found[1] or "eq", found[2]


def interval(name: str, text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The time [low, high) that a date to its precision means."""
    # A "+" that the client did not escape arrives as a space.
    found = _TIME.fullmatch(text.replace(" ", "+"))
    if found is None:
        raise refused(name, "not a date")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        low = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(offset) if offset else zone,
        )
        return low.astimezone(UTC), _end(low, [month, day, hour, second, fraction])
    except (ValueError, OverflowError):
        raise refused(name, "no such date") from None


def _zone(offset: str) -> tzinfo:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo or UTC


def _end(low: datetime, given: list[str | None]) -> datetime:
    """The same, in UTC; many say "for ever" by the last day that a calendar has."""
    try:
        return _next(low, given).astimezone(UTC)
    except (ValueError, OverflowError):
        if low.year < _LAST.year:
            raise
        return _LAST


def _next(low: datetime, given: list[str | None]) -> datetime:
    """The first instant after what was meant by a date to this precision."""
    month, day, hour, second, fraction = given
    if month is None:
        return low.replace(year=low.year + 1)
    if day is None:
        return low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
    if hour is None:
        following = low.date() + timedelta(days=1)
        return low.replace(year=following.year, month=following.month, day=following.day)
    if second is None:
        return low + timedelta(minutes=1)
    if fraction is None:
        return low + timedelta(seconds=1)
    return low + timedelta(microseconds=10 ** max(6 - len(fraction), 0))
