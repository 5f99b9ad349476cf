"""A week typed down, and a room going down and up again, without the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def test_a_room_is_made_goes_down_and_works_again_by_keyboard(at: At) -> None:
    manager = at("manager")
    page: Any = manager.page
    manager.open("/resources/")
    press(page, "n")
    expect(page.get_by_role("heading", name="New room")).to_be_visible()
    page.get_by_label("Name").focus()
    page.keyboard.type("Fluoroscopy")
    page.get_by_role("textbox", name="Monday").focus()
    page.keyboard.type("8-12, 13-18:30")
    press(page, "Tab")
    expect(page.get_by_role("textbox", name="Tuesday")).to_be_focused()
    page.keyboard.type("=")
    press(page, "Enter")
    expect(page.get_by_role("textbox", name="Tuesday")).to_have_value("08:00-12:00, 13:00-18:30")
    room = manager.path

    technologist = at("technologist")
    page = technologist.page
    technologist.open("/resources/?kind=room")
    page.get_by_role("link", name="Down … Fluoroscopy").focus()
    press(page, "Enter")
    expect(page.get_by_label("What is wrong?")).to_be_focused()
    page.keyboard.type("Table does not move")
    press(page, "Enter")
    expect(page.get_by_role("status").first).to_contain_text("Fluoroscopy is down.")
    expect(page.locator("#resource-live")).to_contain_text("until further notice")

    press(page, "u")
    expect(page.get_by_role("status").first).to_contain_text("It works again")
    assert technologist.path.partition("?")[0] == room
    assert manager.problems + technologist.problems == []
