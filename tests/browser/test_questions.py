"""What a form asks before it is sent: in the page's own dialog, with keys alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def draft(window: Window) -> Page:
    """A draft of the reader's own."""
    page = window.page
    for pile in ("drafts", "unread"):
        window.open(f"/reading/?scope=all&pile={pile}")
        rows = page.locator("main [data-row] button[data-key=r]")
        if rows.count():
            rows.last.click()
            expect(page.get_by_role("button", name="Discard draft")).to_be_visible()
            page.wait_for_load_state()  # then the editor has taken the focus, and takes it no more
            return page
    raise AssertionError("no exam waits")


def test_a_draft_is_thrown_away_only_after_a_yes(at: At) -> None:
    window = at("radiologist")
    page = draft(window)
    address = window.path
    discard = page.locator("main").get_by_role("button", name="Discard draft")
    asked = page.get_by_role("dialog", name="Throw this draft away? The text is lost.")

    discard.focus()
    press(page, "Enter")
    expect(asked).to_be_visible()
    expect(asked.get_by_role("button", name="Discard draft")).to_be_focused()
    press(page, "Escape")
    expect(asked).to_be_hidden()
    expect(discard).to_be_focused()

    press(page, "Enter")
    press(page, "Tab")
    expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
    press(page, "Enter")
    expect(asked).to_be_hidden()
    expect(discard).to_be_focused()
    assert window.path == address

    press(page, "Enter")
    press(page, "Enter")
    expect(page).not_to_have_url(re.compile(re.escape(address)))
    window.open(address)
    expect(page.get_by_role("button", name="Discard draft")).to_have_count(0)
    assert window.problems == []


def test_a_key_that_is_held_down_is_no_answer(at: At) -> None:
    window = at("radiologist")
    page = draft(window)
    page.locator("main").get_by_role("button", name="Discard draft").focus()

    page.keyboard.down("Enter")
    expect(page.locator("dialog#asking")).to_be_visible()
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    expect(page.locator("dialog#asking")).to_be_visible()
    assert window.problems == []


def test_without_script_nothing_is_asked(at: At) -> None:
    window = at("radiologist", java_script_enabled=False)
    page = draft(window)
    address = window.path

    page.locator("main").get_by_role("button", name="Discard draft").click()

    assert window.path != address
