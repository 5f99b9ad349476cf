"""The core's refusals in the language of the page."""

from __future__ import annotations

import pytest
from django.utils import translation

from ris.domain.errors import StateConflictError
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
