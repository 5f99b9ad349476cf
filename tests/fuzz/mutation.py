"""A mutator that knows a little of what it breaks: lengths, tags, delimiters, escapes.

What pieces it puts in is given; those of DICOM are here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

_WORDS = (
    b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00", b"\xff\xff", b"\x00\x80", b"\x7f\xff\xff\xff", b"SQ", b"UN", b"OB", b"PN",
    b"DA", b"\x08\x00\x05\x00", b"\x40\x00\x00\x01", b"\x10\x00\x10\x00", b"\\", b"*", b"?", b"^",
    b"=", b"-", b"\x1b$B", b"\x1b(J", b"\x1b-A", b"ISO 2022 IR 87", b"GB18030", b"utf_7",
    b"99999999", b"20261332", b"\x00", b"\xed\xa0\x80", b"\x01", b"\x02", b"\x03", b"\x04", b"\x20",
    b"\x58",
)  # fmt: skip
_LETTERS = b"0123456789*?-\\^=.+ \x00\x1b$B()ABTZaz\xe4\xc3\xff\x80\x8e"
_LONGEST = 20_000


class Chance(random.Random):
    """Chance, with the pieces to choose from."""

    words: Sequence[bytes] = _WORDS


Change = Callable[[Chance, bytearray], None]


def _flip(chance: Chance, raw: bytearray) -> None:
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)


def _byte(chance: Chance, raw: bytearray) -> None:
    raw[chance.randrange(len(raw))] = chance.randrange(256)


def _text(chance: Chance, raw: bytearray) -> None:
    """Other letters in the same room, as most faults of scanners are."""
    at = chance.randrange(len(raw))
    for place in range(at, min(len(raw), at + chance.choice((1, 1, 2, 4, 8)))):
        if 0x20 <= raw[place] < 0x7F:  # most likely not a tag and not a length
            raw[place] = chance.choice(_LETTERS)


def _number(chance: Chance, raw: bytearray) -> None:
    """A length a little off."""
    at = chance.randrange(len(raw))
    raw[at] = (raw[at] + chance.choice((-8, -2, -1, 1, 2, 8))) & 0xFF


def _word(chance: Chance, raw: bytearray) -> None:
    at, word = chance.randrange(len(raw)), chance.choice(chance.words)
    raw[at : at + len(word)] = word


def _insert(chance: Chance, raw: bytearray) -> None:
    at = chance.randrange(len(raw) + 1)
    raw[at:at] = chance.choice(chance.words) * chance.choice((1, 1, 1, 2, 40))


def _cut(chance: Chance, raw: bytearray) -> None:
    at = chance.randrange(len(raw))
    del raw[at : at + chance.choice((1, 2, 4, 8, 64))]


def _end(chance: Chance, raw: bytearray) -> None:
    del raw[chance.randrange(len(raw)) :]


def _repeat(chance: Chance, raw: bytearray) -> None:
    at = chance.randrange(len(raw))
    part = raw[at : at + chance.randrange(1, 200)]
    raw[at:at] = part * chance.choice((1, 2, 30))


def _swap(chance: Chance, raw: bytearray) -> None:
    first, second = sorted(chance.randrange(len(raw)) for _ in range(2))
    raw[first:second] = raw[first:second][::-1] if second - first < 9 else raw[second:] + b"\0"


_CHANGES: Sequence[Change] = (
    _text, _text, _text, _text, _text, _text, _flip, _flip, _byte,
    _number, _number, _word, _word, _insert, _cut, _end, _repeat, _swap,
)  # fmt: skip


def mutated(seeds: Sequence[bytes], start: int, words: Sequence[bytes] = _WORDS) -> Iterator[bytes]:
    """Endless inputs, the same for the same start."""
    chance = Chance(start)
    chance.words = words
    while True:
        raw = bytearray(chance.choice(seeds))
        if chance.random() < 0.05:
            other = chance.choice(seeds)
            raw[chance.randrange(len(raw) + 1) :] = other[chance.randrange(len(other)) :]
        for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 9))):
            if raw:
                chance.choice(_CHANGES)(chance, raw)
        yield bytes(raw[:_LONGEST])
