"""Texts that are longer than one value of a DICOM representation (PS3.5 6.2).

Nothing is cut without a mark: "no known all" and "Morphin" read like facts. The mark is three dots,
which every character set has.
"""

from __future__ import annotations

MARK = "..."


def shortened(text: str, limit: int) -> str:
    """A text as one value: if it is too long its beginning, marked as such."""
    return text if len(text) <= limit else text[: limit - len(MARK)].rstrip() + MARK


def continued(text: str, limit: int) -> tuple[str, ...]:
    """The whole text as several values, broken between words and marked where it goes on.

    For what may have more than one value, an allergy for one: no word of it is lost, and whoever is
    shown the first value only, sees that there is more.
    """
    values = []
    lead, rest = "", text.strip()
    while len(lead) + len(rest) > limit:
        end = _break(rest, limit - len(lead) - len(MARK) - 1)
        gap = " " if rest[end].isspace() or rest[:end].endswith(" ") else ""
        values.append(f"{lead}{rest[:end].rstrip()}{gap}{MARK}")
        lead, rest = f"{MARK}{gap}", rest[end:].strip()
    return (*values, f"{lead}{rest}") if rest else tuple(values)


def _break(text: str, room: int) -> int:
    """Where to break a text that is longer than ``room``; within a word that fills half of it."""
    end = text.rfind(" ", 0, room + 1)
    return end if end > room // 2 else room
