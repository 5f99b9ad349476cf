"""Person name keys of a worklist query: exact matching, and a first sieve for the database.

Both sides are folded (``ris.domain.values.fold``), so case and accents do not matter. Each
component group is compared on its own (PS3.4 C.2.2.2.1):

- a key with several groups is compared group by group; an empty group of the key matches any;
- a key of one group in plain letters is compared with the alphabetic group, which is indexed;
- a key of one group in another script is compared with every group, wherever the sender put it.

Trailing empty components do not count: ``DOE^JOHN`` is ``DOE^JOHN^^^``, and ``DOE^*`` is also met
by a name without a given name. Several values of a key are alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ris.domain.values import fold

_WILD = re.compile(r"([*?])")


def split(text: str) -> list[str]:
    """Literal parts and wildcards, in turn."""
    return _WILD.split(text)


@lru_cache(maxsize=1024)
def wildcard_pattern(text: str) -> re.Pattern[str]:
    """What a DICOM text key with ``*`` and ``?`` matches, to the letter (PS3.4 C.2.2.2.4)."""
    return re.compile(Pattern(tuple(split(text))).regex(), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Folded text with wildcards: literal parts and ``*`` or ``?`` between them, in turn."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Fold between the wildcards: folding must not make new ones of wide characters."""
        return cls(
            tuple(part if index % 2 else fold(part) for index, part in enumerate(_WILD.split(text)))
        )

    @property
    def is_literal(self) -> bool:
        return len(self.parts) == 1

    @property
    def prefix(self) -> str:
        """What the text begins with for certain."""
        return self.parts[0]

    def __add__(self, other: Pattern) -> Pattern:
        return Pattern((*self.parts[:-1], self.parts[-1] + other.parts[0], *other.parts[1:]))

    def regex(self) -> str:
        """As a regular expression that never goes back on what a ``*`` has passed over.

        What stands between two stars is taken where it comes first, which is as good as anywhere
        else: so a key of many wildcards costs its length times that of the text. A plain ``.*`` for
        each star would try every way to share the text out among them.
        """
        pieces = [""]
        for index, part in enumerate(self.parts):
            if index % 2 and part == "*":
                pieces.append("")
            else:
                pieces[-1] += "." if index % 2 else re.escape(part)
        first, *others = pieces
        if not others:
            return first
        between = "".join(f"(?>.*?{piece})" for piece in others[:-1] if piece)
        return f"{first}{between}.*{others[-1]}"


_MORE = Pattern(("=", "*", ""))  # further groups behind
_LESS = Pattern(("", "*", "="))  # other groups before


@dataclass(frozen=True, slots=True)
class NameKey:
    """One value of a person name key; ``groups`` holds the variants of each group."""

    groups: tuple[tuple[Pattern, ...], ...]
    anywhere: bool  # one group that may be met by any group of the name

    @classmethod
    def of(cls, text: str) -> NameKey:
        groups = tuple(_variants(group) for group in text.split("=")[:3])
        anywhere = len(groups) == 1 and not all(
            part.isascii() for variant in groups[0] for part in variant.parts
        )
        return cls(groups, anywhere)

    def matches(self, name_key: str) -> bool:
        """Whether a stored key (folded, groups joined with ``=``) is met."""
        stored = name_key.split("=")
        if self.anywhere:
            return any(_meets(self.groups[0], group) for group in stored)
        stored += [""] * (len(self.groups) - len(stored))
        return all(
            not group or _meets(group, one) for group, one in zip(self.groups, stored, strict=False)
        )

    def sieve(self) -> Iterator[tuple[Pattern, ...]]:
        """Alternatives for the whole stored key, one tuple for each group: a superset of matches.

        A ``*`` may run over the border of a group here, which only ``matches`` tells apart.
        """
        for index, variants in enumerate(self.groups):
            if index > 0 and _meets(variants, ""):
                continue  # also met by a name without this group
            found = []
            for variant in variants:
                if index == 0:
                    found += [variant, variant + _MORE]
                if index > 0 or self.anywhere:
                    found += [_LESS + variant, _LESS + variant + _MORE]
            if found:
                yield tuple(found)


def _variants(group: str) -> tuple[Pattern, ...]:
    """The group without trailing empty components, and without components that may be empty."""
    group = "^".join(component.strip() for component in group.split("^")).rstrip("^")
    if not group:
        return ()
    found = [group]
    while match := re.search(r"\^\**$", group):
        group = group[: match.start()]
        if group:
            found.append(group)
    return tuple(Pattern.of(one) for one in found)


def _meets(variants: tuple[Pattern, ...], stored: str) -> bool:
    return any(_compiled(variant).fullmatch(stored) is not None for variant in variants)


@lru_cache(maxsize=4096)
def _compiled(pattern: Pattern) -> re.Pattern[str]:
    return re.compile(pattern.regex(), re.DOTALL)


@lru_cache(maxsize=1024)
def name_keys(text: str) -> tuple[NameKey, ...]:
    """The alternatives of a key as sent; none if one of them asks for nothing in particular."""
    values = text.split("\\")
    if not all(value.strip("^= ") for value in values):
        return ()
    return tuple(NameKey.of(value) for value in values)


def matches(text: str, name_key: str) -> bool:
    """Whether a stored name key meets a key as sent."""
    keys = name_keys(text)
    return not keys or any(key.matches(name_key) for key in keys)
