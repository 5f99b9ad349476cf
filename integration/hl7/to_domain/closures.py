"""SIU S23 and S24 → time of our devices and rooms that another scheduler blocked or opened.

HL7 v2.5.1 10.4.12 and 10.4.13. AIG names a device and AIL a room, each with a time of its own or
that of the whole; staff (AIP) has no calendar here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration.hl7 import datatypes
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain.request import Request
from integration.hl7.to_domain.schedule import (
    BLOCKS,
    Timing,
    instant,
    reason_of,
    room_names,
    station_names,
    timing_of,
    unique,
)
from ris.domain.errors import MissingValueError
from ris.domain.resources import BlockedTime, FollowClosures


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a segment says when: start, offset and its unit, duration and its unit."""

    start: str
    offset: tuple[str, str]
    duration: tuple[str, str]


_PLACES = {
    "AIG": _Places("8", ("9", "10"), ("11", "12")),
    "AIL": _Places("6", ("7", "8"), ("9", "10")),
    "AIS": _Places("4", ("5", "6"), ("7", "8")),
}

# Where each value stands, for the conformance statement.
FIELDS: Sequence[tuple[str, str]] = (
    ("device, by AE title or station name", "`AIG-3`"),
    ("room, by name", "`AIL-3`"),
    ("start", "`AIG-8`, `AIL-6`, else `AIS-4`, `SCH-11.4`, `TQ1-7`"),
    ("duration", "`AIG-11`, `AIL-9`, else `AIS-7`, `SCH-9`, `TQ1-6`, or the end `SCH-11.5`"),
    ("reason", "`SCH-6`, else `SCH-7`"),
)


def from_block(message: Message, profile: Profile) -> list[Request]:
    """The command of a blocked or opened time. Raises every fault that reading finds, together."""
    sch = message.first("SCH")
    if sch is None:
        raise MissingValueError("the blocked time is required", path="SCH")
    faults = Faults()
    whole = faults.take(lambda: timing_of(message, sch, profile)) or Timing()
    resources = message.segments("AIG", "AIL")
    if not resources:
        raise MissingValueError("a device or a room is required", path="AIG-3")
    times: list[BlockedTime] = []
    words: dict[str, str] = {}
    ais = message.first("AIS")
    for number, segment in enumerate(resources, start=1):
        time = faults.take(lambda segment=segment: _time(segment, ais, whole, profile))  # type: ignore[misc]
        if time is not None:
            times.append(time)
        words[f"times.{number}.name"] = segment.at("3")
    faults.raise_if_any()
    command = FollowClosures(
        times=tuple(times), closed=BLOCKS[message.header.trigger], reason=reason_of(sch)
    )
    return [Request(commands=(command,), words=words)]


def _time(segment: Segment, ais: Segment | None, whole: Timing, profile: Profile) -> BlockedTime:
    places = _PLACES[segment.name]
    if ais is not None:
        whole = _timing(ais, whole, profile)
    said = _timing(segment, whole, profile)
    if said.start_at is None:
        raise MissingValueError("a date and time is required", path=segment.at(places.start))
    if not said.minutes:
        path = segment.at(places.duration[0])
        raise MissingValueError("the duration is required", path=path)
    is_device = segment.name == "AIG"
    return BlockedTime(
        stations=unique(station_names(segment)) if is_device else (),
        rooms=() if is_device else unique(room_names(segment)),
        start_at=said.start_at,
        end_at=said.start_at + timedelta(minutes=said.minutes),
    )


def _timing(segment: Segment, whole: Timing, profile: Profile) -> Timing:
    """What a segment says of when, else what is said of the whole."""
    places = _PLACES[segment.name]
    start_at: datetime | None = instant(segment, places.start, profile)
    if start_at is None and whole.start_at is not None:
        offset = datatypes.quantity(*map(segment.get, places.offset)) or 0
        start_at = whole.start_at + timedelta(minutes=offset)
    minutes = datatypes.quantity(*map(segment.get, places.duration)) or whole.minutes
    return Timing(start_at, minutes)
