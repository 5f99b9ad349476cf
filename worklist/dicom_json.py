"""Datasets as DICOM JSON (PS3.18 F.2), which is how the core keeps them."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from worklist.elements import (
    SPECIFIC_CHARACTER_SET,
    UNDIVIDED_VRS,
    Element,
    Texts,
    vr_of,
)

_NUMBERS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_BINARY = frozenset({"OB", "OW", "OD", "OF", "OL", "OV", "UN"})
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")

Json = dict[str, Any]


def to_json(texts: Texts, *, order: str = "<", without: frozenset[int] = frozenset()) -> Json:
    """Every element of a dataset; text as Unicode, so (0008,0005) has no place in it.

    Raises InvalidValueError for text that does not fit its character set.
    """
    found: Json = {}
    for tag, element in sorted(texts.elements.items()):
        if tag & 0xFFFF == 0 or tag == SPECIFIC_CHARACTER_SET or tag in without:
            continue
        found[f"{tag:08X}"] = _element(texts, tag, element, order)
    return found


def _element(texts: Texts, tag: int, element: Element, order: str) -> Json:
    if element.items is not None:
        items = [to_json(Texts.of(item, texts.characters), order=order) for item in element.items]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    vr = element.vr if element.vr != "UN" else vr_of(tag)
    if vr == "SQ":  # of unknown VR, not read as a sequence: kept as it came
        vr = "UN"
    if not element.value or not element.value.strip(b"\0 " if vr not in _NUMBERS else b""):
        return {"vr": vr}
    if vr in _BINARY:
        return {"vr": vr, "InlineBinary": base64.b64encode(element.value).decode("ascii")}
    if vr in _NUMBERS:
        return {"vr": vr, "Value": _numbers(element.value, vr, order)}
    if vr == "AT":
        pairs = struct.iter_unpack(f"{order}HH", element.value[: len(element.value) // 4 * 4])
        return {"vr": vr, "Value": [f"{group:04X}{number:04X}" for group, number in pairs]}
    text = texts.decode(tag, element)
    if vr in UNDIVIDED_VRS:
        return {"vr": vr, "Value": [text]} if text else {"vr": vr}
    values = [value.strip(" \0") for value in text.split("\\")]  # other white space is text
    if vr == "PN":
        return {"vr": vr, "Value": [_name(value) for value in values]}
    # DS and IS stay text, as F.2.3 allows: 1.20 must not become 1.2.
    return {"vr": vr, "Value": [value or None for value in values]}


def _numbers(value: bytes, vr: str, order: str) -> list[Any]:
    code = f"{order}{_NUMBERS[vr]}"
    size = struct.calcsize(code)
    numbers = [one for (one,) in struct.iter_unpack(code, value[: len(value) // size * size])]
    # JSON has neither infinity nor "not a number".
    return [None if one != one or one in {float("inf"), float("-inf")} else one for one in numbers]


def _name(text: str) -> Json | None:
    groups = {name: group for name, group in zip(_GROUPS, text.split("="), strict=False) if group}
    return groups or None


def texts_in(data: Mapping[str, Any]) -> list[str]:
    """Every text in a stored dataset, to choose a character set for it."""
    found: list[str] = []
    for element in data.values():
        for value in element.get("Value", ()):
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, dict):
                if element.get("vr") == "SQ":
                    found += texts_in(value)
                else:
                    found.append(name_text(value))
    return found


def name_text(value: Mapping[str, str] | None) -> str:
    return "=".join((value or {}).get(group, "") for group in _GROUPS).rstrip("=")


def text_of(data: Mapping[str, Any], tag: int) -> str:
    """The first value of an element as text; empty if there is none."""
    values = data.get(f"{tag:08X}", {}).get("Value", ())
    value = values[0] if values else None
    if isinstance(value, dict):
        return name_text(value)
    return "" if value is None else str(value)


def sound(data: Mapping[str, Any]) -> Json:
    """What another system said as DICOM JSON (PS3.18 F.2), without what has not that form."""
    found: Json = {}
    for tag, element in data.items():
        if not isinstance(element, dict):
            continue
        values = element.get("Value", [])
        if isinstance(values, list):
            is_sequence = element.get("vr") == "SQ"
            told = [_sound_value(value, is_sequence) for value in values]
            found[tag] = {**element, **({"Value": told} if "Value" in element else {})}
    return found


def _sound_value(value: Any, is_sequence: bool) -> Any:
    if not isinstance(value, dict):
        return None if isinstance(value, list) else value
    if is_sequence:
        return sound(value)
    return {group: text for group, text in value.items() if isinstance(text, str)}


def items_of(data: Mapping[str, Any], tag: int) -> list[Json]:
    """The items of a stored sequence."""
    element = data.get(f"{tag:08X}", {})
    if element.get("vr") != "SQ":
        return []
    return [item for item in element.get("Value", ()) if isinstance(item, dict)]


def to_dataset(data: Mapping[str, Any]) -> Dataset:
    """A stored dataset for pydicom to write; what it cannot write is left out, not guessed."""
    dataset = Dataset()
    for key, element in data.items():
        if not _TAG.fullmatch(key):
            continue
        tag, vr = int(key, 16), str(element.get("vr", "UN"))
        try:
            dataset.add(DataElement(tag, vr, _value(vr, element), validation_mode=IGNORE))
        except (AttributeError, TypeError, ValueError, ArithmeticError, KeyError):
            continue
    return dataset


def _value(vr: str, element: Mapping[str, Any]) -> Any:
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    values = element.get("Value", [])
    if vr == "SQ":
        return Items([to_dataset(item) for item in values])
    if vr == "PN":
        values = [name_text(value) for value in values]
    elif vr == "AT":
        values = [int(value, 16) for value in values]
    elif vr not in _NUMBERS:
        values = ["" if value is None else str(value) for value in values]
    if not values:
        return None
    return values[0] if len(values) == 1 else values
