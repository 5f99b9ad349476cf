"""Every answer that a test was given, for a validator not written here to look at in the end.

One body of each form is kept: bodies of the same elements are read the same way. They are looked at
by one process when the tests of this folder have run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.integration.fhir.validator import faults
from tests.programs import PROGRAMS

MOST = 1500  # beyond that a run keeps no more; there are about half as many forms

# What the other validator says wrongly.
MISTAKEN = (
    "_history/",  # a reference to a version is one to its type
)

_KEPT: dict[int, tuple[str, str]] = {}


def keep(name: str, text: str, body: Any) -> None:
    """Remember an answer as ``name`` was given it."""
    form = hash(frozenset(_form(body)))
    if form not in _KEPT and len(_KEPT) < MOST:
        _KEPT[form] = (name, text)


def _form(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Elements with what decides how they are read; a list's items are alike."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _form(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _form(inner, path)
    else:
        # Codes are checked too, ids and words are any.
        coded = path.endswith((".resourceType", ".status", ".use", ".type", ".intent"))
        yield path, str(value)[:40] if coded else type(value).__name__


def wrong() -> dict[str, list[str]]:
    """What the validator says of all that was kept, by the test that heard it."""
    if PROGRAMS["fhir"]():
        return {}
    bodies = {f"{number} {name}": text for number, (name, text) in enumerate(_KEPT.values())}
    found = faults(dict(bodies)) if bodies else {}
    said = {
        name: [each for each in texts if not any(word in each for word in MISTAKEN)]
        for name, texts in found.items()
    }
    return {name: texts for name, texts in said.items() if texts}
