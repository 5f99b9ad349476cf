"""Stored DIMSE messages as documents that a page can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID

from ris.domain.errors import InvalidValueError
from worklist import dicom_json
from worklist.dicom_json import Json
from worklist.elements import Texts, read
from worklist.raw import StoredRequest
from worklist.sop_classes import EXPLICIT_VR_BIG_ENDIAN

_SHOWN = 4096  # letters of a binary value; a whole PDF is nothing for the eye


def as_document(raw: bytes) -> Mapping[str, Any]:
    """What a message was, and its dataset as DICOM JSON with the keyword of each element.

    Raises InvalidValueError if it is none that was stored here. Text that does not fit its
    character set is said to be so, and not guessed.
    """
    stored = StoredRequest.unpack(raw)
    texts = Texts.of(read(stored.dataset, stored.transfer_syntax))
    order = ">" if stored.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    return {
        "operation": stored.operation,
        "SOP class": f"{UID(stored.sop_class_uid).name} ({stored.sop_class_uid})",
        "SOP instance": stored.sop_instance_uid,
        "transfer syntax": UID(stored.transfer_syntax).name,
        "first sent by": stored.ae_title,
        "dataset": _named(_elements(texts, order)),
    }


def _elements(texts: Texts, order: str) -> Json:
    found: Json = {}
    for tag, element in texts.elements.items():
        try:
            found |= dicom_json.to_json(Texts({tag: element}, texts.characters), order=order)
        except InvalidValueError as error:
            found[f"{tag:08X}"] = {"vr": element.vr, "Value": [f"({error.message})"]}
    return found


def _named(data: Json) -> Json:
    """The same with ``keyword`` beside each value, for what the dictionary knows."""
    named: Json = {}
    for tag, element in data.items():
        copy = {**element, "keyword": keyword_for_tag(int(tag, 16))}
        if len(copy.get("InlineBinary", "")) > _SHOWN:
            size = len(copy.pop("InlineBinary")) * 3 // 4
            copy["Value"] = [f"({size} bytes)"]
        if element["vr"] == "SQ" and "Value" in element:
            copy["Value"] = [_named(item) for item in element["Value"]]
        named[tag] = copy
    return named
