"""Datasets of our own as DICOM JSON, from keywords: what is written is what fits (PS3.5 6.2)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from ris.domain.coding_schemes import designator
from ris.domain.errors import InvalidValueError
from ris.domain.values import Code
from worklist.dicom_json import Json
from worklist.elements import UNDIVIDED_VRS, tag_of, vr_of

_LIMITS = {"SH": 16, "AE": 16, "CS": 16, "LO": 64, "UI": 64, "ST": 1024, "LT": 10240}
_NAME_GROUP = 64
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_BINARY = frozenset({"OB", "OW", "UN"})
_NUMBERS = frozenset({"US", "UL", "SS", "SL", "FL", "FD"})


def elements(said: Mapping[str, Any]) -> Json:
    """Keywords and values as DICOM JSON; None leaves an element out, an empty value does not."""
    found: Json = {}
    for keyword, value in said.items():
        if value is None:
            continue
        tag = tag_of(keyword)
        vr = vr_of(tag)
        if vr in _BINARY:
            found[f"{tag:08X}"] = {
                "vr": vr,
                "InlineBinary": base64.b64encode(value).decode("ascii"),
            }
            continue
        values = list(value) if isinstance(value, list | tuple) else [value] if value != "" else []
        if vr == "PN":
            values = [name for text in values if (name := _name(text))]
        elif vr not in _NUMBERS and vr != "SQ":
            values = [text for each in values if (text := fitting(str(each), vr))]
        found[f"{tag:08X}"] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return found


def fitting(text: str, vr: str) -> str:
    """A text that its representation can hold.

    In the long ones lines end with CR LF and a backslash is a letter; the others have neither.
    """
    if vr in UNDIVIDED_VRS:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        kept = "\r\n".join(_printable(line.replace("\t", " ")) for line in lines)
    else:
        kept = _printable(text.replace("\\", "/"))
    return kept[: _LIMITS.get(vr, len(kept))].strip() if vr != "UI" else kept


def whole(number: str, vr: str, path: str = "") -> str:
    """A number that is never cut, for a part of it is another's: left out if it is too long.

    With a ``path`` it is one without which nothing may leave: raises InvalidValueError.
    """
    if fitting(number, vr) == number.strip():
        return number
    if path:
        raise InvalidValueError("too long, or with letters that no number may have", path=path)
    return ""


def _printable(text: str) -> str:
    # Joiners and marks of direction are no control characters to a script that needs them.
    return "".join(
        char for char in text if char.isprintable() or char in "\u200c\u200d\u200e\u200f"
    )


def _name(text: str) -> Json:
    """A person's name by groups; one that would be too long is said without its last parts."""
    found: Json = {}
    for label, group in zip(_GROUPS, text.split("="), strict=False):
        parts = _printable(group.replace("\\", "/")).split("^")
        while len("^".join(parts)) > _NAME_GROUP and len(parts) > 1:
            parts.pop()
        if kept := "^".join(parts)[:_NAME_GROUP].rstrip("^ "):
            found[label] = kept
    return found


def code(value: Code) -> Json:
    """A code as a sequence item (PS3.3 Table 8.8-1)."""
    long = len(value.value) > 16
    return elements(
        {
            "CodeValue": None if long else value.value,
            "CodingSchemeDesignator": designator(value.scheme),
            "CodingSchemeVersion": value.version or None,
            "CodeMeaning": value.meaning or value.value,
            "LongCodeValue": value.value if long else None,
        }
    )


def codes(values: Sequence[Code]) -> list[Json]:
    """Each code once; what has no value is none."""
    unique = {(each.value, each.scheme): each for each in values if each.value}
    return [code(each) for each in unique.values()]


def date_of(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y%m%d}"


def time_of(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%H%M%S}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Date and time with the offset from UTC, VR DT."""
    return f"{at.astimezone(zone):%Y%m%d%H%M%S%z}"
