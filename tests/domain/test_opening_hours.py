"""A day's opening hours as people write them."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ris.domain.errors import InvalidValueError
from ris.domain.opening_hours import as_rows, by_day, format_hours, parse_hours, read_day, write_day


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", []),
        ("closed", []),
        ("-", []),
        ("8-12", [(time(8), time(12))]),
        ("8:30–12, 13.15-18", [(time(8, 30), time(12)), (time(13, 15), time(18))]),
        ("1300-1800; 8-12", [(time(8), time(12)), (time(13), time(18))]),
        ("0-24", [(time(0), time(0))]),
        ("20-24:00", [(time(20), time(0))]),
    ],
)
def test_people_write_hours_in_many_ways(text: str, hours: list[tuple[time, time]]) -> None:
    assert list(read_day(text)) == hours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("noon", "written like"),
        ("8", "written like"),
        ("8-8", "close after they open"),
        ("20-6", "close after they open"),
        ("22-0", "close after they open"),
        ("24-24", "close after they open"),
        ("8-12, 11-13", "overlap"),
        ("0-24, 8-9", "overlap"),
        ("8-25", "there is no 25:00"),
        ("8:60-9", "there is no 8:60"),
    ],
)
def test_what_cannot_be_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        read_day(text)


MINUTES = st.lists(st.integers(0, 24 * 60), unique=True, max_size=8).map(sorted)


@given(MINUTES)
def test_what_is_written_is_read_again(minutes: list[int]) -> None:
    clocks = [time(*divmod(each % (24 * 60), 60)) for each in minutes]
    hours = tuple(zip(clocks[::2], clocks[1::2], strict=False))

    assert read_day(write_day(hours)) == hours


def test_a_week_is_seven_days_and_back() -> None:
    rows = ((0, time(8), time(12)), (0, time(13), time(0)), (6, time(9), time(10)))

    assert as_rows(by_day(rows)) == rows


def test_a_site_file_knows_midnight() -> None:
    rows = [(day, time(0), time(0)) for day in range(7)]

    assert format_hours(rows) == ["Mon-Sun 00:00-24:00"]
    assert parse_hours("Mon-Sun 00:00-24:00") == rows
    with pytest.raises(InvalidValueError, match="close after they open"):
        parse_hours("Mon 08:00-00:00")
