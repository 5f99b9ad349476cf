"""The core's refusals in the language of the page."""

from __future__ import annotations

import pytest
from django.utils import translation

from ris.domain.errors import StateConflictError
from ris.domain.exchange import MessageState
from ris.domain.reporting import SECTIONS, report_text
from ris.web import labels
from ris.web.exchange.filters import IN_STATES
from ris.web.templatetags.ris_web import side, titled
from ris.web.words import refusal, sentence


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "that time is taken"), ("de", "diese Zeit ist belegt")],
)
def test_a_sentence_of_the_core_is_said_in_the_language_of_the_page(
    language: str, words: str
) -> None:
    with translation.override(language):
        assert refusal(StateConflictError("that time is taken")) == words


def test_a_sentence_with_values_keeps_them() -> None:
    with translation.override("de"):
        said = sentence("CT1 is CT, the step needs MR")

    assert "CT1" in said
    assert "MR" in said
    assert "the step needs" not in said


def test_what_no_catalog_has_stays_as_it_is() -> None:
    with translation.override("ja"):
        assert sentence("a sentence of yesterday") == "a sentence of yesterday"


def test_a_state_in_a_sentence_is_said_too() -> None:
    with translation.override("de"):
        said = sentence("this order is canceled")

    assert "canceled" not in said
    assert "storniert" in said


def test_titles_of_sections_are_said_on_pages_and_stay_as_they_are_in_the_report() -> None:
    texts = {"addendum": "Later.", "findings": "Clear."}

    with translation.override("de"):
        shown = titled(texts)

    assert shown == [("Befund", "Clear."), ("Zusatzbefund", "Later.")]
    assert dict(SECTIONS) == {key: label.text for key, label in labels.SECTION.items()}
    assert report_text(texts) == "FINDINGS\nClear.\n\nADDENDUM\nLater."


def test_the_side_of_an_exam_is_said_in_the_language_of_the_page() -> None:
    with translation.override("de"):
        sides = [side(value) for value in ("L", "R", "B", "U", "")]

    assert sides == ["links", "rechts", "beidseits", "", ""]


def test_lists_made_at_the_start_speak_the_language_of_the_page() -> None:
    with translation.override("de"):
        states = dict(IN_STATES)

        assert str(states["APPLIED"]) == labels.MESSAGE[MessageState.APPLIED].words
        assert str(states["APPLIED"]) != "Applied"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("no other device does this exam", "kein anderes Gerät macht diese Untersuchung"),
        ("nothing is free within 5 days", "innerhalb von 5 Tagen ist nichts frei"),
        ("the oldest waits for 16 min", "die älteste wartet seit 16 min"),
        ("no message for 2 h", "seit 2 h keine Nachricht"),
        ("1 message not applied", "1 Nachricht nicht verarbeitet"),
        ("4 messages refused or given up", "4 Nachrichten abgelehnt oder aufgegeben"),
        (
            "20 in the queue, the oldest for 16 min, paused",
            "20 in der Warteschlange, die älteste seit 16 min, angehalten",
        ),
    ],
)
def test_what_a_list_says_of_itself_is_said_in_the_language_of_the_page(
    said: str, words: str
) -> None:
    with translation.override("de"):
        assert sentence(said) == words
