"""The editor of reports by keyboard alone, and what it keeps when the connection is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window, press
from tests.running import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def draft(window: Window) -> Page:
    """The draft of the demo that was begun with a template."""
    page = window.page
    window.open("/reading/?pile=drafts")
    for address in page.locator("main .row-link").evaluate_all("all => all.map(one => one.href)"):
        page.goto(address)
        if page.locator("select[name='answer:Follow-up']").count():
            return page
    raise AssertionError("no draft was begun with a template")


def test_fields_choices_and_macros_take_no_mouse(at: At) -> None:
    window = at("radiologist")
    page = draft(window)
    findings = page.locator("#section-findings")
    findings.fill("Effusion on the [left|right].\n")

    findings.press("Control+Home")
    press(page, "F2")
    press(page, "2")
    press(page, "Control+End")
    page.keyboard.type(".")
    expect(page.locator("#macro-names option")).not_to_have_count(0)
    page.keyboard.type("noacute")
    press(page, "Tab")
    findings_now = findings.input_value()
    page.locator("select[name='answer:Follow-up']").focus()
    press(page, "ArrowDown")
    press(page, "ArrowDown")
    press(page, "F8")

    assert findings_now == "Effusion on the right.\nNo acute finding."
    expect(page.locator("#section-recommendation")).to_have_value("Control in 3 months.")
    expect(page.locator("#section-indication")).to_be_focused()
    expect(page.locator("#save-state")).to_contain_text("Saved")
    press(page, "Control+Enter")
    expect(page.locator("dialog#sign-question")).to_contain_text("Sign as final")
    press(page, "Escape")
    expect(page.locator("#section-indication")).to_be_focused()
    assert window.problems == []


def test_text_that_was_never_saved_is_offered_back(at: At) -> None:
    page = draft(at("radiologist"))
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/draft/", lambda route: route.abort())
    impression = page.locator("#section-impression")
    before = impression.input_value()
    impression.press("Control+End")
    page.keyboard.type("Written without a line.")
    page.unroute("**/draft/")
    page.reload()

    lost = page.locator("#editor-recovered")
    expect(lost).to_contain_text("Written without a line.")
    expect(impression).to_have_value(before)
    lost.get_by_role("button", name="Take my text").click()

    expect(impression).to_have_value(f"{before}Written without a line.")
    kept = "Object.keys(sessionStorage).filter(key => key.startsWith('ris-draft:')).length"
    wait_until(lambda: page.evaluate(kept) == 0, "forgotten once it is saved")


def test_a_session_that_ended_puts_no_login_page_into_the_report(at: At) -> None:
    page = draft(at("radiologist"))
    technique = page.locator("#section-technique")
    before = technique.input_value()
    page.context.clear_cookies(name="ris_session")

    page.get_by_role("button", name="Insert contrast").click()

    expect(page.locator("#save-state")).to_contain_text("Your session has ended")
    expect(technique).to_have_value(before)
