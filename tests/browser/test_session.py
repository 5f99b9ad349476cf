"""A session that ends while somebody writes: another login in another tab, and no word is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def log_in(page: Page, site: str, who: str) -> None:
    page.goto(f"{site}/login/")
    expect(page).to_have_url(f"{site}/login/")
    page.locator("#id_login").fill(who)
    page.locator("#id_password").fill("demo")
    press(page, "Enter")
    page.wait_for_url(f"{site}/")


def log_out_at_the_next_save(page: Page, site: str) -> None:
    """The session ends at the server while a text is on its way there.

    A page on which nothing is written would go to the login as soon as it heard of that.
    """
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()

    def log_out(route: Route) -> None:
        answer = page.request.post(
            f"{site}/logout/", form={"csrfmiddlewaretoken": token}, headers={"Referer": f"{site}/"}
        )
        assert answer.url == f"{site}/login/"
        route.continue_()

    page.route("**/reports/*/draft/", log_out, times=1)


def log_in_elsewhere(page: Page, site: str, who: str) -> None:
    other = page.context.new_page()
    log_in(other, site, who)
    other.close()


def report(at: At) -> Window:
    """The editor of the exam that is next, in a session that nobody else uses."""
    window = at()
    log_in(window.page, window.site, "radiologist")
    window.open("/reading/?scope=all")
    press(window.page, "n")
    expect(window.page.locator("#editor")).to_be_visible()
    return window


def write(page: Page, words: str) -> None:
    page.locator("#section-impression").press("Control+End")
    page.keyboard.type(words)


def test_report_is_saved_after_another_login_in_another_tab(at: At) -> None:
    window = report(at)
    page = window.page
    before = page.locator("#section-impression").input_value()
    saved = page.locator("#save-state")
    log_out_at_the_next_save(page, window.site)
    write(page, " Written after the end.")
    expect(saved).to_contain_text("Your session has ended")

    log_in_elsewhere(page, window.site, "radiologist")
    write(page, " And on.")

    expect(saved).to_contain_text("Saved ")
    page.get_by_role("button", name="Save draft").last.click()
    expect(page.get_by_role("status").first).to_contain_text("Draft saved.")
    expect(page.locator("#section-impression")).to_have_value(
        f"{before} Written after the end. And on.".strip()
    )
    # Some answers were refusals, and the browser notes each.
    assert [text for text in window.problems if "Failed to load resource" not in text] == []


def test_nothing_is_sent_under_the_name_of_whoever_came_next(at: At) -> None:
    window = report(at)
    page = window.page
    log_out_at_the_next_save(page, window.site)
    write(page, " Of the first.")
    expect(page.locator("#save-state")).to_contain_text("Your session has ended")
    log_in_elsewhere(page, window.site, "admin")
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")

    page.get_by_role("button", name="Save draft").last.click()

    expect(page.locator("[data-session]")).to_contain_text("Somebody else is logged in")
    assert page.locator("#section-impression").input_value().endswith(" Of the first.")
