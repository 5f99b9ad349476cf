"""The frame around every page in a real browser: palette, keys, contrast, writing direction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press
from tests.browser.test_every_page import in_dark, violations

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(120)]
At = Callable[..., Window]


def test_a_page_is_reached_by_a_few_letters(at: At) -> None:
    window = at("scheduler")
    page = window.page

    press(page, "Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("arri")
    expect(page.get_by_role("option", selected=True)).to_have_text("Arrivals")
    assert violations(window) == []
    press(page, "Enter")

    page.wait_for_url("**/arrivals/")
    assert window.problems == []


def test_arrows_choose_and_escape_leaves(at: At) -> None:
    window = at("scheduler")
    page = window.page

    press(page, "Control+k")
    options = page.get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    press(page, "ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    press(page, "Escape")

    expect(page.locator("#palette")).to_be_hidden()
    assert window.path == "/"


def test_a_letter_of_ones_own_does_what_ours_did(at: At) -> None:
    window = at("frontdesk")
    page = window.page
    window.open("/account/")
    page.get_by_label("Other letters for shortcuts").or_(page.locator("summary")).first.click()
    page.locator("input[name='key g']").fill("q")
    page.locator("button[value=person]").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    page.locator("body").press("g")
    page.locator("body").press("o")
    assert window.path == "/account/"
    page.locator("body").press("q")
    page.locator("body").press("o")

    page.wait_for_url("**/orders/")
    window.open("/account/")
    page.locator("input[name='key g']").fill("")
    page.locator("button[value=person]").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_high_contrast_and_compact_stay_accessible(at: At) -> None:
    window = at("scheduler", color_scheme="light")
    window.page.context.add_cookies(
        [
            {"name": "ris_contrast", "value": "more", "url": window.site},
            {"name": "ris_density", "value": "compact", "url": window.site},
        ]
    )
    found = {}

    for path in ("/", "/orders/", "/arrivals/", "/patients/", "/account/"):
        window.open(path)
        assert window.page.locator("html").get_attribute("data-contrast") == "more"
        found[path] = violations(window)
        found[f"{path} in dark"] = in_dark(window)

    assert {path: problems for path, problems in found.items() if problems} == {}


def test_pages_run_from_right_to_left_when_the_language_does(at: At) -> None:
    """No language of ours does yet: the pages are turned by hand, and nothing may hang over."""
    window = at("scheduler")
    found = {}

    for path in ("/", "/orders/", "/board/", "/arrivals/", "/patients/", "/account/"):
        for width in (1440, 390):
            window.page.set_viewport_size({"width": width, "height": 900})
            window.open(path)
            window.page.evaluate("document.documentElement.dir = 'rtl'")
            wide = window.page.evaluate("document.documentElement.scrollWidth")
            main = window.page.locator("main").bounding_box()
            assert main is not None
            if wide > width or (width == 1440 and main["x"] > 0):
                found[f"{path} at {width}"] = (wide, main["x"])

    assert found == {}
