"""One appointment as an iCalendar file (RFC 5545), with the time zone's rules around its day.

``UID`` stays and ``SEQUENCE`` rises with each change, so a calendar that has it takes the new time
(RFC 5545 3.8.7.4, RFC 5546 2.1.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_OCTETS = 75  # RFC 5545 3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    uid: str
    sequence: int
    start: datetime
    end: datetime
    summary: str
    location: str
    description: str
    url: str
    organizer: str
    stamp: datetime
    canceled: bool = False


def ics(entry: Entry, zone: str) -> bytes:
    """The file; times are local ones of ``zone``, an IANA name."""
    there = ZoneInfo(zone)
    # A day's length lets a phone remind; whoever cancels needs none.
    alarm = (
        []
        if entry.canceled
        else [
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{_text(entry.summary)}",
            "TRIGGER:-P1D",
            "END:VALARM",
        ]
    )
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//RIS//Appointments//EN",
        "CALSCALE:GREGORIAN",
        f"METHOD:{'CANCEL' if entry.canceled else 'PUBLISH'}",
        *_zone(zone, there, entry.start),
        "BEGIN:VEVENT",
        f"UID:{entry.uid}",
        f"SEQUENCE:{entry.sequence}",
        f"DTSTAMP:{_utc(entry.stamp)}",
        f"DTSTART{_local(entry.start, zone, there)}",
        f"DTEND{_local(entry.end, zone, there)}",
        f"SUMMARY:{_text(entry.summary)}",
        f"LOCATION:{_text(entry.location)}",
        f"DESCRIPTION:{_text(entry.description)}",
        *([f"URL:{entry.url}"] if entry.url else []),
        f'ORGANIZER;CN="{_name(entry.organizer)}":urn:uuid:{entry.uid.partition("@")[0]}',
        f"STATUS:{'CANCELLED' if entry.canceled else 'CONFIRMED'}",
        "TRANSP:OPAQUE",
        *alarm,
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def _zone(name: str, zone: ZoneInfo, at: datetime) -> list[str]:
    """VTIMEZONE with what holds a year before and each change until a year after (3.6.5)."""
    if name == "UTC":
        return []
    moment = at.astimezone(UTC) - timedelta(days=366)
    last = at.astimezone(UTC) + timedelta(days=366)
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
    lines += _observance(moment, zone, _offset(moment, zone))
    step = timedelta(days=1)
    while moment < last:
        before = _offset(moment, zone)
        if _offset(moment + step, zone) != before:
            change = _change(moment, moment + step, zone)
            lines += _observance(change, zone, before)
        moment += step
    return [*lines, "END:VTIMEZONE"]


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant between the two at which the offset changes, to the second."""
    old = _offset(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _observance(moment: datetime, zone: ZoneInfo, before: timedelta) -> list[str]:
    """From ``moment`` on; its local beginning is told in the offset before (3.8.2.4)."""
    local = moment.astimezone(zone)
    kind = "DAYLIGHT" if local.dst() else "STANDARD"
    began = (moment.astimezone(UTC) + before).replace(tzinfo=None)
    return [
        f"BEGIN:{kind}",
        f"DTSTART:{began:%Y%m%dT%H%M%S}",
        f"TZOFFSETFROM:{_signed(before)}",
        f"TZOFFSETTO:{_signed(_offset(moment, zone))}",
        f"TZNAME:{local.tzname()}",
        f"END:{kind}",
    ]


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _signed(offset: timedelta) -> str:
    seconds = round(offset.total_seconds())
    sign = "-" if seconds < 0 else "+"
    minutes, rest = divmod(abs(seconds), 60)
    end = f"{rest:02d}" if rest else ""
    return f"{sign}{minutes // 60:02d}{minutes % 60:02d}{end}"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _local(moment: datetime, name: str, zone: ZoneInfo) -> str:
    if name == "UTC":
        return f":{_utc(moment)}"
    local = moment.astimezone(zone)
    if local.fold:  # a local time that comes twice is the first of the two (3.3.5)
        return f":{_utc(moment)}"
    return f";TZID={name}:{local:%Y%m%dT%H%M%S}"


def _text(said: str) -> str:
    """TEXT with what has a meaning escaped (3.3.11)."""
    clean = "".join(c for c in said if c == "\n" or c.isprintable())
    for special in ("\\", ";", ","):
        clean = clean.replace(special, f"\\{special}")
    return clean.replace("\n", "\\n")


def _name(said: str) -> str:
    return "".join(c for c in said if c.isprintable() and c != '"')


def _folded(line: str) -> bytes:
    """Lines of at most 75 octets, never cut within a character (3.1)."""
    parts: list[bytes] = []
    part = b""
    for character in line:
        raw = character.encode()
        if len(part) + len(raw) > _OCTETS - (1 if parts else 0):
            parts.append(part)
            part = b""
        part += raw
    parts.append(part)
    return b"\r\n ".join(parts) + b"\r\n"
