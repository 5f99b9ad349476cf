"""The calendar file of an appointment, read by a library not written here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest

from ris.domain.calendar_file import Entry, ics

STAMP = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def entry(start: datetime, **said: Any) -> Entry:
    fields: dict[str, Any] = {
        "uid": "0195-1@ris.example",
        "sequence": 3,
        "start": start,
        "end": start + timedelta(minutes=45),
        "summary": "Appointment: Radiology, North; wing \\ two",
        "location": "Ringstraße 1\n1010 Wien",
        "description": "Bring: your card",
        "url": "",
        "organizer": 'The "north" site',
        "stamp": STAMP,
    }
    return Entry(**{**fields, **said})


def read(raw: bytes) -> tuple[Any, Any]:
    found = icalendar.Calendar.from_ical(raw)
    return found, found.walk("VEVENT")[0]


def test_another_reader_finds_what_was_said() -> None:
    start = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)

    calendar, event = read(ics(entry(start), "Europe/Vienna"))

    assert calendar["METHOD"] == "PUBLISH"
    assert event["UID"] == "0195-1@ris.example"
    assert event["SEQUENCE"] == 3
    assert event["SUMMARY"] == "Appointment: Radiology, North; wing \\ two"
    assert event["LOCATION"] == "Ringstraße 1\n1010 Wien"
    assert event["DTSTART"].dt.astimezone(UTC) == start
    assert event["DTSTART"].dt.hour == 10
    assert event["STATUS"] == "CONFIRMED"
    assert event.errors == []
    assert calendar.errors == []


def test_a_canceled_one_takes_itself_out_of_the_calendar() -> None:
    start = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)

    calendar, event = read(ics(entry(start, canceled=True, sequence=4), "Europe/Vienna"))

    assert (calendar["METHOD"], event["STATUS"], event["SEQUENCE"]) == ("CANCEL", "CANCELLED", 4)
    assert event["UID"] == "0195-1@ris.example"


@pytest.mark.parametrize(
    "zone",
    ["Europe/Vienna", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Asia/Kolkata",
     "UTC", "America/Sao_Paulo"],
)  # fmt: skip
@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # before and after the clock goes forward
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 3, 0, tzinfo=UTC),  # after it goes back
        datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
    ],
    ids=str,
)
def test_the_zone_that_is_written_gives_the_same_instant(start: datetime, zone: str) -> None:
    """Read by the file's own VTIMEZONE alone: under a name no zone database knows."""
    unknown = f"Nowhere/{zone.replace('/', '-')}-{start:%m%d%H}"  # it remembers zones by name
    raw = ics(entry(start), zone).replace(zone.encode(), unknown.encode())

    _, event = read(raw)

    assert event["DTSTART"].dt.astimezone(UTC) == start
    assert event["DTEND"].dt.astimezone(UTC) == start + timedelta(minutes=45)


def test_lines_are_short_and_characters_whole() -> None:
    long = "検査のご予約 " * 40
    raw = ics(entry(STAMP, summary=long), "Asia/Tokyo")

    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert read(raw)[1]["SUMMARY"] == long
    assert raw.endswith(b"END:VCALENDAR\r\n")


@pytest.mark.parametrize("minutes", [30, 90])
def test_of_a_time_that_comes_twice_the_one_that_is_meant_is_read(minutes: int) -> None:
    """A local time that comes twice is the first of the two (RFC 5545 3.3.5)."""
    start = datetime(2026, 10, 25, tzinfo=UTC) + timedelta(minutes=minutes)

    _calendar, event = read(ics(entry(start), "Europe/Vienna"))

    assert event["DTSTART"].dt.astimezone(UTC) == start
    assert event["DTEND"].dt.astimezone(UTC) == start + timedelta(minutes=45)
