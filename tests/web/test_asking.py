"""Days and times in addresses and forms that are none, or have no day beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from django.test import Client

from ris.web.asking import as_day, as_moment
from tests.web.department import Department

As = Callable[[str], Client]


@pytest.mark.parametrize(
    "path",
    ["/analytics/?until=0001-01-02", "/analytics/reports/?until=0001-01-02",
     "/dose/export/?until=0001-01-02", "/mammography/outcomes/?until=0001-01-02",
     "/orders/?from=0001-01-01", "/board/close/?at=2026-02-31T10:00"],
)  # fmt: skip
def test_page_asked_for_a_day_that_is_none_is_shown_as_without(
    full: Department, as_: As, path: str
) -> None:
    assert as_("manager").get(path).status_code == 200


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-02", date(2026, 3, 2)),
        ("", None),
        ("2026-02-31", None),
        ("today", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
    ],
)
def test_a_day_is_read_or_none(text: str, day: date | None) -> None:
    assert as_day(text) == day


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T10:30", datetime(2026, 3, 2, 10, 30, tzinfo=None)),  # noqa: DTZ001 - a field of a page has no zone
        ("2026-03-02T10:30+00:00", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("", None),
        ("2026-02-31T10:30", None),
        ("0001-01-01T00:00+00:00", None),
    ],
)
def test_a_moment_is_read_or_none(text: str, moment: datetime | None) -> None:
    assert as_moment(text) == moment
