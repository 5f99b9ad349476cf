"""Worklist entries as response identifiers (PS3.4 K.4.1.1.3.2).

A stock pydicom answer costs about 1 ms for each match; this encoder about 50 µs, and nothing at all
when the same entry was encoded before for the same question. It writes exactly what pydicom writes
(the tests compare byte for byte).
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from ris.domain.coding_schemes import designator
from ris.domain.long_strings import MARK, continued, shortened
from ris.domain.values import Code
from ris.selectors.name_keys import wildcard_pattern
from worklist import charset
from worklist.attributes import ESSENTIAL, SPS, WORKLIST_TREE, Attribute, Node, Offer, Value
from worklist.charset import CharacterSet, PlainSet
from worklist.elements import LONG_VRS, SPECIFIC_CHARACTER_SET, TEXT_VRS, UNDIVIDED_VRS, padded
from worklist.rules import STANDARD, Rules
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

log = logging.getLogger(__name__)

# PS3.5 Table 6.2-1, in characters; PN is limited per component group.
LIMITS = {
    "AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "IS": 12, "LO": 64, "LT": 10240, "PN": 64,
    "SH": 16, "ST": 1024, "TM": 14, "UI": 64,
}  # fmt: skip
# Control characters, the separator of values, and halves of surrogate pairs that cannot be encoded.
_NOT_IN_ONE_VALUE = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Of one element in Explicit VR whose length has two bytes (PS3.5 7.1.2).
_LONGEST = 0xFFFE
_NOT_IN_CODE = re.compile(r"[^A-Z0-9_ ]")
_HEAD, _EXPLICIT_SHORT, _EXPLICIT_LONG, _US = (
    {order: struct.Struct(f"{order}{layout}").pack for order in "<>"}
    for layout in ("HHI", "HH2sH", "HH2sHI", "H")
)


class Key(NamedTuple):
    """One requested attribute, with the ones requested inside its items."""

    attribute: Attribute
    children: tuple[Key, ...]
    group: int
    number: int
    vr: bytes
    only: tuple[Code, ...] = ()  # of a code sequence: the items that come back; none: all


# (tag, the same for what is inside, codes of which items): which attributes a query asks for.
Signature = tuple[tuple[int, Any, tuple[Code, ...]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an answer to one kind of query is made of; one object for each kind."""

    keys: tuple[Key, ...]
    rules: Rules = STANDARD


@lru_cache(maxsize=1024)
def plan(signature: Signature, rules: Rules = STANDARD) -> Plan:
    return Plan(_keys(signature, WORKLIST_TREE), rules)


def _keys(signature: Signature, nodes: dict[int, Node] | Any) -> tuple[Key, ...]:
    return tuple(
        Key(
            (node := nodes[tag]).attribute,
            _keys(inside, node.children),
            tag >> 16,
            tag & 0xFFFF,
            node.attribute.vr.encode(),
            only,
        )
        for tag, inside, only in signature
    )


def whole(nodes: Any) -> Signature:
    """The signature of everything in an item: what an empty sequence key asks for."""
    return tuple(
        (tag, whole(node.children), ()) for tag, node in nodes.items() if node.attribute.is_held
    )


def items_of(key: Key, source: Any) -> Iterable[Any]:
    """What the items of a sequence are made of: those that match (PS3.4 C.2.2.2.6)."""
    items: Iterable[Any] = key.attribute.value(source)
    if not key.only:
        return items
    return [item for item in items if any(_is(item, code) for code in key.only)]


def _is(item: Code, asked: Code) -> bool:
    return all(
        not wanted or wildcard_pattern(wanted).fullmatch(shown)
        for wanted, shown in (
            (asked.value, item.value),
            (asked.scheme, designator(item.scheme)),
        )
    )


EVERYTHING: Signature = whole(WORKLIST_TREE)


# --- values


def fit(attribute: Attribute, text: str) -> str:
    """``text`` as its VR allows (PS3.5 6.2); empty if an exact value cannot be shown."""
    vr = attribute.vr
    if attribute.exact and _bad(vr).search(text):
        return ""
    if vr not in TEXT_VRS and not text.isascii():
        return ""
    text = _cleaned(vr, text)
    if vr == "CS" and _NOT_IN_CODE.search(text):
        return ""
    if vr == "PN":
        return "=".join(_named_shortly(group) for group in text.split("=")[:3]).rstrip("=")
    limit = LIMITS.get(vr)
    if limit is not None and len(text) > limit:
        if attribute.exact:
            return ""
        # What is searched for as it was shown is cut where SQL can cut it (worklist_shown).
        return shortened(text, limit) if attribute.query else continued(text, limit)[0]
    return text


def _bad(vr: str) -> re.Pattern[str]:
    return _NOT_IN_TEXT if vr in UNDIVIDED_VRS else _NOT_IN_ONE_VALUE


def _cleaned(vr: str, text: str) -> str:
    text = _bad(vr).sub(lambda found: "/" if found[0] == "\\" else " ", text)
    return text.rstrip() if vr in UNDIVIDED_VRS else text.strip()


def _named_shortly(group: str) -> str:
    """A component group: the first of the given names stays with the family name, whatever else."""
    limit = LIMITS["PN"]
    group = group.rstrip("^ ")
    if len(group) <= limit:
        return group
    family, caret, others = group.partition("^")
    room = max(limit - len(caret + others), limit // 2)
    family = shortened(family, room if caret else limit)
    return shortened(f"{family}{caret}{others}", limit)


# What ``fit`` leaves as it is and ASCII can write, as most values are: told by one look.
_PRINTABLE = r" -\[\]-~"
_LETTERS = {"CS": "A-Z0-9_ ", "PN": r" -<>-\[\]-~"}  # of a name one component group
_FITS: Mapping[str, Callable[[str], object]] = {
    vr: re.compile(
        rf"(?! )[{_LETTERS.get(vr, _PRINTABLE)}]{{1,{limit}}}(?<![ {'^' if vr == 'PN' else ''}])"
    ).fullmatch
    for vr, limit in LIMITS.items()
}


def _fits(value: Value, vr: str) -> TypeGuard[str]:
    fits = _FITS.get(vr)
    return isinstance(value, str) and fits is not None and fits(value) is not None


def texts(attribute: Attribute, source: Any) -> tuple[str, ...]:
    """The values of a simple attribute that are not empty, fitted."""
    return _fitted(attribute, attribute.value(source))


def _fitted(attribute: Attribute, value: Value) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        fitted = fit(attribute, value)
        return (fitted,) if fitted else ()
    if attribute.goes_on:
        return tuple(part for one in value for part in _continued(attribute, one))
    return tuple(filter(None, [fit(attribute, one) for one in value]))


def _continued(attribute: Attribute, text: str) -> tuple[str, ...]:
    return continued(_cleaned(attribute.vr, text), LIMITS[attribute.vr])


def missing(offer: Offer) -> tuple[str, ...]:
    """The type 1 attributes this entry has no value for; such an entry must not be served."""
    return tuple(
        row.keyword
        for row in ESSENTIAL
        if not (_fits(value := row.value(offer), row.vr) or _fitted(row, value))
    )


def in_letters_of(
    characters: PlainSet, attribute: Attribute, values: tuple[str, ...]
) -> tuple[str, ...]:
    """The values in the letters the set has; raises UnicodeEncodeError for an identifier.

    An identifier in other letters would be another one.
    """
    found: list[str] = []
    for value in values:
        if not value.isascii():
            try:
                characters.base.encode_name(value)
            except UnicodeEncodeError:
                if attribute.exact:
                    raise
                written = characters.written_name if attribute.vr == "PN" else characters.written
                value = written(value)
                if attribute.goes_on:  # it may have grown
                    found += _continued(attribute, value)
                    continue
                value = fit(attribute, value)
        if value:
            found.append(value)
    return tuple(found)


# --- the encoder


class Encoder:
    """Writes items in one transfer syntax and character set; raises UnicodeEncodeError."""

    def __init__(self, characters: CharacterSet, transfer_syntax: str) -> None:
        self.characters = characters
        self.explicit = transfer_syntax != IMPLICIT_VR_LITTLE_ENDIAN
        self.is_ascii = True  # all that was written so far
        order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
        self._head, self._number = _HEAD[order], _US[order]
        self._short, self._long = _EXPLICIT_SHORT[order], _EXPLICIT_LONG[order]

    def identifier(self, keys: tuple[Key, ...], offer: Offer) -> bytes:
        """A whole answer, led by (0008,0005) if the set has a name there."""
        return self._named(self.item(keys, offer))

    def named_if_needed(self, keys: tuple[Key, ...], offer: Offer) -> bytes:
        """A whole answer, led by (0008,0005) unless all of it turned out to be ASCII."""
        body = self.item(keys, offer)
        return body if self.is_ascii else self._named(body)

    def without_values(self, keys: tuple[Key, ...]) -> bytes:
        """The keys alone; (0008,0005) where we have none of them, as no identifier is empty."""
        empty = [self._element(key.group, key.number, key.vr, b"") for key in keys]
        return b"".join(empty) or self._named(b"")

    def _named(self, body: bytes) -> bytes:
        if not self.characters.terms:
            return body
        value = padded("\\".join(self.characters.terms).encode("ascii"), b" ")
        return self._element(0x0008, 0x0005, b"CS", value) + body

    def item(self, keys: tuple[Key, ...], source: Any) -> bytes:
        parts = []
        explicit, head = self.explicit, self._head
        for key in keys:
            attribute = key.attribute
            if key.vr == b"SQ":
                value = self._items(key, source)
            else:
                found = attribute.value(source)
                if _fits(found, attribute.vr):
                    value = padded(found.encode("ascii"), b"\0" if key.vr == b"UI" else b" ")
                else:
                    several = _fitted(attribute, found)
                    value = self._value(attribute, several) if several else b""
            if value or attribute.always_present:
                if explicit:
                    parts.append(self._element(key.group, key.number, key.vr, value))
                else:
                    parts.append(head(key.group, key.number, len(value)))
                    parts.append(value)
        return b"".join(parts)

    def _items(self, key: Key, source: Any) -> bytes:
        parts = []
        for one in items_of(key, source):
            item = self.item(key.children, one)
            # The one item of the scheduled step is always there (PS3.4 K.6.1.2.1).
            if item or key.attribute.keyword == SPS:
                parts.append(self._head(0xFFFE, 0xE000, len(item)) + item)
        return b"".join(parts)

    def _value(self, attribute: Attribute, values: tuple[str, ...]) -> bytes:
        vr = attribute.vr
        if vr == "US":
            return b"".join(self._number(int(value)) for value in values)
        if isinstance(self.characters, PlainSet):
            values = in_letters_of(self.characters, attribute, values)
        text = values[0] if len(values) == 1 else "\\".join(values)
        if text.isascii():
            encoded = text.encode("ascii")
        else:
            self.is_ascii = False
            write = self.characters.encode_name if vr == "PN" else self.characters.encode
            encoded = b"\\".join(write(value) for value in values)
        if len(encoded) > _LONGEST and len(values) > 1 and self._has_short_length(vr):
            # A thousand allergies: the first of them, rather than no list for anybody. A list of
            # identifiers has no room for a mark.
            more = () if attribute.exact else (MARK,)
            return self._value(attribute, (*values[: len(values) // 2], *more))
        return padded(encoded, b"\0" if vr == "UI" else b" ")

    def _has_short_length(self, vr: str) -> bool:
        return self.explicit and vr.encode() not in LONG_VRS

    def _element(self, group: int, number: int, vr: bytes, value: bytes) -> bytes:
        if not self.explicit:
            return self._head(group, number, len(value)) + value
        if vr in LONG_VRS:
            return self._long(group, number, vr, 0, len(value)) + value
        return self._short(group, number, vr, len(value)) + value


# --- the same through pydicom


def to_identifier(keys: tuple[Key, ...], offer: Offer, terms: Sequence[str] = ()) -> Dataset:
    """The answer as a pydicom dataset."""
    dataset = _to_item(keys, offer)
    if terms:
        dataset.add_new(SPECIFIC_CHARACTER_SET, "CS", list(terms))
    return dataset


def _to_item(keys: tuple[Key, ...], source: Any) -> Dataset:
    dataset = Dataset()
    for key in keys:
        attribute = key.attribute
        value: Any
        if attribute.vr == "SQ":
            items = [_to_item(key.children, one) for one in items_of(key, source)]
            value = [item for item in items if len(item) or attribute.keyword == SPS]
        else:
            value = list(texts(attribute, source))
            if attribute.vr == "US":
                value = [int(one) for one in value]
        if value or attribute.always_present:
            if attribute.vr != "SQ" and len(value) < 2:
                value = value[0] if value else None
            dataset.add(DataElement(attribute.tag, attribute.vr, value))
    return dataset


def write(dataset: Dataset, *, explicit: bool, little_endian: bool) -> bytes:
    """Encode with pydicom."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = not explicit
    buffer.is_little_endian = little_endian
    write_dataset(buffer, dataset)
    return buffer.getvalue()


# --- answers


def encode(
    keys: tuple[Key, ...],
    offer: Offer,
    among: Sequence[CharacterSet],
    transfer_syntax: str,
) -> bytes:
    """One answer in the first character set that holds all of it; the last one must be ISO_IR 192.

    Trying is the check: nothing is ever replaced by a question mark. What has no value for any key
    matches all the same, and 0000 says that every match was sent (PS3.4 K.4.1.3): its keys then
    come back without values.
    """
    answer = _encoded(keys, offer, among, transfer_syntax)
    return answer or Encoder(among[-1], transfer_syntax).without_values(keys)


def _encoded(
    keys: tuple[Key, ...],
    offer: Offer,
    among: Sequence[CharacterSet],
    transfer_syntax: str,
) -> bytes:
    if among == (charset.ASCII, among[-1]):
        # What most devices read: written once, for ASCII is the same in both.
        return Encoder(among[-1], transfer_syntax).named_if_needed(keys, offer)
    for characters in among[:-1]:
        try:
            answer = Encoder(characters, transfer_syntax).identifier(keys, offer)
        except UnicodeEncodeError:
            continue
        if isinstance(characters, PlainSet):
            step = offer.entry.step.public_id
            log.info("the text of step %s was transliterated for a device", step)
        return answer
    return Encoder(among[-1], transfer_syntax).identifier(keys, offer)
