"""From exam to exam by keyboard, and two readers at one report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window, press

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def go(window: Window, key: str) -> None:
    """Leave the text with Escape, and go where the key goes."""
    before = window.path
    press(window.page, "Escape")
    press(window.page, key)
    window.page.wait_for_url(lambda address: before not in address)


def test_who_loses_a_report_hears_of_it_on_the_open_page(at: At) -> None:
    first, second = at("radiologist"), at("radiologist2")
    first.open("/reading/?scope=all")
    press(first.page, "n")
    expect(first.page.locator("#editor")).to_be_visible()
    report = first.path

    second.open(report)
    note = second.page.locator("#presence .note")
    expect(note).to_contain_text("reads this report")
    note.get_by_text("Take over", exact=True).click()
    second.page.locator("#take-over-reason").fill("On call")
    second.page.get_by_role("button", name="Take the report over").click()

    expect(second.page.locator("#editor")).to_be_visible()
    expect(first.page.locator("#presence .note")).to_contain_text("took this report over")
    expect(first.page.locator("#presence .note")).to_contain_text("Reason: On call.")
    second.page.get_by_role("button", name="Leave to others").click()
    expect(second.page.locator("#reading-live")).to_be_visible()
    assert first.problems == []
    assert second.problems == []


def test_who_sent_a_report_reads_it_no_longer_and_hears_what_became_of_it(at: At) -> None:
    resident, attending = at("resident"), at("radiologist")
    resident.open("/reading/?scope=all")
    press(resident.page, "n")
    resident.page.locator("#section-impression").fill("Normal.")
    resident.page.locator("#then").uncheck()
    resident.page.get_by_role("button", name="Sign and send to an attending radiologist").click()
    expect(resident.page.locator("main")).to_contain_text("Waits for an attending radiologist")
    report = resident.path

    attending.open(report)
    expect(attending.page.locator("#editor")).to_be_visible()
    expect(attending.page.locator("#presence .note")).to_have_count(0)
    attending.page.locator("#then").uncheck()
    attending.page.locator("#section-impression").press("Control+Enter")
    press(attending.page, "Enter")

    changed = resident.page.locator("#report-changed")
    expect(changed).to_contain_text("This report was changed: there is version")
    changed.get_by_role("link", name="load the present state").click()
    expect(resident.page.locator("#text-title")).to_contain_text("Final, version")
    assert resident.problems == []
    assert attending.problems == []


def test_keys_walk_the_list_and_a_prior_becomes_the_comparison(at: At) -> None:
    window = at("radiologist")
    page = window.page
    window.open("/reading/?scope=all")
    press(page, "n")
    expect(page.locator("#editor")).to_be_visible()
    go(window, "n")  # what was begun before came first, out of the order of the list
    for _ in range(3):  # what another reader let go meanwhile stands between, but once
        start = window.path
        go(window, "n")
        there = window.path
        go(window, "[")
        went_back = window.path
        if went_back == start:
            break
    for _ in range(12):
        expect(page.locator("#earlier-title")).to_be_visible()  # its link alone stood before it
        if page.locator("[data-compares]").count():
            break
        go(window, "n")

    assert (went_back, there != start) == (start, True)
    button = page.locator("[data-compares]").first
    words = button.get_attribute("data-compares") or ""
    section = page.locator("#section-comparison")
    section.fill("Compared with [Exam before].")
    button.click()
    button.click()

    expect(section).to_have_value(f"Compared with {words}.")
    expect(page.locator("#save-state")).to_contain_text("Saved")
    assert window.problems == []
