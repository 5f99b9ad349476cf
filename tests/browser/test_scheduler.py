"""A scheduler's morning by keyboard: a new patient, an order, a time, a cancellation, undo."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Window, press

At = Callable[..., Window]


def tab_to(page: Page, target: Locator) -> None:
    """Tab forward until the control has the focus."""
    for _ in range(40):
        if target.evaluate("element => element === document.activeElement"):
            return
        press(page, "Tab")
    expect(target).to_be_focused()


def enter(page: Page, label: str, text: str) -> None:
    tab_to(page, page.get_by_label(label, exact=True))
    page.keyboard.type(text)


def test_a_morning_without_the_mouse(at: At) -> None:
    window = at("scheduler")
    page = window.page
    window.open("/orders/")
    press(page, "n")
    page.wait_for_url("**/orders/new/")

    # Somebody of the same name and birth date is known: the page says why it asks.
    expect(page.get_by_label("Patient number, name or birth date")).to_be_focused()
    press(page, "Tab", "Enter")
    enter(page, "Family name", "Whitlock")
    enter(page, "Given name (optional)", "Harold James")
    enter(page, "Birth date (optional)", "1937-01-05")
    press(page, "Tab")
    hint = page.locator("#alike")
    expect(hint.get_by_text("same name", exact=True).first).to_be_visible()
    expect(hint.get_by_text("same birth date", exact=True).first).to_be_visible()
    tab_to(page, page.get_by_label("None of these is this person: register a new patient"))
    press(page, "Space")

    # Typed words find the exam; the first free time of it is shown.
    exam = page.get_by_role("combobox", name="Exam", exact=True)
    tab_to(page, exam)
    page.keyboard.type("head ct without")
    press(page, "Enter")
    expect(exam).to_have_value("CT head without contrast (CT, 15 min)")
    enter(page, "Reason for the exam", "Fell down the stairs")
    first = page.get_by_label("First free:")
    expect(first).to_be_visible()
    expect(page.locator("#save-state")).to_contain_text("Draft kept")
    tab_to(page, page.get_by_label("Later: it waits under To schedule"))
    press(page, "ArrowDown")
    expect(first).to_be_checked()
    press(page, "Enter")
    page.wait_for_url("**/orders/0*/")
    expect(page.get_by_role("status").first).to_contain_text("Booked:")

    # It was the wrong person: cancel with a reason, then take that back.
    cancel = page.locator("summary", has_text="Cancel order")
    cancel.focus()
    press(page, "Enter")
    expect(page.locator("#cancel-reason")).to_be_focused()
    page.keyboard.type("wrong patient")
    press(page, "Enter")
    expect(page.get_by_role("status").first).to_contain_text("The order is canceled")
    press(page, "u")
    expect(page.get_by_role("status").first).to_contain_text("The order is open again, as it was.")

    # The draft was sent and is gone.
    window.open("/orders/new/")
    expect(page.locator("a[href^='?draft=']", has_text="Whitlock")).to_have_count(0)
    assert window.problems == []


def test_rows_are_selected_and_counted_by_keyboard(at: At) -> None:
    window = at("scheduler")
    page = window.page
    window.open("/orders/")

    press(page, "j", "x", "j", "x")

    expect(page.locator("[data-selected]")).to_have_text("2")
    expect(page.locator("[data-select]:checked")).to_have_count(2)
    press(page, "x")
    expect(page.locator("[data-selected]")).to_have_text("1")
    assert window.problems == []
