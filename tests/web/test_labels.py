"""Every state has words, an icon and a tone; every event has words."""

from __future__ import annotations

import importlib
import pkgutil
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ris.domain
from ris.domain.commands import Event
from ris.domain.errors import ErrorCode
from ris.selectors.timeline import Entry, EntryKind
from ris.web import errors, event_words, icons, labels, telling
from ris.web.labels import Tone
from ris.web.navigation import ENTRIES

STATIC = Path(telling.__file__).parent / "static" / "ris"


@pytest.mark.parametrize("table", labels.TABLES)
def test_table_is_total(table: str) -> None:
    kind, words = labels.TABLES[table]

    assert set(words) == {member.value for member in kind}


@pytest.mark.parametrize("table", labels.TABLES)
def test_labels_have_words_and_a_known_icon(table: str) -> None:
    for label in labels.TABLES[table][1].values():
        assert label.words
        assert label.icon in icons.ICONS


def test_every_event_is_told_in_words() -> None:
    for module in pkgutil.iter_modules(ris.domain.__path__):
        importlib.import_module(f"ris.domain.{module.name}")
    names: set[str] = set()
    waiting = [Event]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        names |= {subclass.__name__ for subclass in kind.__subclasses__()}

    assert set(event_words.EVENT) == names
    assert all(label.icon in icons.ICONS for label in event_words.EVENT.values())


def test_every_kind_of_entry_is_told() -> None:
    assert set(telling._TELLERS) == set(EntryKind)


@pytest.mark.parametrize(("repeats", "often"), [(1, "once more"), (3, "3 more times")])
def test_a_message_that_came_again_says_how_often(repeats: int, often: str) -> None:
    detail = {"protocol": "hl7", "state": "APPLIED", "outcome": "AA", "error": "",
              "key_reused": False, "repeats": repeats}  # fmt: skip
    at = datetime(2026, 3, 2, tzinfo=UTC)
    entry = Entry(at=at, kind=EntryKind.MESSAGE_IN, name="ORM^O01", detail=detail)

    assert telling.tell(entry).detail == f"answered AA; came {often} and got the same answer"


def test_what_was_looked_at_is_said_in_words() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    entry = Entry(at=at, kind=EntryKind.ACCESS, name="QueryArchives", detail={"count": 1})

    assert telling.tell(entry).words == "Archives asked for earlier exams"


def test_every_error_code_has_status_title_and_remedy() -> None:
    assert set(errors.STATUS) == set(errors.TITLE) == set(errors.REMEDY) == set(ErrorCode)


def test_menu_icons_exist_and_keys_differ() -> None:
    keys = [entry.key for entry in ENTRIES if entry.key]

    assert all(entry.icon in icons.ICONS for entry in ENTRIES)
    assert len(keys) == len(set(keys))


def css(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def test_every_tone_has_its_colors_in_both_themes() -> None:
    light, dark = css("tokens.css").split('[data-bs-theme="dark"] {', 1)

    for tone in Tone:
        assert f".tone-{tone.value} {{" in css("ris.css")
        assert f"--ris-{tone.value}-bg:" in light
        assert f"--ris-{tone.value}-bg:" in dark.split("}", 1)[0]


def test_themes_define_the_same_tokens() -> None:
    blocks = [block.split("}", 1)[0] for block in css("tokens.css").split("color-scheme:")[1:3]]

    tokens = [set(re.findall(r"(--ris-[a-z-]+):", block)) for block in blocks]

    assert tokens[0] == tokens[1]


def test_what_styles_name_is_defined() -> None:
    defined = set(re.findall(r"(--ris-[a-z-]+):", css("tokens.css")))

    named = {
        (file.name, token)
        for file in STATIC.glob("*.css")
        for token in re.findall(r"var\((--ris-[a-z-]+)", file.read_text(encoding="utf-8"))
    }

    assert {(file, token) for file, token in named if token not in defined} == set()


def test_unknown_value_is_shown_as_it_is() -> None:
    label = labels.label("step", "SOMETHING")

    assert (label.words, label.tone) == ("SOMETHING", Tone.NEUTRAL)
