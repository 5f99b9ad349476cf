"""SMART scopes in words, for people who grant them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

_LETTERS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}
_WORDS = {"read": "rs", "write": "cud", "*": "cruds"}
_FORM = re.compile(r"(?:system|user)/([A-Za-z]+|\*)\.([a-z]+|\*)(?:\?(.*))?")
_DICOMWEB = {"worklist": "the worklist (DICOMweb)", "mpps": "performed steps (DICOMweb)"}


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """A scope as it is written, and what it means; ``words`` is empty where it means nothing."""

    text: str
    words: str


def in_words(scopes: tuple[str, ...]) -> list[ScopeLine]:
    return [ScopeLine(each, _words(each)) for each in scopes]


def _words(text: str) -> str:
    if text.startswith("role/"):
        return f"do over REST what the role {text.removeprefix('role/')} may"
    found = _FORM.fullmatch(text)
    if found is None:
        return ""
    kind, letters, rows = found[1], found[2], found[3]
    letters = _WORDS.get(letters, letters)
    if not set(letters) <= set(_LETTERS):
        return ""
    what = "everything" if kind == "*" else _DICOMWEB.get(kind, kind)
    done = [_LETTERS[letter] for letter in letters]
    verbs = f"{', '.join(done[:-1])} and {done[-1]}" if len(done) > 1 else done[0]
    where = " and ".join(f"{name} is {value}" for name, value in parse_qsl(rows or ""))
    return f"{verbs} {what}" + (f", only where {where}" if where else "")
