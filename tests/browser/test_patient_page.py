"""A patient with a phone and no mouse: the page of an appointment, from the desk to a new time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press
from tests.browser.test_every_page import PHONE, violations

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(180)]
At = Callable[..., Window]
CAME = "[role='status']"


def link_and_birth_date(desk: Window) -> tuple[str, str]:
    """Of the appointment that a patient was written to about last; the demo shows the address."""
    desk.open("/patient-messages/")
    contacts = desk.page.locator("main a[href$='/patient/']").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    # Whose appointment is over has a link no more.
    for contact in dict.fromkeys(contacts):
        desk.open(contact)
        address = desk.page.locator("main a[href*='/p/']")
        born = desk.page.locator("time[data-birth]")
        # Of somebody without a name not even that is known, who is told by telephone.
        if address.count() and len(day := str(born.first.get_attribute("datetime"))) == 10:
            return str(address.get_attribute("href")), day
    raise AssertionError("nobody who was written to has a page")


def test_a_patient_reads_confirms_and_moves_by_keyboard(at: At) -> None:
    path, born = link_and_birth_date(at("admin"))
    phone = at("", viewport=PHONE, locale="en-US")
    page = phone.page

    assert phone.open(path) == 200
    first = violations(phone)
    day = date.fromisoformat(born)
    page.keyboard.type(f"{day:%m%d%Y}")  # the field has the focus
    press(page, "Enter")
    page.locator(".visit-facts").wait_for()
    read = violations(phone)
    confirm = page.get_by_role("button", name="I will come")
    if confirm.count():
        confirm.focus()
        press(page, "Enter")
        page.locator(CAME).wait_for()
    done = violations(phone)
    narrow = page.evaluate("document.documentElement.scrollWidth")
    cookies = [each["name"] for each in page.context.cookies() if each["name"] == "ris_session"]
    asked: list[str] = []
    questions = page.get_by_role("link", name="Questions before your exam")
    if questions.count():
        questions.focus()
        page.keyboard.press("Enter")
        page.locator(".visit-question").first.wait_for()
        asked = violations(phone)
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Save answers").focus()
        page.keyboard.press("Enter")
        page.locator(".visit-facts").wait_for()
    moves = page.get_by_role("link", name="Take another time")
    moved: list[str] = []
    if moves.count():
        moves.focus()
        press(page, "Enter")
        times = page.locator(".visit-times button")
        page.locator(".visit-times button, .empty").first.wait_for()
        moved = violations(phone)
        if times.count():
            times.first.focus()
            press(page, "Enter")
            page.get_by_text("has the new time").wait_for()
        else:  # the one room that does this exam is down, nobody knows for how long
            expect(page.locator(".empty")).to_contain_text("call us")

    assert (first, read, done, asked, moved) == ([], [], [], [], [])
    assert narrow <= PHONE["width"]
    assert cookies == [], "nobody logs in here"
    assert phone.problems == []
