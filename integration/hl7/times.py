"""HL7 times: TS and DTM, read with their precision and never without a zone (HL7 v2.5.1 2A.77).

``YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]``. A time without offset is in the zone that the
caller gives: the peer's IANA zone, so that summer time is right, or :func:`message_zone`. An hour
that occurs twice is taken as the earlier one, an hour that does not occur is moved forward by the
gap; both are flagged (reliability 3.5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ris.domain.errors import InvalidValueError
from ris.domain.values import PartialDate


class Precision(IntEnum):
    """How far a time was given; the value is its number of digits."""

    YEAR = 4
    MONTH = 6
    DAY = 8
    HOUR = 10
    MINUTE = 12
    SECOND = 14
    FRACTION = 15


class Adjustment(StrEnum):
    """What a change to or from summer time made of a local time without offset."""

    NONE = ""
    AMBIGUOUS = "ambiguous"  # occurs twice: the earlier one was taken
    GAP = "gap"  # does not occur: moved forward


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time as sent: ``at`` is its first instant, aware, in the zone it was given in."""

    text: str
    at: datetime
    precision: Precision
    has_offset: bool
    adjustment: Adjustment = Adjustment.NONE

    @property
    def on(self) -> date:
        """The local date."""
        return self.at.date()

    @property
    def utc(self) -> datetime:
        return self.at.astimezone(UTC)


_TIME = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})"
    r"(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?([+-][0-9]{4})?"
)
_OFFSET_LIMIT = 14 * 60  # no place on earth is farther from Greenwich


def read(text: str, zone: tzinfo, *, path: str = "") -> Timestamp:
    """A TS.1 or DTM; ``zone`` is in force if it has no offset. Raises InvalidValueError."""
    stripped = text.strip()
    match = _TIME.fullmatch(stripped)
    if match is None:
        raise InvalidValueError("not a time (YYYYMMDDHHMMSS)", path=path)
    *given, fraction, offset = match.groups()
    digits = [int(part) for part in given if part is not None]
    precision = (
        Precision.FRACTION if fraction else Precision(min(2 + 2 * len(digits), Precision.SECOND))
    )
    microsecond = int(fraction.ljust(6, "0")) if fraction else 0
    fixed = None if offset is None else _fixed(offset, path)
    try:
        year, month, day, hour, minute, second = (*digits, *(0, 1, 1, 0, 0, 0)[len(digits) :])
        at = datetime(year, month, day, hour, minute, second, microsecond, fixed or zone)
        adjustment = Adjustment.NONE
        if fixed is None:
            at, adjustment = _settle(at)
        at.astimezone(UTC)  # the first and the last day of the calendar may not have one
    except (ValueError, OverflowError):
        raise InvalidValueError("no such day or time", path=path) from None
    return Timestamp(stripped, at, precision, fixed is not None, adjustment)


def read_date(text: str, *, path: str = "") -> PartialDate:
    """The date of a DT, TS or DTM (a birth date): year, month or day precise, no zone applied."""
    stripped = text.strip()
    match = _TIME.fullmatch(stripped)
    if match is None:
        raise InvalidValueError("not a date (YYYYMMDD)", path=path)
    return PartialDate.parse("".join(part for part in match.groups()[:3] if part), path)


def write(
    at: datetime,
    zone: tzinfo,
    *,
    precision: Precision = Precision.SECOND,
    offset: bool = True,
) -> str:
    """A DTM in the time of ``zone``, by default to the second with offset."""
    if at.tzinfo is None:
        raise ValueError("a time without zone is never written")
    local = at.astimezone(zone)
    text = f"{local:%Y%m%d%H%M%S}".rjust(14, "0")[: min(precision, Precision.SECOND)]
    if precision is Precision.FRACTION:
        text += f".{local.microsecond // 100:04}"
    return text + _offset(local) if offset else text


def write_utc(at: datetime) -> str:
    """A DTM to the second in UTC, for MSH-7."""
    utc = at.utctimetuple()
    return (
        f"{utc.tm_year:04}{utc.tm_mon:02}{utc.tm_mday:02}"
        f"{utc.tm_hour:02}{utc.tm_min:02}{utc.tm_sec:02}+0000"
    )


def write_date(value: date | PartialDate) -> str:
    """A DT, as precise as the date is; empty for an empty date."""
    return value.digits if isinstance(value, PartialDate) else f"{value:%Y%m%d}".rjust(8, "0")


def zone(name: str, *, path: str = "") -> tzinfo:
    """The IANA zone of a setting; raises InvalidValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError("no such time zone", path=path) from None


def message_zone(sent_at: str | None, peer: tzinfo) -> tzinfo:
    """The zone of a message's times without offset, given its MSH-7 and the peer's zone.

    An offset in MSH-7 is in force for the whole message (2.15.9.7). If the peer's zone has that
    offset at that time, the zone is meant, and a date in the other half of the year is right too.
    """
    try:
        stamp = read(sent_at or "", peer)
    except InvalidValueError:
        return peer  # a bad MSH-7 is reported by whoever needs it
    if not stamp.has_offset or stamp.at.utcoffset() == stamp.at.astimezone(peer).utcoffset():
        return peer
    return stamp.at.tzinfo or peer


def _fixed(offset: str, path: str) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    if minutes > _OFFSET_LIMIT or int(offset[3:5]) > 59:
        raise InvalidValueError("no such offset from UTC", path=path)
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _settle(local: datetime) -> tuple[datetime, Adjustment]:
    """``local`` where its zone's clock can show it."""
    earlier, later = local.replace(fold=0), local.replace(fold=1)
    if earlier.utcoffset() == later.utcoffset():
        return local, Adjustment.NONE
    # In a gap the offset before it puts the time past the gap: a valid time, moved forward.
    shown = earlier.astimezone(UTC).astimezone(local.tzinfo)
    if shown.replace(tzinfo=None) != earlier.replace(tzinfo=None):
        return shown, Adjustment.GAP
    return earlier, Adjustment.AMBIGUOUS


def _offset(local: datetime) -> str:
    seconds = int((local.utcoffset() or timedelta()).total_seconds())
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02}{minutes % 60:02}"
