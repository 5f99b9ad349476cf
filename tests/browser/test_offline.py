"""The network is gone: whoever clicks or sends is told where he looks, and loses no word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(120)]
At = Callable[..., Window]


def test_a_click_without_a_network_says_so(at: At) -> None:
    window = at("frontdesk")
    page = window.page
    window.open("/arrivals/")
    page.context.set_offline(True)

    page.locator("main a[hx-get], main button[hx-get]").last.click()

    told = page.get_by_role("alert").filter(has_text="No answer from the server.")
    expect(told).to_be_in_viewport()


def test_a_form_without_a_network_stays_with_its_words(at: At) -> None:
    window = at("frontdesk")
    page = window.page
    window.open("/patients/new/")
    page.locator("[name=family_name]").fill("Muster")
    page.context.set_offline(True)

    page.locator("main form button.btn-primary").last.click()

    expect(page.locator("#no-answer")).to_contain_text("Nothing was sent")
    assert window.path == "/patients/new/"
    expect(page.locator("[name=family_name]")).to_have_value("Muster")
