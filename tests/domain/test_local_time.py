"""The clock on the wall as instants, on ordinary days and on those when it is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ris.domain.local_time import (
    between,
    comes_twice,
    ended,
    hour_of,
    instant,
    is_after,
    is_one_clock,
    is_skipped,
    whole_day,
)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
SPRING = date(2026, 3, 29)  # Berlin, 2:00 is 3:00
AUTUMN = date(2026, 10, 25)  # Berlin, 3:00 is 2:00 again
SPRING_THERE = date(2026, 3, 8)  # New York, 2:00 is 3:00


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 28), BERLIN, 24),
        (SPRING, BERLIN, 23),
        (AUTUMN, BERLIN, 25),
        (SPRING_THERE, NEW_YORK, 23),
        (date(2026, 11, 1), NEW_YORK, 25),
    ],
)
def test_a_day_is_as_long_as_it_is_there(day: date, zone: ZoneInfo, hours: int) -> None:
    start, end = whole_day(day, zone)

    assert end - start == timedelta(hours=hours)


def test_opening_at_eight_is_eight_on_the_wall_before_and_after_the_change() -> None:
    day_before = SPRING - timedelta(days=1)

    assert instant(day_before, time(8), BERLIN) == utc(day_before, 7)
    assert instant(SPRING, time(8), BERLIN) == utc(SPRING, 6)


@pytest.mark.parametrize("clock", [time(2), time(2, 30), time(2, 59)])
def test_a_time_that_the_clock_jumps_over_is_the_jump(clock: time) -> None:
    jump = utc(SPRING, 1)

    assert instant(SPRING, clock, BERLIN) == jump
    assert instant(SPRING, clock, BERLIN, last=True) == jump
    assert instant(SPRING_THERE, clock, NEW_YORK) == utc(SPRING_THERE, 7)


def test_of_a_time_that_comes_twice_opening_is_the_first_and_closing_the_second() -> None:
    start, end = between(AUTUMN, time(2, 30), time(2, 45), BERLIN)

    assert (start, end) == (utc(AUTUMN, 0, 30), utc(AUTUMN, 1, 45))


def test_hours_around_the_lost_hour_are_an_hour_shorter() -> None:
    start, end = between(SPRING, time(1), time(5), BERLIN)

    assert end - start == timedelta(hours=3)


def test_hours_inside_the_lost_hour_are_none() -> None:
    start, end = between(SPRING, time(2, 10), time(2, 50), BERLIN)

    assert start == end


def test_closing_at_midnight_is_the_end_of_the_day() -> None:
    start, end = between(AUTUMN, time(22), time(0), BERLIN)

    assert (start, end) == (utc(AUTUMN, 21), utc(AUTUMN, 23))


def test_a_midnight_that_does_not_exist_is_the_jump() -> None:
    """In Beirut the clock jumps from 0:00 to 1:00."""
    day = date(2026, 3, 29)

    start, _ = whole_day(day, ZoneInfo("Asia/Beirut"))

    assert start == datetime(2026, 3, 28, 22, tzinfo=UTC)


def test_midnight_comes_after_every_hour() -> None:
    assert is_after(time(0), time(20))
    assert not is_after(time(8), time(8))


@pytest.mark.parametrize(
    ("clock", "skipped"),
    [(time(1, 59), False), (time(2), True), (time(2, 59), True), (time(3), False)],
)
def test_an_hour_of_the_spring_night_never_is(clock: time, skipped: bool) -> None:
    assert is_skipped(SPRING, clock, BERLIN) is skipped
    assert is_skipped(AUTUMN, clock, BERLIN) is False


@pytest.mark.parametrize(
    ("at", "twice"),
    [
        (utc(AUTUMN, 0), True),  # 2:00 the first time
        (utc(AUTUMN, 1, 59), True),  # 2:59 the second time
        (utc(AUTUMN, 2), False),
        (utc(SPRING, 1), False),
    ],
)
def test_an_hour_of_the_autumn_night_comes_twice(at: datetime, twice: bool) -> None:
    assert comes_twice(at, BERLIN) is twice


@pytest.mark.parametrize(
    ("at", "zone", "shown"),
    [
        (utc(AUTUMN, 0, 30), BERLIN, "02:30 UTC+2"),
        (utc(AUTUMN, 1, 30), BERLIN, "02:30 UTC+1"),
        (utc(AUTUMN, 2, 30), BERLIN, "03:30"),
        (utc(SPRING, 1), BERLIN, "03:00"),
        (utc(date(2026, 11, 1), 5, 30), NEW_YORK, "01:30 UTC-4"),
        (utc(date(2026, 4, 4), 15, 0), ZoneInfo("Australia/Lord_Howe"), "01:30 UTC+10:30"),
        (utc(AUTUMN, 1, 30), ZoneInfo("Europe/London"), "01:30 UTC"),
    ],
)
def test_a_time_that_comes_twice_is_shown_with_its_offset(
    at: datetime, zone: ZoneInfo, shown: str
) -> None:
    assert hour_of(at, zone) == shown


def test_what_lasts_an_hour_ends_an_hour_later_though_the_clock_is_put_back() -> None:
    start_at = datetime.combine(AUTUMN, time(2, 30), BERLIN)

    assert ended(start_at, 60) == utc(AUTUMN, 1, 30)


def test_two_names_of_one_clock_are_one_clock() -> None:
    assert is_one_clock(BERLIN, ZoneInfo("Europe/Vienna"), SPRING)
    assert not is_one_clock(BERLIN, ZoneInfo("Africa/Lagos"), SPRING)
