"""Signing is asked once more by the page: what, as whom, to whom; the hands stay on the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from docs.screenshots import log_in
from tests.browser.conftest import PATIENCE_MS, Window, press, watch
from tests.running import running_ris as ris_with

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]


def begin(window: Window) -> None:
    """Go on with an exam that nothing else is asked of before it is signed, or begin one."""
    for modality in ("CT", "MR"):
        for pile in ("drafts", "unread"):
            window.open(f"/reading/?scope=all&pile={pile}&modality={modality}")
            rows = window.page.locator("main [data-row] button[data-key=r]")
            if rows.count():
                rows.first.click()
                return
    raise AssertionError("no exam waits")


def filled_in(page: Page) -> None:
    """Nothing of a template waits to be answered."""
    expect(page.locator("#editor")).to_be_visible()
    for area in page.locator("#editor textarea[data-section]").all():
        area.fill("As asked.")
    drop = page.get_by_role("button", name="Drop the template")
    if drop.count():
        drop.click()
        expect(drop).to_have_count(0)


def writing(window: Window) -> Page:
    """The editor of the next exam, with a text in it and the caret in its middle."""
    page = window.page
    begin(window)
    filled_in(page)
    if page.locator("#then").is_checked():
        page.locator("#then").uncheck()
    impression = page.locator("#section-impression")
    impression.fill("Lungs clear.")
    impression.press("Control+Home")
    for _ in range(5):
        press(page, "ArrowRight")
    return page


def test_the_question_says_what_is_signed_as_whom_and_who_gets_it(at: At) -> None:
    window = at("radiologist2")
    page = writing(window)
    exam = page.locator("h1").inner_text()
    question = page.locator("dialog#sign-question")

    press(page, "Control+Enter")

    expect(question).to_be_visible()
    expect(question).to_contain_text("Sign as final")
    expect(question).to_contain_text(exam)
    expect(question).to_contain_text(page.locator(".banner .name").inner_text())
    expect(question).to_contain_text("OVERGAARD, Nils")
    expect(question.locator("[data-goes-to]")).to_contain_text("GP PORTAL")
    expect(question.get_by_role("button", name="Sign final")).to_be_focused()
    assert window.problems == []


def test_escape_goes_back_to_the_text_where_it_was_left(at: At) -> None:
    page = writing(at("radiologist2"))

    press(page, "Control+Enter")
    press(page, "Escape")

    expect(page.locator("dialog#sign-question")).to_be_hidden()
    expect(page.locator("#section-impression")).to_be_focused()
    page.keyboard.type(" are")
    expect(page.locator("#section-impression")).to_have_value("Lungs are clear.")

    page.locator("#editor .sign-bar").get_by_role("button", name="Sign final").click()
    page.get_by_role("button", name="Back to the text").click()
    expect(page.locator("#section-impression")).to_be_focused()


def test_a_key_that_is_still_held_down_does_not_sign(at: At) -> None:
    page = writing(at("radiologist2"))
    question = page.locator("dialog#sign-question")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))

    page.keyboard.down("Control")
    page.keyboard.down("Enter")
    expect(question).to_be_visible()
    page.keyboard.down("Enter")  # again, without an up: it repeats
    page.keyboard.up("Control")
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    expect(question.get_by_role("button", name="Sign final")).to_be_focused()
    assert [address for address in sent if address.endswith("/sign/")] == []


def test_preliminary_is_signed_without_a_question(at: At) -> None:
    page = writing(at("radiologist2"))

    page.get_by_role("button", name="Sign preliminary").click()

    expect(page.locator("#main")).to_contain_text("Signed as preliminary.")


# --- where the site asks for the password


@pytest.fixture
def asked(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Window]]:
    """Windows of a site that signs with the password."""
    folder = tmp_path_factory.mktemp("signs-with-password")
    with ris_with(folder, "--demo", RIS_REPORTS__SIGN_WITH="password") as site:
        state = log_in(browser, site.url, "radiologist2", site.password)

        def open_window(*, script: bool = True) -> Window:
            context = browser.new_context(storage_state=state, java_script_enabled=script)
            context.set_default_timeout(PATIENCE_MS)
            return watch(context.new_page(), site.url)

        yield open_window


def test_the_password_is_asked_in_the_question_and_a_wrong_one_asks_again(
    asked: Callable[..., Window],
) -> None:
    window = asked()
    page = writing(window)
    question = page.locator("dialog#sign-question")
    expect(page.get_by_label("Your password")).to_have_count(1)
    expect(page.get_by_label("Your password")).to_be_hidden()

    press(page, "Control+Enter")
    expect(question.get_by_label("Your password")).to_be_focused()
    page.keyboard.type("guess")
    press(page, "Enter")

    expect(question).to_be_visible()
    expect(question.get_by_role("alert")).to_contain_text("password", ignore_case=True)
    expect(question.get_by_label("Your password")).to_be_focused()
    expect(question.get_by_label("Your password")).to_have_value("")
    expect(page.locator("#section-impression")).to_have_value("Lungs clear.")
    page.keyboard.type("demo")
    press(page, "Enter")
    expect(page.locator("#main")).to_contain_text("Signed. The report is on its way")
    expect(page.locator("#main")).to_contain_text("with password")

    other = asked()
    page = writing(other)
    page.get_by_role("button", name="Sign preliminary").click()
    question = page.locator("dialog#sign-question")
    expect(question).to_contain_text("Sign as preliminary")
    page.keyboard.type("demo")
    press(page, "Escape")
    expect(question.get_by_label("Your password")).to_have_value("")
    page.get_by_role("button", name="Sign preliminary").click()
    page.keyboard.type("demo")
    question.get_by_role("button", name="Sign preliminary").click()
    expect(page.locator("#main")).to_contain_text("Signed as preliminary.")

    plain = asked(script=False)
    begin(plain)
    filled_in(plain.page)
    plain.page.get_by_label("Your password").fill("demo")
    plain.page.get_by_role("button", name="Sign final").click()
    expect(plain.page.locator("#main")).to_contain_text("with password")
