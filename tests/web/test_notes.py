"""Notes on exams and dose documents in the language of the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation.trans_real import translation as catalog_of

from ris import sentences
from ris.domain.measures import MEASURES
from ris.web import notes
from ris.web.notes import note

ROOT = Path(__file__).parent.parent.parent
SOURCES = (
    *(ROOT / "worklist" / f"{name}.py" for name in ("mpps", "modality", "dose", "moments")),
    ROOT / "ris" / "domain" / "measures.py",
)


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With words for a few of the notes, whatever the catalog has by now."""
    words = {
        "no such day": "kein solcher Tag",
        "{attribute} is missing": "{attribute} fehlt",
        "out of any range": "ausserhalb jedes Bereichs",
        "appended to a completed step": "an einen erledigten Schritt angehängt",
    }
    with translation.override("de"):
        for text, translated in words.items():
            monkeypatch.setitem(catalog_of("de")._catalog._catalogs[0], text, translated)
        sentences._patterns.cache_clear()
        yield
    sentences._patterns.cache_clear()


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("appended to a completed step", "an einen erledigten Schritt angehängt"),
        ("(0040,0250): no such day", "(0040,0250): kein solcher Tag"),
        ("(0008,0060): Modality is missing", "(0008,0060): Modality fehlt"),
        ("a note of yesterday", "a note of yesterday"),
    ],
)
@pytest.mark.usefixtures("german")
def test_a_note_is_said_in_the_language_of_the_page(stored: str, shown: str) -> None:
    assert note(stored) == shown


@pytest.mark.usefixtures("german")
def test_why_a_number_does_not_count_is_said_behind_its_measure() -> None:
    measure = next(iter(MEASURES.values())).words

    assert note(f"{measure}: out of any range").endswith(": ausserhalb jedes Bereichs")


def test_every_note_of_the_edges_is_known_to_the_catalogs() -> None:
    """What is refused is no note; "{}: {}" joins an element and an error that stand here."""
    refused = {"a performed step begins IN PROGRESS", "not a status of a performed step"}
    joined = {"{}: {}", "{} {}"}
    written = {
        text.removeprefix("{}: ")
        for path in SOURCES
        for text in _said(ast.parse(path.read_text()))
        if text not in refused | joined
    }
    known = {_bare(text) for text in (*notes.OF_THE_EDGES, *notes.OF_NUMBERS)}

    assert len(written) > 15
    assert written - known == set()


def _said(tree: ast.AST) -> Iterator[str]:
    """The texts of appended notes and of errors that become notes, their values as ``{}``."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        called = ast.unparse(call.func)
        errors = {"InvalidValueError", "MissingValueError", "flawed"}
        if not called.endswith("flags.append") and called not in errors:
            continue
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
        elif isinstance(first, ast.JoinedStr):
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else "{}" for one in first.values
            )


def _bare(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", text)
