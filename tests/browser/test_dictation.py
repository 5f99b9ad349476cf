"""Dictation by the browser's speech recognition, with one that says what the test wants heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from docs.screenshots import log_in
from tests.browser.conftest import PATIENCE_MS, Window, press, watch
from tests.running import Running
from tests.running import running_ris as ris_with

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]

# As the Web Speech API has it: started twice it throws, and it ends by itself.
RECOGNITION = """
window.heard = { made: [], interims: [] };
class Recognition extends EventTarget {
  constructor() { super(); this.running = false; window.heard.made.push(this); }
  start() {
    if (this.running) throw new DOMException("already started", "InvalidStateError");
    this.running = true;
    this.results = [];
    this.dispatchEvent(new Event("start"));
  }
  stop() { if (this.running) setTimeout(() => this.finish()); }
  abort() { this.finish(); }
  finish() {
    if (!this.running) return;
    this.running = false;
    this.dispatchEvent(new Event("end"));
  }
  says(text, isFinal) {
    const result = Object.assign([{ transcript: text, confidence: 0.9 }], { isFinal });
    const at = this.results.findIndex((one) => !one.isFinal);
    const resultIndex = at < 0 ? this.results.length : at;
    this.results[resultIndex] = result;
    this.dispatchEvent(Object.assign(new Event("result"), { resultIndex, results: this.results }));
  }
  fails(error) {
    this.dispatchEvent(Object.assign(new Event("error"), { error, message: "" }));
    this.finish();
  }
}
window.NAME = Recognition;
"""


SAID = "Normal+size+of+the+heart."  # as a form sends it


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A site that allows dictation by the browser."""
    folder = tmp_path_factory.mktemp("dictates")
    with ris_with(folder, "--demo", RIS_REPORTS__BROWSER_SPEECH="true") as site:
        yield site


@pytest.fixture
def editor(browser: Browser, listening: Running) -> Iterator[Callable[..., Window]]:
    state = log_in(browser, listening.url, "radiologist2", listening.password)
    contexts = []

    def open_window(name: str = "SpeechRecognition") -> Window:
        context = browser.new_context(storage_state=state)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        gone = "delete window.SpeechRecognition; delete window.webkitSpeechRecognition;"
        context.add_init_script(gone)
        if name:
            context.add_init_script(RECOGNITION.replace("NAME", name))
        window = watch(context.new_page(), listening.url)
        window.open("/reading/?scope=all")
        press(window.page, "n")
        expect(window.page.locator("#editor")).to_be_visible()
        return window

    yield open_window
    for context in contexts:
        context.close()


def say(page: Page, text: str, *, final: bool = True) -> None:
    page.evaluate("([text, final]) => window.heard.made[0].says(text, final)", [text, final])


def runs(page: Page) -> bool:
    return bool(page.evaluate("window.heard.made[0].running"))


@pytest.mark.parametrize("name", ["SpeechRecognition", "webkitSpeechRecognition"])
def test_what_is_said_stands_at_the_caret_of_the_section_and_is_saved(
    editor: Callable[..., Window], name: str
) -> None:
    window = editor(name)
    page = window.page
    findings, impression = page.locator("#section-findings"), page.locator("#section-impression")
    findings.fill("Lungs clear.")
    impression.fill("Normal heart.")
    impression.press("Home")
    for _ in range(6):
        press(page, "ArrowRight")
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.post_data or ""))

    press(page, "F9")
    expect(page.locator("[data-dictates]")).to_have_attribute("aria-pressed", "true")
    say(page, "size of", final=False)
    expect(page.locator("#editor-heard")).to_have_text("size of")
    expect(impression).to_have_value("Normal heart.")
    with page.expect_response(lambda answer: SAID in (answer.request.post_data or "")):
        say(page, "size of the")
        say(page, "only half", final=False)

    expect(impression).to_have_value("Normal size of the heart.")
    expect(findings).to_have_value("Lungs clear.")
    expect(page.locator("#editor-heard")).to_have_text("only half")
    assert [body for body in posted if "only+half" in body] == []
    press(page, "F9")
    expect(page.locator("[data-dictates]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#editor-heard")).to_have_text("")
    page.reload()
    expect(impression).to_have_value("Normal size of the heart.")
    assert window.problems == []


def test_the_caret_may_move_between_two_sentences(editor: Callable[..., Window]) -> None:
    page = editor().page
    findings, impression = page.locator("#section-findings"), page.locator("#section-impression")
    findings.fill("")
    impression.fill("")
    findings.focus()

    page.locator("[data-dictates]").click()
    say(page, "No effusion.")
    say(page, "No pneumothorax.")
    impression.focus()
    say(page, "Normal chest.")

    expect(findings).to_have_value("No effusion. No pneumothorax.")
    expect(impression).to_have_value("Normal chest.")


def test_what_went_wrong_is_said_in_words(editor: Callable[..., Window]) -> None:
    window = editor()
    page = window.page
    findings = page.locator("#section-findings")
    findings.fill("Kept.")
    told = {
        "not-allowed": "The browser may not use the microphone",
        "service-not-allowed": "The browser may not use the microphone",
        "audio-capture": "No microphone was found",
        "network": "the speech service cannot be reached",
        "language-not-supported": "does not know this language",
        "something-new": "The browser could not listen (something-new)",
    }

    for error, words in told.items():
        press(page, "F9")
        say(page, "half a sen", final=False)
        page.evaluate("(error) => window.heard.made[0].fails(error)", error)

        expect(page.locator("#editor-told")).to_contain_text(words)
        expect(page.locator("[data-dictates]")).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#editor-heard")).to_have_text("")
        expect(findings).to_have_value("Kept.")
    assert window.problems == []


def test_a_recognition_that_ends_in_the_middle_goes_on_until_it_is_told_to_stop(
    editor: Callable[..., Window],
) -> None:
    window = editor()
    page = window.page
    findings = page.locator("#section-findings")
    findings.fill("")

    press(page, "F9")
    say(page, "No effusion.")
    page.evaluate("window.heard.made[0].finish()")
    expect(page.locator("[data-dictates]")).to_have_attribute("aria-pressed", "true")
    assert runs(page)
    say(page, "No mass.")
    press(page, "F9")
    press(page, "F9")
    press(page, "F9")

    expect(findings).to_have_value("No effusion. No mass.")
    expect(page.locator("[data-dictates]")).to_have_attribute("aria-pressed", "false")
    assert window.problems == []


def test_a_browser_without_speech_shows_no_button(editor: Callable[..., Window]) -> None:
    window = editor("")

    expect(window.page.locator("[data-dictates]")).to_be_hidden()
    press(window.page, "F9")
    assert window.problems == []
