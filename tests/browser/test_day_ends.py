"""A page that stands open over midnight goes on to the new day by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


@pytest.mark.parametrize(("who", "path"), [("scheduler", "/board/"), ("frontdesk", "/arrivals/")])
def test_page_of_today_is_asked_for_anew_when_the_day_is_over(at: At, who: str, path: str) -> None:
    window = at(who)
    page = window.page
    page.clock.install()
    window.open(path)
    expect(page.locator("[data-day-left]")).to_be_visible()
    page.evaluate("window.before = true")

    page.clock.fast_forward("00:40")
    assert page.evaluate("window.before") is True
    with page.expect_navigation():
        page.clock.fast_forward("24:00:00")

    expect(page.locator("[data-day-left]")).to_be_visible()
    assert page.evaluate("window.before") is None


def test_page_waits_for_who_is_in_the_middle_of_something(at: At) -> None:
    window = at("frontdesk")
    page = window.page
    page.clock.install()
    window.open("/arrivals/")
    page.locator("#q").fill("Berg")
    page.evaluate("window.before = true")

    page.clock.fast_forward("24:00:00")
    page.clock.run_for(60_000)

    assert page.evaluate("window.before") is True
    expect(page.locator("#q")).to_have_value("Berg")
