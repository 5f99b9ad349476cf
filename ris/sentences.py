"""What the core says in English, in the language of whoever reads it.

The core knows no languages: its refusals are sentences, some with values in them. The catalogs hold
those sentences as they stand in the source, so a sentence with values is known by its pattern.
Pages say them so, and what leaves for people without a page.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import get_language, gettext
from django.utils.translation.trans_real import translation

from ris.domain.reporting import SECTIONS

_TITLES = frozenset(title for _key, title in SECTIONS)
_HOLE = re.compile(r"\{[^{}]*\}")


def sentence(text: str) -> str:
    """A sentence of the core in the language in force; in English what no catalog has."""
    if not text:
        return ""
    known = gettext(text)
    if known != text:
        return known
    for pattern, holes, translated in _patterns(get_language() or "en"):
        found = pattern.fullmatch(text)
        if found:
            for hole, value in zip(holes, found.groups(), strict=True):
                translated = translated.replace(hole, _value(value))
            return translated
    return text


def _value(value: str) -> str:
    """A value in a sentence: a state or a role has words of its own; names and codes have none."""
    if value in _TITLES:
        return gettext(value)
    if not value.islower() or not value.replace(" ", "").isalpha():
        return value
    known = gettext(value)
    if known != value:
        return known
    state = gettext(value.capitalize())
    return value if state == value.capitalize() else state.lower()


@cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], tuple[str, ...], str], ...]:
    """Sentences with values that a language has: pattern, what stands for each value, and theirs.

    The longest first: one that says more is the one that was meant.
    """
    found = []
    catalog = translation(language)._catalog  # type: ignore[attr-defined]
    for message, translated in catalog.items():
        # A hole alone would fit anything.
        if isinstance(message, str) and "{" in message and translated and _words(message) > 1:
            holes = tuple(dict.fromkeys(_HOLE.findall(message)))
            if all(message.count(hole) == 1 for hole in holes):
                parts = [re.escape(part) for part in _HOLE.split(message)]
                found.append((re.compile("(.+?)".join(parts), re.DOTALL), holes, translated))
    found.sort(key=lambda row: -len(row[0].pattern))
    return tuple(found)


def _words(message: str) -> int:
    return len(_HOLE.sub(" ", message).split())
