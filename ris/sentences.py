"""What the core says in English, in the language of whoever reads it.

The core knows no languages: its refusals are sentences, some with values in them. The catalogs hold
those sentences as they stand in the source, so a sentence with values is known by its pattern.
Pages say them so, and what leaves for people without a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
    found = one_of(text, _of_catalog(get_language() or "en"), _value)
    return text if found is None else found


def one_of(text: str, messages: tuple[str, ...], value: Callable[[str], str]) -> str | None:
    """The same of these sentences alone, ``value`` saying what stands in their holes; None if it is
    another text, as somebody may have typed it."""
    for pattern, holes, message in _patterns(messages):
        found = pattern.fullmatch(text)
        if found:
            said = gettext(message)
            for hole, stands in zip(holes, found.groups(), strict=True):
                said = said.replace(hole, value(stands))
            return said
    return None


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
def _of_catalog(language: str) -> tuple[str, ...]:
    """The sentences with values that a language has."""
    catalog = translation(language)._catalog  # type: ignore[attr-defined]
    return tuple(
        message
        for message, translated in catalog.items()
        # A hole alone would fit anything.
        if isinstance(message, str) and "{" in message and translated and _words(message) > 1
    )


@cache
def _patterns(
    messages: tuple[str, ...],
) -> tuple[tuple[re.Pattern[str], tuple[str, ...], str], ...]:
    """Each with its pattern and what stands for each value in it.

    The longest first: one that says more is the one that was meant.
    """
    found = []
    for message in messages:
        holes = tuple(dict.fromkeys(_HOLE.findall(message)))
        if all(message.count(hole) == 1 for hole in holes):
            parts = [re.escape(part) for part in _HOLE.split(message)]
            found.append((re.compile("(.+?)".join(parts), re.DOTALL), holes, message))
    found.sort(key=lambda row: -len(row[0].pattern))
    return tuple(found)


def _words(message: str) -> int:
    return len(_HOLE.sub(" ", message).split())
