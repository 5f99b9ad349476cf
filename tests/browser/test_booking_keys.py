"""A scheduler finds, holds and books a time without touching the mouse."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def at_the_finder(at: At, role: str = "scheduler") -> Window:
    """The slot finder of an ultrasound that waits: no safety question stands before it."""
    window = at(role)
    window.open("/orders/?modality=US")
    window.open(window.page.locator("a[href^='/book/']").first.get_attribute("href") or "")
    return window


def test_two_keys_book_the_first_free_time(at: At) -> None:
    window = at_the_finder(at)
    page = window.page

    press(page, "f")
    expect(page.get_by_role("button", name="Book it")).to_be_focused()
    expect(page.locator("[data-countdown]")).to_have_text(
        re.compile(r"^Held for another [45]:\d\d$")
    )
    press(page, "Enter")

    page.wait_for_url(re.compile("/orders/[0-9a-f-]{36}/"))
    expect(page.locator("#main")).to_contain_text(re.compile("Booked(:| for)"))
    assert window.problems == []


def test_arrows_walk_through_the_times_and_letters_open_the_rest(at: At) -> None:
    window = at_the_finder(at)
    page = window.page
    times = page.locator("[data-arrows] button")
    times.first.focus()

    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    expect(times.nth(1)).to_be_focused()
    press(page, "Enter")
    expect(page.get_by_role("button", name="Book it")).to_be_focused()
    press(page, "u")

    expect(page.locator("[data-countdown]")).to_have_count(0)
    press(page, "o")
    expect(page.locator("#any-time")).to_have_attribute("open", "")
    press(page, "w")
    expect(page.get_by_role("button", name="Put on the waiting list")).to_be_visible()
    assert window.problems == []


def test_what_stands_against_a_time_is_asked_by_keyboard(at: At) -> None:
    window = at_the_finder(at, "frontdesk")
    page = window.page

    press(page, "o")
    page.locator("#id_at").focus()
    page.keyboard.type("0315AM")
    page.get_by_role("button", name="What is against it?").focus()
    press(page, "Enter")

    expect(page.locator("#any-time [role=status]")).to_contain_text("not open at that time")
    assert window.problems == []
