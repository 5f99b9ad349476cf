"""DICOM JSON (PS3.18 F.2) as an encoded dataset: what came over HTTP, as DIMSE would have sent it.

Explicit VR Little Endian in UTF-8, so that everything behind it is one code for both ways in.
Strict: what has no exact encoding is refused by naming the element, never left out or guessed.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.valuerep import VR

from ris.domain.errors import InvalidValueError
from worklist.charset import UTF8
from worklist.elements import (
    LONG_VRS,
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    UNDIVIDED_VRS,
    padded,
    tag_path,
)

DEPTH = 16  # of sequences; the limits of the SOP class are lower and checked on the encoded bytes
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_VRS = frozenset(str(vr) for vr in VR if len(str(vr)) == 2)
_NUMBERS: Mapping[str, str] = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_FLOATS = frozenset({"FL", "FD"})
BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
NUMBER_VRS = frozenset(_NUMBERS)
_NUMBER_TEXTS: Mapping[str, int] = {"DS": 16, "IS": 12}
_LONGEST_SHORT = 0xFFFE
_NOT_IN_ONE_VALUE = re.compile(r"[\x00-\x1f\x7f\\]")
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")

_SHORT = struct.Struct("<HH2sH").pack
_LONG = struct.Struct("<HH2sHI").pack
_ITEM = struct.Struct("<HHI").pack


def encode(data: Mapping[str, Any]) -> bytes:
    """The dataset; raises InvalidValueError with the tag as path."""
    terms = "\\".join(UTF8).encode("ascii")
    character_set = _element(SPECIFIC_CHARACTER_SET, "CS", padded(terms, b" "))
    return _dataset({**data, "00080005": None}, 0, character_set)


def _dataset(data: Mapping[str, Any], depth: int, character_set: bytes = b"") -> bytes:
    if depth > DEPTH:
        raise InvalidValueError("sequences are nested too deep")
    by_tag: dict[int, Any] = {}
    for key, attribute in data.items():
        tag = _tag(key)
        if tag in by_tag:
            raise InvalidValueError("stands twice in one dataset", path=tag_path(tag))
        by_tag[tag] = attribute
    parts = []
    for tag, attribute in sorted(by_tag.items()):
        if tag == SPECIFIC_CHARACTER_SET:
            # What it says is of the time before it was JSON, which is always UTF-8 (F.2.2).
            parts.append(character_set)
        elif tag & 0xFFFF:  # group lengths count bytes of another encoding
            parts.append(_attribute(tag, attribute, depth))
    return b"".join(parts)


def _tag(key: str) -> int:
    if not _TAG.fullmatch(key):
        raise InvalidValueError("an attribute is named by eight hexadecimal digits")
    tag = int(key, 16)
    if tag >> 16 <= 0x0006 or tag >> 16 == 0xFFFE or tag >> 16 == 0xFFFF:
        raise InvalidValueError("not an attribute of a dataset", path=tag_path(tag))
    return tag


def known_vrs(tag: int) -> tuple[str, ...]:
    """The VRs that PS3.6 allows for a tag; none if it does not know the tag."""
    try:
        return tuple(dictionary_VR(tag).split(" or "))
    except KeyError:
        return ()


def _attribute(tag: int, attribute: Any, depth: int) -> bytes:
    if not isinstance(attribute, Mapping):
        raise InvalidValueError("an attribute is an object with its vr", path=tag_path(tag))
    known = known_vrs(tag)
    vr = attribute.get("vr", known[0] if known else None)
    if not isinstance(vr, str) or vr not in _VRS:
        raise InvalidValueError("no such value representation", path=tag_path(tag))
    if known and (vr == "SQ") != ("SQ" in known) and vr != "UN":
        raise InvalidValueError(f"is {known[0]}, not {vr}", path=tag_path(tag))
    given = [name for name in ("Value", "InlineBinary", "BulkDataURI") if name in attribute]
    if len(given) > 1:
        raise InvalidValueError("more than one kind of value", path=tag_path(tag))
    if given == ["BulkDataURI"]:
        raise InvalidValueError("bulk data is not fetched: send the value", path=tag_path(tag))
    if given == ["InlineBinary"]:
        return _element(tag, vr, _binary(tag, vr, attribute["InlineBinary"]))
    values = attribute.get("Value", [])
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidValueError("Value is an array", path=tag_path(tag))
    if vr in BINARY_VRS and values:
        raise InvalidValueError(f"{vr} comes as InlineBinary", path=tag_path(tag))
    if vr == "SQ":
        return _element(tag, vr, b"".join(_item(tag, item, depth) for item in values))
    return _element(tag, vr, _values(tag, vr, values))


def _item(tag: int, item: Any, depth: int) -> bytes:
    if item is not None and not isinstance(item, Mapping):
        raise InvalidValueError("an item is an object", path=tag_path(tag))
    value = _dataset(item or {}, depth + 1)
    return _ITEM(0xFFFE, 0xE000, len(value)) + value


def _values(tag: int, vr: str, values: Sequence[Any]) -> bytes:
    if vr in _NUMBERS:
        return b"".join(_number(tag, vr, value) for value in values)
    if vr == "AT":
        return b"".join(_attribute_tag(tag, value) for value in values)
    if vr in UNDIVIDED_VRS and len(values) > 1:
        raise InvalidValueError(f"{vr} has one value", path=tag_path(tag))
    text = "\\".join(_text(tag, vr, value) for value in values)
    if vr not in TEXT_VRS and not text.isascii():
        raise InvalidValueError(f"{vr} is ASCII", path=tag_path(tag))
    return padded(text.encode("utf-8"), b"\0" if vr == "UI" else b" ")


def _text(tag: int, vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "PN":
        return _name(tag, value)
    if vr in _NUMBER_TEXTS and isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)
        if len(value) > _NUMBER_TEXTS[vr]:
            raise InvalidValueError(f"too long for {vr}", path=tag_path(tag))
    if not isinstance(value, str):
        raise InvalidValueError(f"a value of {vr} is a string", path=tag_path(tag))
    return _clean(tag, value, _NOT_IN_TEXT if vr in UNDIVIDED_VRS else _NOT_IN_ONE_VALUE)


def _clean(tag: int, text: str, bad: re.Pattern[str]) -> str:
    found = bad.search(text)
    if found:
        what = "a backslash" if found[0] == "\\" else "a control character"
        raise InvalidValueError(f"a value holds {what}", path=tag_path(tag))
    return text


def _name(tag: int, value: Any) -> str:
    """A person name; its component groups must not run into each other."""
    if not isinstance(value, Mapping) or not all(
        name in GROUPS and isinstance(group, str | None) for name, group in value.items()
    ):
        raise InvalidValueError(f"a name is an object of {', '.join(GROUPS)}", path=tag_path(tag))
    groups = [_clean(tag, value.get(name) or "", _NOT_IN_ONE_VALUE) for name in GROUPS]
    if any("=" in group for group in groups):
        raise InvalidValueError("a component group holds an equals sign", path=tag_path(tag))
    return "=".join(groups).rstrip("=")


def _number(tag: int, vr: str, value: Any) -> bytes:
    if isinstance(value, str) and vr in {"SV", "UV"} and re.fullmatch(r"-?\d{1,20}", value):
        value = int(value)  # as F.2.3 allows for numbers that are too long for JavaScript
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidValueError(f"a value of {vr} is a number", path=tag_path(tag))
    try:
        if vr in _FLOATS:
            number: float | int = float(value)
            if not math.isfinite(number):
                raise OverflowError
        else:
            number = int(value)
            if number != value:
                raise InvalidValueError(f"{vr} is a whole number", path=tag_path(tag))
        return struct.pack(f"<{_NUMBERS[vr]}", number)
    except (struct.error, OverflowError, ArithmeticError):
        raise InvalidValueError(f"out of the range of {vr}", path=tag_path(tag)) from None


def _attribute_tag(tag: int, value: Any) -> bytes:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise InvalidValueError("a value of AT has eight hexadecimal digits", path=tag_path(tag))
    return struct.pack("<HH", int(value[:4], 16), int(value[4:], 16))


def _binary(tag: int, vr: str, value: Any) -> bytes:
    if vr not in BINARY_VRS:
        raise InvalidValueError(f"{vr} comes as Value", path=tag_path(tag))
    try:
        found = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise InvalidValueError("InlineBinary is not base64", path=tag_path(tag))
    return padded(found, b"\0")


def _element(tag: int, vr: str, value: bytes) -> bytes:
    code = vr.encode("ascii")
    if code in LONG_VRS:
        return _LONG(tag >> 16, tag & 0xFFFF, code, 0, len(value)) + value
    if len(value) > _LONGEST_SHORT:
        raise InvalidValueError(f"too long for {vr}", path=tag_path(tag))
    return _SHORT(tag >> 16, tag & 0xFFFF, code, len(value)) + value
