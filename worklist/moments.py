"""Dates, times and offsets of DICOM values (PS3.5 6.2: DA, TM; PS3.3 C.12.1.1.8)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from ris.domain.errors import InvalidValueError
from worklist.elements import Texts, tag_of, tag_path

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
LAST_INSTANT = "235959.999999"


def day(text: str, tag: int) -> date | None:
    """A DA value, the old form with dots included; None for none."""
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise InvalidValueError("not a date (YYYYMMDD)", path=tag_path(tag))
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise InvalidValueError("no such day", path=tag_path(tag)) from None


def instant(text: str, tag: int, *, upper: bool = False) -> str:
    """A TM value as HHMMSS.FFFFFF: the first instant of what it names, or the last one."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidValueError("not a time (HHMMSS)", path=tag_path(tag))
    hour, minute, second, fraction = match.groups()
    if hour == "24" and upper and not (int(minute or 0) or int(second or 0)):
        return LAST_INSTANT
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        raise InvalidValueError("no such time", path=tag_path(tag))
    second = "59" if second == "60" else second  # a leap second is allowed (PS3.5 6.2, TM)
    fill = "59" if upper else "00"
    digits = (fraction or "").ljust(6, "9" if upper else "0")
    return f"{hour}{minute or fill}{second or fill}.{digits}"


def at(on: date, clock: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The instant in UTC, in both readings: on the night of a clock change there may be two."""
    local = time(int(clock[:2]), int(clock[2:4]), int(clock[4:6]), int(clock[7:]))
    return (
        datetime.combine(on, local, zone).astimezone(UTC),
        datetime.combine(on, local.replace(fold=1), zone).astimezone(UTC),
    )


def zone_of(texts: Texts, default: tzinfo) -> tzinfo:
    """The zone of a dataset's dates and times: (0008,0201) if sent, else ``default``."""
    text = texts.text("TimezoneOffsetFromUTC")
    if not text:
        return default
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:
        raise InvalidValueError(
            "not an offset from UTC", path=tag_path(tag_of("TimezoneOffsetFromUTC"))
        )
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)
