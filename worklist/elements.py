"""Reads encoded datasets into raw elements: bytes first, meaning on demand (PS3.5 7).

Queries come by the thousand and differ in one key, so reading must be quick; and they come from
devices of all ages, so a value nobody asks for must never be able to fail. pydicom is the oracle in
the tests. The bytes have passed ``prescan``; what it lets through and does not fit ends in
InvalidValueError here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from ris.domain.errors import InvalidValueError
from worklist import charset
from worklist.charset import CharacterSet
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

SPECIFIC_CHARACTER_SET = 0x00080005
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# PS3.5 Table 7.1-1: four bytes of length after two reserved ones.
LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_DEPTH = 16
TEXT_VRS = frozenset({"SH", "LO", "ST", "LT", "UC", "UT", "PN"})
# One value, in which a backslash is a letter like any other (PS3.5 6.2).
UNDIVIDED_VRS = frozenset({"ST", "LT", "UT", "UR"})
# What is around a value and not part of it: padding, and what a barcode reader types at the end,
# which such a value must not hold at all.
_AROUND = " \t\r\n"


class Element(NamedTuple):
    """One data element; ``items`` is set for a sequence, else ``value`` holds the bytes."""

    vr: str
    value: bytes
    items: tuple[Mapping[int, Element], ...] | None = None


Elements = Mapping[int, Element]


@lru_cache(maxsize=4096)
def vr_of(tag: int) -> str:
    """The dictionary's VR (PS3.6); UN for what it does not know, the first of an ambiguous one."""
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UL" if tag & 0xFFFF == 0 else "UN"


@lru_cache(maxsize=4096)
def tag_of(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@lru_cache(maxsize=4096)
def keyword_of(tag: int) -> str:
    """The dictionary's keyword; empty for what it does not know."""
    return keyword_for_tag(tag)


def tag_path(tag: int) -> str:
    """How a refusal names an element: ``(0040,0002)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def padded(value: bytes, padding: bytes) -> bytes:
    """The value with an even length (PS3.5 7.1.1)."""
    return value + padding if len(value) & 1 else value


def read(data: bytes, transfer_syntax: str, depth: int = _DEPTH) -> Elements:
    """The elements of a dataset by tag; raises InvalidValueError if the bytes do not add up."""
    try:
        codec = _CODECS[transfer_syntax]
    except KeyError:
        raise InvalidValueError("transfer syntax not served") from None
    reader = _Reader(data, *codec, depth)
    elements, end = reader.dataset(0, len(data), 0)
    if end != len(data):
        raise InvalidValueError("delimiter outside of a sequence")
    return elements


_CODECS = {
    IMPLICIT_VR_LITTLE_ENDIAN: (False, "<"),
    EXPLICIT_VR_LITTLE_ENDIAN: (True, "<"),
    EXPLICIT_VR_BIG_ENDIAN: (True, ">"),
}
_TAG_LENGTH = {order: struct.Struct(f"{order}HHI").unpack_from for order in "<>"}
_SHORT = {order: struct.Struct(f"{order}H").unpack_from for order in "<>"}
_WORD = {order: struct.Struct(f"{order}I").unpack_from for order in "<>"}


@dataclass(slots=True)
class _Reader:
    data: bytes
    explicit: bool
    order: str
    deepest: int = _DEPTH
    word: Callable[..., tuple[int, ...]] = field(init=False)
    short: Callable[..., tuple[int, ...]] = field(init=False)
    head: Callable[..., tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.word = _WORD[self.order]
        self.short = _SHORT[self.order]
        self.head = _TAG_LENGTH[self.order]

    def dataset(self, start: int, end: int, depth: int) -> tuple[Elements, int]:
        """Elements from ``start`` to ``end`` or to a delimiter; returns the place behind them."""
        if depth > self.deepest:
            raise InvalidValueError("sequences nested too deep")
        found: dict[int, Element] = {}
        data, head, explicit = self.data, self.head, self.explicit
        place = start
        while place < end:
            if end - place < 8:
                raise InvalidValueError("dataset ends within an element")
            group, number, length = head(data, place)
            tag = group << 16 | number
            if tag in {_ITEM_END, _SEQUENCE_END}:
                return found, place
            place += 8
            if not explicit:
                vr = vr_of(tag)
            else:
                code = data[place - 4 : place - 2]
                if code in LONG_VRS:
                    if end - place < 4:
                        raise InvalidValueError("dataset ends within an element")
                    length = self.word(data, place)[0]
                    place += 4
                else:
                    length = self.short(data, place - 2)[0]
                vr = code.decode("latin-1")
            if length == _UNDEFINED:
                # An unknown element of undefined length is a sequence in Implicit VR (PS3.5 6.2.2).
                reader = self if vr != "UN" else _Reader(data, False, "<", self.deepest)
                items, place = reader.items(place, end, depth, closed=False)
                found[tag] = Element("SQ", b"", items)
                continue
            behind = place + length
            if behind > end:
                raise InvalidValueError("element longer than the dataset", path=tag_path(tag))
            if vr == "SQ":
                items, _ = self.items(place, behind, depth, closed=True)
                found[tag] = Element("SQ", b"", items)
            else:
                found[tag] = Element(vr, data[place:behind])
            place = behind
        return found, place

    def items(
        self, start: int, end: int, depth: int, *, closed: bool
    ) -> tuple[tuple[Elements, ...], int]:
        """The items of a sequence; ``closed`` if its length is given."""
        found: list[Elements] = []
        place = start
        while place < end:
            if end - place < 8:
                raise InvalidValueError("dataset ends within a sequence")
            group, number, length = self.head(self.data, place)
            tag = group << 16 | number
            place += 8
            if tag == _SEQUENCE_END and not closed:
                return tuple(found), place
            if tag != _ITEM:
                raise InvalidValueError("a sequence holds something else than items")
            if length == _UNDEFINED:
                item, place = self.dataset(place, end, depth + 1)
                if place >= end or self.head(self.data, place)[:2] != (0xFFFE, 0xE00D):
                    raise InvalidValueError("an item has no end")
                place += 8
            else:
                if place + length > end:
                    raise InvalidValueError("item longer than its sequence")
                item, stop = self.dataset(place, place + length, depth + 1)
                if stop != place + length:
                    raise InvalidValueError("delimiter outside of an item of undefined length")
                place = stop
            found.append(item)
        if not closed:
            raise InvalidValueError("a sequence has no end")
        return tuple(found), place


@dataclass(frozen=True, slots=True)
class Texts:
    """A dataset with the character set its text is in; ``undecodable`` if the set is not known.

    Values are decoded only when asked for, so that a broken text spoils nothing but itself.
    """

    elements: Elements
    characters: CharacterSet | None

    @classmethod
    def of(cls, elements: Elements, default: CharacterSet | None = charset.ASCII) -> Texts:
        """Read (0008,0005); absent or empty (though that is not allowed): ``default``."""
        declared = elements.get(SPECIFIC_CHARACTER_SET)
        if declared is None or not declared.value.strip(b" \0"):
            return cls(elements, default)
        return cls(elements, declared_set(elements))

    def __contains__(self, keyword: str) -> bool:
        return tag_of(keyword) in self.elements

    def is_empty(self, keyword: str) -> bool:
        """Whether the element is there without a value."""
        element = self.elements.get(tag_of(keyword))
        return element is not None and not element.items and not element.value.strip(b" \0")

    def text(self, keyword: str) -> str:
        """The value without padding, empty if there is none; several keep their backslash."""
        element = self.elements.get(tag_of(keyword))
        return "" if element is None else self.decode(tag_of(keyword), element)

    def values(self, keyword: str) -> tuple[str, ...]:
        """The single values, without padding; none if the element is absent or empty."""
        text = self.text(keyword)
        return tuple(value.strip() for value in text.split("\\")) if text else ()

    def items(self, keyword: str) -> tuple[Texts, ...]:
        """The items of a sequence, each with its own character set or that of the dataset."""
        element = self.elements.get(tag_of(keyword))
        if element is None or element.items is None:
            return ()
        return tuple(Texts.of(item, self.characters) for item in element.items)

    def decode(self, tag: int, element: Element) -> str:
        """The text of one element; raises InvalidValueError if it cannot be read."""
        vr = element.vr if element.vr not in {"UN", ""} else vr_of(tag)
        value = element.value
        if vr not in TEXT_VRS:
            return value.replace(b"\0", b"").decode("latin-1").strip(_AROUND)
        try:
            if self.characters is None:
                text = value.decode("ascii")
            elif vr == "PN":
                text = self.characters.decode_name(value)
            else:
                text = self.characters.decode(value)
        except UnicodeError:
            raise InvalidValueError(
                "text does not fit its character set", path=tag_path(tag)
            ) from None
        text = text.replace("\0", "")  # no database keeps it
        return text.rstrip(" ") if vr in UNDIVIDED_VRS else text.strip(_AROUND)


def character_set_terms(elements: Elements) -> tuple[str, ...]:
    """The values of (0008,0005) as sent; none if it is absent or empty."""
    declared = elements.get(SPECIFIC_CHARACTER_SET)
    text = declared.value.decode("latin-1").strip(" \0") if declared is not None else ""
    return tuple(term.strip(" \0") for term in text.split("\\")) if text else ()


def declared_set(elements: Elements) -> CharacterSet | None:
    """The set that (0008,0005) names; None if its terms are not defined."""
    try:
        return charset.character_set(character_set_terms(elements))
    except charset.UnknownCharacterSetError:
        return None


_TAG = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")


def tags_in(path: str) -> tuple[int, ...]:
    """The tags that an error's path names."""
    return tuple(int(group + number, 16) for group, number in _TAG.findall(path))
