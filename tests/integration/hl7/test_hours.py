"""Hours in which a peer takes nothing, on the clock of its wall."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from integration.hl7 import hours

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("span", "at", "closed"),
    [
        ("08:00-09:30", "2026-03-02 07:59", False),
        ("08:00-09:30", "2026-03-02 08:00", True),
        ("8:00-9:30", "2026-03-02 09:29", True),
        ("08:00-09:30", "2026-03-02 09:30", False),
        ("22:00-02:00", "2026-03-02 23:00", True),
        ("22:00-02:00", "2026-03-03 01:59", True),
        ("22:00-02:00", "2026-03-03 02:00", False),
        ("Sun 01:00-05:30", "2026-03-01 02:00", True),
        ("Sun 01:00-05:30", "2026-03-02 02:00", False),
        ("Sun 22:00-02:00", "2026-03-02 01:00", True),  # Monday, after Sunday's beginning
        ("Sun 22:00-02:00", "2026-03-01 01:00", False),
        ("Sat-Mon 00:00-24:00", "2026-03-01 12:00", True),
        ("Sat-Mon 00:00-24:00", "2026-03-03 12:00", False),
    ],
)
def test_a_span_says_when_a_peer_is_closed(span: str, at: str, closed: bool) -> None:
    local = datetime.fromisoformat(at).replace(tzinfo=VIENNA)

    assert hours.within([span], local.astimezone(ZoneInfo("UTC")), VIENNA) is closed


def test_in_summer_the_same_hour_is_another_of_universal_time() -> None:
    winter = datetime.fromisoformat("2026-01-15T21:30+00:00")
    summer = datetime.fromisoformat("2026-07-15T21:30+00:00")

    assert not hours.within(["23:00-23:59"], winter, VIENNA)
    assert hours.within(["23:00-23:59"], summer, VIENNA)


@pytest.mark.parametrize(
    "span",
    ["", "22-2", "25:00-26:00", "10:00-10:00", "10:60-11:00", "Son 1:00-2:00", "10:00-24:01"],
)
def test_what_is_no_span_is_refused(span: str) -> None:
    assert hours.fault(span)
