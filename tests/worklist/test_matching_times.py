"""Dates and times of a query: what days and hours at the site they mean, and what means none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from ris.selectors.views import WorklistQuery
from tests.worklist.entries import SYNTAXES
from tests.worklist.queries import DAY, TIME, VIENNA, query, raw, refusal, utc
from worklist.elements import tag_of
from worklist.matching import to_request


@pytest.mark.parametrize(
    ("day", "start_from", "start_before"),
    [
        ("20260705", utc(2026, 7, 4, 22), utc(2026, 7, 5, 22)),
        ("2026.07.05", utc(2026, 7, 4, 22), utc(2026, 7, 5, 22)),
        ("20260705-20260706", utc(2026, 7, 4, 22), utc(2026, 7, 6, 22)),
        (" 20260705 - 20260706 ", utc(2026, 7, 4, 22), utc(2026, 7, 6, 22)),
        ("20260705-", utc(2026, 7, 4, 22), None),
        ("-20260705", None, utc(2026, 7, 5, 22)),
        ("20260705-99991231", utc(2026, 7, 4, 22), None),
        ("00010101-20260705", None, utc(2026, 7, 5, 22)),
        # the days of the clock changes have 23 and 25 hours
        ("20260329", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("20261025", utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
    ],
)
def test_a_date_key_means_days_at_the_site(
    day: str, start_from: datetime | None, start_before: datetime | None
) -> None:
    asked = raw(tag_of(DAY), b"DA", day.encode() + b" " * (len(day) % 2))
    data = b"\x40\x00\x00\x01SQ\x00\x00" + (len(asked) + 8).to_bytes(4, "little")
    data += b"\xfe\xff\x00\xe0" + len(asked).to_bytes(4, "little") + asked

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA).query

    assert found == WorklistQuery(start_from=start_from, start_before=start_before)


@pytest.mark.parametrize(
    ("time", "first", "last"),
    [
        ("2230", "223000.000000", "223000.999999"),
        ("223000", "223000.000000", "223000.999999"),
        ("22", "220000.000000", "220000.999999"),
        ("0800-12", "080000.000000", "125959.999999"),
        ("0800-1200", "080000.000000", "120059.999999"),
        ("08:00-12:00:00", "080000.000000", "120000.999999"),
        ("120000-", "120000.000000", ""),
        ("-12", "", "125959.999999"),
        ("0000-2400", "000000.000000", "235959.999999"),
        ("080000.5-080000.5", "080000.500000", "080000.599999"),
        ("235960-235960", "235959.000000", "235959.999999"),
    ],
)
def test_a_time_key_alone_means_that_time_on_any_day(time: str, first: str, last: str) -> None:
    assert query({TIME: time}) == WorklistQuery(time_from=first, time_to=last)


def test_two_ranges_are_one_interval() -> None:
    assert query({DAY: "20260705-20260707", TIME: "1000-1800"}) == WorklistQuery(
        start_from=utc(2026, 7, 5, 8), start_before=utc(2026, 7, 7, 16, 1)
    )


def test_the_interval_may_begin_later_in_the_day_than_it_ends() -> None:
    assert query({DAY: "20260705-20260706", TIME: "2200-0600"}) == WorklistQuery(
        start_from=utc(2026, 7, 5, 20), start_before=utc(2026, 7, 6, 4, 1)
    )


@pytest.mark.parametrize(
    ("day", "time", "start_from", "start_before"),
    [
        ("20260705-", "1000-1800", utc(2026, 7, 5, 8), None),
        ("-20260707", "1000-1800", None, utc(2026, 7, 7, 16, 1)),
        ("20260705-20260707", "1000-", utc(2026, 7, 5, 8), utc(2026, 7, 7, 22)),
        ("20260705-20260707", "-1800", utc(2026, 7, 4, 22), utc(2026, 7, 7, 16, 1)),
        ("20260705", "1000-1800", utc(2026, 7, 5, 8), utc(2026, 7, 5, 16, 1)),
        ("20260705", "1000", utc(2026, 7, 5, 8), utc(2026, 7, 5, 8, 0, 1)),
    ],
)
def test_open_ranges_and_single_days_with_a_time(
    day: str, time: str, start_from: datetime | None, start_before: datetime | None
) -> None:
    assert query({DAY: day, TIME: time}) == WorklistQuery(
        start_from=start_from, start_before=start_before
    )


def test_a_range_of_days_with_one_time_means_that_time_on_each() -> None:
    assert query({DAY: "20260705-20260707", TIME: "1000"}) == WorklistQuery(
        start_from=utc(2026, 7, 4, 22),
        start_before=utc(2026, 7, 7, 22),
        time_from="100000.000000",
        time_to="100000.999999",
    )


def test_an_hour_that_comes_twice_is_meant_twice() -> None:
    assert query({DAY: "20261025", TIME: "0200-0259"}) == WorklistQuery(
        start_from=utc(2026, 10, 25, 0), start_before=utc(2026, 10, 25, 2)
    )


def test_a_time_in_the_hour_that_is_left_out_still_finds_its_step() -> None:
    # 02:30 that night is 03:30: whoever asks for either must see the step at 01:30 UTC
    found = query({DAY: "20260329", TIME: "0230"})

    assert found is not None
    assert found.start_from is not None
    assert found.start_before is not None
    assert found.start_from <= utc(2026, 3, 29, 1, 30) < found.start_before


def test_an_offset_in_the_query_moves_its_dates_and_times() -> None:
    assert query({DAY: "20260705"}, TimezoneOffsetFromUTC="-0500") == WorklistQuery(
        start_from=utc(2026, 7, 5, 5), start_before=utc(2026, 7, 6, 5)
    )


@pytest.mark.parametrize(
    ("step", "root", "path"),
    [
        ({DAY: "today"}, {}, "(0040,0002)"),
        ({DAY: "20260231"}, {}, "(0040,0002)"),
        ({DAY: "-"}, {}, "(0040,0002)"),
        ({DAY: "202607"}, {}, "(0040,0002)"),
        ({DAY: "20260701-20260702-20260703"}, {}, "(0040,0002)"),
        ({TIME: "noon"}, {}, "(0040,0003)"),
        ({TIME: "2560"}, {}, "(0040,0003)"),
        ({TIME: "1"}, {}, "(0040,0003)"),
        ({}, {"PatientBirthDate": "garbage"}, "(0010,0030)"),
        ({}, {"TimezoneOffsetFromUTC": "CEST"}, "(0008,0201)"),
    ],
)
def test_garbage_is_refused_by_the_name_of_its_element(
    step: dict[str, Any], root: dict[str, Any], path: str
) -> None:
    assert refusal(step, **root) == path
