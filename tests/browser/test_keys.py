"""The keyboard, the theme and the session."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def test_letters_lead_to_the_areas(at: At) -> None:
    window = at("admin")
    places = {
        "o": "/orders/",
        "b": "/board/",
        "a": "/arrivals/",
        "t": "/room/",
        "r": "/reading/",
        "m": "/messages/",
        "x": "/exceptions/",
        "p": "/patients/",
        "h": "/",
    }

    for key, path in places.items():
        press(window.page, "Escape")  # out of a field that had the focus
        press(window.page, "g")
        press(window.page, key)
        window.page.wait_for_url(f"{window.site}{path}")

    assert window.problems == []


def test_slash_goes_to_the_search_and_enter_searches(at: At) -> None:
    window = at("frontdesk")

    press(window.page, "/")
    expect(window.page.locator("#search")).to_be_focused()
    window.page.keyboard.type("whitlock")
    press(window.page, "Enter")

    window.page.wait_for_url(re.compile("/patients/"))


def test_question_mark_lists_the_keys(at: At) -> None:
    window = at("frontdesk")

    press(window.page, "?")
    expect(window.page.locator("dialog#help")).to_be_visible()
    press(window.page, "Escape")

    expect(window.page.locator("dialog#help")).to_be_hidden()


def test_rows_are_walked_and_opened(at: At) -> None:
    window = at("scheduler")
    page = window.page
    window.open("/orders/")
    links = page.locator("main .row-link")

    press(page, "j")
    expect(links.nth(0)).to_be_focused()
    press(page, "j")
    expect(links.nth(1)).to_be_focused()
    press(page, "k")
    expect(links.nth(0)).to_be_focused()
    address = links.nth(0).get_attribute("href")
    press(page, "Enter")

    page.wait_for_url(f"{window.site}{address}")


def test_letter_acts_on_the_row_with_the_focus(at: At) -> None:
    window = at("scheduler")
    window.open("/orders/")
    second = window.page.locator("main tr[data-row]").nth(1)
    address = second.locator("a[data-key=s]").get_attribute("href")

    press(window.page, "j", "j")
    expect(second.locator(".row-link")).to_be_focused()
    press(window.page, "s")

    window.page.wait_for_url(f"{window.site}{address}")


def test_letters_typed_into_a_field_are_letters(at: At) -> None:
    window = at("scheduler")
    window.open("/orders/")

    window.page.locator("#q").press_sequentially("go/?jn")

    expect(window.page.locator("#q")).to_have_value("go/?jn")
    assert window.path == "/orders/"


def test_keys_can_be_switched_off_and_theme_chosen(at: At) -> None:
    window = at("manager", color_scheme="light")
    page = window.page
    window.open("/account/")
    page.locator("#keys").uncheck()
    page.locator("#theme-dark").check()
    page.locator("button[value=browser]").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")

    press(page, "?")

    expect(page.locator("dialog#help")).to_be_hidden()
    window.open("/board/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_by_itself(at: At, scheme: str) -> None:
    window = at("", color_scheme=scheme)

    window.open("/login/")

    expect(window.page.locator("html")).to_have_attribute("data-bs-theme", scheme)


def test_first_tab_skips_to_the_content(at: At) -> None:
    window = at("scheduler")
    window.open("/orders/")

    press(window.page, "Tab")
    expect(window.page.locator(".skip-link")).to_be_focused()
    press(window.page, "Enter")

    expect(window.page.locator("#main")).to_be_focused()


def test_menu_opens_on_a_phone(at: At) -> None:
    window = at("scheduler", viewport={"width": 390, "height": 844})
    menu = window.page.locator("nav#menu")
    expect(menu).to_be_hidden()

    window.page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Day board").click()

    window.page.wait_for_url(f"{window.site}/board/")


def test_refresh_after_the_session_asks_for_the_login(at: At) -> None:
    window = at("scheduler")
    window.open("/orders/")
    window.page.context.clear_cookies()

    window.page.evaluate("htmx.trigger(document.querySelector('[data-live]'), 'ris-live')")

    window.page.wait_for_url(re.compile(r"/login/\?next=/orders/"))


def test_after_a_refusal_the_first_field_to_correct_has_the_focus(at: At) -> None:
    window = at("scheduler")
    page = window.page
    window.open("/orders/new/")
    page.locator("summary", has_text="A patient who is new here").click()
    page.locator("#id_new-family_name").fill("Winter")
    page.locator("#id_new-birth_date").fill("31.2.2019")
    page.get_by_label("Reason for the exam").fill("Fell")

    page.get_by_role("button", name="Place the order").last.click()

    expect(page.locator("#id_new-birth_date")).to_have_class(re.compile("is-invalid"))
    expect(page.locator("#id_new-birth_date")).to_be_focused()
