"""Check of raw dataset bytes before pydicom sees them.

pydicom parses nested sequences by recursion and re-formats the whole error text at each level, so
a few kilobytes of nesting can take gigabytes. This scan looks at tags and lengths only: nesting no
deeper than allowed (it never descends further itself), not too many elements, items and values,
every length inside its parent. To be no weaker than the parser behind it, it decides what is a
sequence exactly as pydicom 3.0 does, or stricter:

* explicit VR: SQ, and UN where pydicom makes it a sequence (any UN of undefined length; an UN whose
  tag it knows as a sequence);
* implicit VR: pydicom's dictionary, for private tags its private dictionaries under the private
  creator in the same dataset, and an unknown tag of undefined length that starts with an item;
* items inside an explicit dataset may be implicit (PS3.5 6.2.2, UN): told by their first element.

Where pydicom would guess (no such VR, another encoding than the negotiated one, a delimiter in the
wrong place), the scan refuses.
"""

from __future__ import annotations

from collections import defaultdict
from struct import Struct
from typing import Final, NoReturn

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.charset import python_encoding
from pydicom.datadict import mask_match
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from ris.domain.errors import InvalidValueError
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_CHARACTER_SET: Final = 0x00080005
# From this length on pydicom leaves an UN element of a known tag alone (pydicom/hooks.py).
_TOO_LONG_TO_REPLACE: Final = 0xFFFF
_LONGEST_CHARACTER_SET: Final = 1_024
_VALUES_PER_ELEMENT: Final = 4  # allowed on average, over the whole dataset

_LONG_VRS = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
_SHORT_VRS = frozenset(str(vr).encode() for vr in VR if len(str(vr)) == 2) - _LONG_VRS
_SEQUENCE_TAGS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == VR.SQ)


class _Layout:
    """How the three numbers of an element header are packed."""

    __slots__ = ("explicit", "implicit", "length", "starts_implicit")

    def __init__(self, *, implicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self.starts_implicit = implicit
        self.implicit = Struct(order + "HHL").unpack_from
        self.explicit = Struct(order + "HH2sH").unpack_from
        self.length = Struct(order + "L").unpack_from


_LAYOUTS = {
    IMPLICIT_VR_LITTLE_ENDIAN: _Layout(implicit=True, little=True),
    EXPLICIT_VR_LITTLE_ENDIAN: _Layout(implicit=False, little=True),
    EXPLICIT_VR_BIG_ENDIAN: _Layout(implicit=False, little=False),
}


def prescan(raw: bytes, transfer_syntax: str, *, depth: int = 8, elements: int = 2_000) -> None:
    """Raise InvalidValueError, with the tag as path, unless ``raw`` is safe to parse."""
    try:
        layout = _LAYOUTS[transfer_syntax]
    except KeyError:
        raise InvalidValueError("the transfer syntax is not supported") from None
    if raw.count(b"\\") > _VALUES_PER_ELEMENT * elements:
        raise InvalidValueError("the dataset has too many values")
    if layout.starts_implicit and _is_two_letters(raw, 4):
        # pydicom would take the first length for a VR and read everything as explicit.
        raise InvalidValueError("the dataset is not in Implicit VR")
    _Scan(raw, layout, depth, elements).dataset(0, len(raw), 0, layout.starts_implicit)


class _Scan:
    """The state of one scan; ``level`` of a dataset is the number of sequences around it."""

    __slots__ = ("depth", "layout", "left", "odd_text", "raw")

    def __init__(self, raw: bytes, layout: _Layout, depth: int, elements: int) -> None:
        self.raw = raw
        self.layout = layout
        self.depth = depth
        self.left = elements
        self.odd_text = False  # private creators may decode to something else than their bytes

    def dataset(
        self, pos: int, end: int, level: int, implicit: bool, delimited: bool = False
    ) -> int:
        """Scan a dataset that ends at ``end``, or before it at its delimiter; return its end."""
        raw = self.raw
        layout = self.layout
        creators: dict[int, bytes] = {}
        private: list[tuple[int, int, int]] = []
        has_sequence = False
        while pos < end:
            if end - pos < 8:
                raise InvalidValueError("the dataset ends inside an element")
            vr = b""
            if implicit:
                group, element, length = layout.implicit(raw, pos)
            else:
                group, element, vr, length = layout.explicit(raw, pos)
            tag = group << 16 | element
            if group == 0xFFFE:
                if tag == _ITEM_END and delimited:
                    self._private_sequences(private, creators, level, implicit)
                    return pos + 8
                _refuse(tag, "an item or delimiter where an element should be")
            self.left -= 1
            if self.left < 0:
                _refuse(tag, "the dataset has too many elements")
            pos += 8
            if vr in _LONG_VRS:
                if end - pos < 4:
                    _refuse(tag, "the dataset ends inside an element")
                (length,) = layout.length(raw, pos)
                pos += 4
            elif not implicit and vr not in _SHORT_VRS:
                _refuse(tag, "no such value representation")

            if tag == _CHARACTER_SET:
                if has_sequence:
                    _refuse(tag, "the character set comes after what it applies to")
                self._note_character_set(raw[pos : min(pos + length, end)], length, vr)
            if length == _UNDEFINED:
                if not self._may_be_undefined(tag, vr, implicit, pos, end):
                    _refuse(tag, "an undefined length is only for sequences")
                has_sequence = True
                pos = self.sequence(tag, pos, end, level, implicit, delimited=True)
                continue
            stop = pos + length
            if stop > end:
                _refuse(tag, "the value is longer than what surrounds it")
            if vr == b"SQ" or ((implicit or vr == b"UN") and _is_known_sequence(tag, vr, length)):
                has_sequence = True
                self.sequence(tag, pos, stop, level, implicit, delimited=False)
            elif group & 1:
                if element < 0x0100:
                    creators[tag] = raw[pos:stop]
                elif (implicit or vr == b"UN") and length:
                    private.append((tag, pos, stop))
            pos = stop
        if delimited:
            raise InvalidValueError("an item is not ended")
        self._private_sequences(private, creators, level, implicit)
        return pos

    def sequence(
        self, tag: int, pos: int, end: int, level: int, implicit: bool, *, delimited: bool
    ) -> int:
        """Scan the items of the sequence ``tag``; return where it ends."""
        if level >= self.depth and pos < end:
            _refuse(tag, "sequences are nested too deep")
        header = self.layout.implicit  # items have no VR in any transfer syntax
        raw = self.raw
        while pos < end:
            if end - pos < 8:
                _refuse(tag, "the sequence ends inside an item")
            group, element, length = header(raw, pos)
            found = group << 16 | element
            pos += 8
            if found == _SEQUENCE_END and delimited:
                return pos
            if found != _ITEM:
                _refuse(tag, "something else than an item in a sequence")
            self.left -= 1
            if self.left < 0:
                _refuse(tag, "the dataset has too many elements")
            within = implicit or not _is_two_letters(raw, pos + 4)
            if length == _UNDEFINED:
                pos = self.dataset(pos, end, level + 1, within, delimited=True)
            elif pos + length > end:
                _refuse(tag, "an item is longer than its sequence")
            else:
                pos = self.dataset(pos, pos + length, level + 1, within)
        if delimited:
            _refuse(tag, "the sequence is not ended")
        return pos

    def _may_be_undefined(self, tag: int, vr: bytes, implicit: bool, pos: int, end: int) -> bool:
        """Whether an element of undefined length is a sequence; anything else is not for us."""
        if not implicit:
            return vr in (b"SQ", b"UN")
        if _is_known_sequence(tag, vr, 0):
            return True
        if tag in DicomDictionary or end - pos < 8:
            return False
        group, element, _ = self.layout.implicit(self.raw, pos)
        return (group << 16 | element) in (_ITEM, _SEQUENCE_END)

    def _note_character_set(self, value: bytes, length: int, vr: bytes) -> None:
        """Refuse what pydicom fails on; it reads this element at once, by its tag alone."""
        text = value.rstrip(b" \0").decode("latin-1")
        if vr not in (b"", b"CS") or length > _LONGEST_CHARACTER_SET or not text.isprintable():
            _refuse(_CHARACTER_SET, "the character set is not a code string")
        # pydicom takes any codec name of Python as a character set, also ones that are not ASCII.
        if not all(term.strip() in python_encoding for term in text.split("\\")):
            self.odd_text = True

    def _private_sequences(
        self,
        private: list[tuple[int, int, int]],
        creators: dict[int, bytes],
        level: int,
        implicit: bool,
    ) -> None:
        """Scan the private elements that pydicom's private dictionaries know as sequences.

        Done when the whole dataset was seen: the creator counts wherever it stands.
        """
        for tag, pos, stop in private:
            owners = _private_sequence_owners(tag)
            if not owners:
                continue
            creator = creators.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8, b"")
            name = creator.strip(b" \0").decode("latin-1")
            odd = self.odd_text or not (name.isascii() and name.isprintable())
            if name in owners or (odd and creator):
                self.sequence(tag, pos, stop, level, implicit, delimited=False)


def _is_known_sequence(tag: int, vr: bytes, length: int) -> bool:
    """Whether pydicom's public dictionary makes this implicit or UN element a sequence."""
    if tag in _SEQUENCE_TAGS:
        return not vr or length < _TOO_LONG_TO_REPLACE
    # Repeating groups (50xx,eeee) exist only in two ranges; most tags end here.
    if not 0x50000000 <= tag < 0x70000000 or tag in DicomDictionary or tag & 0x10000:
        return False
    mask = mask_match(tag)
    return mask is not None and RepeatersDictionary[mask][0] == VR.SQ


def _is_two_letters(raw: bytes, pos: int) -> bool:
    """Whether pydicom takes these two bytes for a VR (pydicom.filereader._is_implicit_vr)."""
    pair = raw[pos : pos + 2]
    return len(pair) == 2 and 0x40 < pair[0] < 0x5B and 0x40 < pair[1] < 0x5B


def _sequences_by_pattern() -> dict[str, frozenset[str]]:
    """Which private creators define a sequence under a key of pydicom's private dictionaries."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for creator, entries in private_dictionaries.items():
        for pattern, entry in entries.items():
            if entry[0] == VR.SQ:
                owners[pattern].add(creator.strip(" \0"))
    return {pattern: frozenset(names) for pattern, names in owners.items()}


_PRIVATE_SEQUENCES = _sequences_by_pattern()
_NOBODY: frozenset[str] = frozenset()


def _private_sequence_owners(tag: int) -> frozenset[str]:
    group, element = f"{tag >> 16:04X}", f"{tag & 0xFFFF:04X}"
    patterns = (group + element, f"{group}xx{element[2:]}", f"{group[:2]}xxxx{element[2:]}")
    return _NOBODY.union(*(_PRIVATE_SEQUENCES.get(pattern, _NOBODY) for pattern in patterns))


def _refuse(tag: int, message: str) -> NoReturn:
    raise InvalidValueError(message, path=f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
