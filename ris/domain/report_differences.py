"""What differs between two texts of a report, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from ris.domain.reporting import SECTIONS

# Beyond this many words in one changed passage the passage is shown as a whole: comparing takes
# time with the product of both lengths, and nobody reads a thousand changed words one by one.
MOST_WORDS = 1500
MOST_LINES = 2000

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Change(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Piece:
    change: Change
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionDifference:
    """A section that is in either text; ``pieces`` give both when put together."""

    key: str
    title: str
    pieces: tuple[Piece, ...]

    @property
    def changed(self) -> bool:
        return any(piece.change is not Change.SAME for piece in self.pieces)

    @property
    def change(self) -> Change | None:
        """That the whole section came or went; None if a part of it stayed."""
        kinds = {piece.change for piece in self.pieces}
        return next(iter(kinds)) if len(kinds) == 1 else None


def differences(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[SectionDifference, ...]:
    """Each section of either text, in reading order."""
    found = []
    for key, title in SECTIONS:
        old, new = before.get(key, "").strip(), after.get(key, "").strip()
        if old or new:
            pieces = tuple(_joined(_lines(old, new)))
            found.append(SectionDifference(key=key, title=title, pieces=pieces))
    return tuple(found)


def counted(sections: Sequence[SectionDifference]) -> tuple[int, int]:
    """How many words were added and how many removed."""
    totals = dict.fromkeys(Change, 0)
    for section in sections:
        for piece in section.pieces:
            totals[piece.change] += len(re.findall(r"\w+", piece.text))
    return totals[Change.ADDED], totals[Change.REMOVED]


def _lines(old: str, new: str) -> Iterator[Piece]:
    """Lines first, which are few; words only within lines that changed."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if max(len(before), len(after)) > MOST_LINES:
        yield from _passage(old, new)
        return
    for tag, i, j, k, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        removed, added = "".join(before[i:j]), "".join(after[k:end])
        if tag == "equal":
            yield Piece(Change.SAME, removed)
        else:
            yield from _passage(removed, added)


def _passage(old: str, new: str) -> Iterator[Piece]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if not before or not after or max(len(before), len(after)) > MOST_WORDS:
        yield Piece(Change.REMOVED, old)
        yield Piece(Change.ADDED, new)
        return
    for tag, i, j, k, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece(Change.SAME, "".join(before[i:j]))
        else:
            yield Piece(Change.REMOVED, "".join(before[i:j]))
            yield Piece(Change.ADDED, "".join(after[k:end]))


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbors of one kind as one; a lone space between changes belongs to both of them."""
    waiting = {Change.REMOVED: "", Change.ADDED: ""}
    same = ""
    for piece in pieces:
        if not piece.text:
            continue
        if piece.change is not Change.SAME:
            if same:
                yield Piece(Change.SAME, same)
                same = ""
            waiting[piece.change] += piece.text
        elif piece.text.strip() or not any(waiting.values()) or "\n" in piece.text:
            yield from _emptied(waiting)
            same += piece.text
        else:
            for kind in waiting:
                waiting[kind] += piece.text
    yield from _emptied(waiting)
    if same:
        yield Piece(Change.SAME, same)


def _emptied(waiting: dict[Change, str]) -> Iterator[Piece]:
    for kind in (Change.REMOVED, Change.ADDED):
        if waiting[kind]:
            yield Piece(kind, waiting[kind])
        waiting[kind] = ""
