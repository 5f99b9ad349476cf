"""Answers of N-GET from what is stored of a performed step (PS3.4 F.8.2)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from worklist import charset, dicom_json
from worklist.charset import CharacterSet
from worklist.elements import LONG_VRS, SPECIFIC_CHARACTER_SET, Elements, vr_of
from worklist.mpps_attributes import KNOWN
from worklist.mwl import write
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_PERFORMED_PROCEDURE_STEP,
)

# What pydicom does not write as the standard says.
_UNWRITABLE = frozenset({"ISO_IR 13", "ISO_IR 203", "ISO 2022 IR 58"})
_SOP_CLASS_UID = "00080016"
_SOP_INSTANCE_UID = "00080018"


def with_identity(data: Mapping[str, Any], uid: str) -> dict[str, Any]:
    """The dataset with its SOP Common module."""
    return {
        _SOP_CLASS_UID: {"vr": "UI", "Value": [MODALITY_PERFORMED_PROCEDURE_STEP]},
        _SOP_INSTANCE_UID: {"vr": "UI", "Value": [uid]},
        **data,
    }


def select(data: Mapping[str, Any], tags: Sequence[int]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The attributes asked for, all if none are named; and those that are not supported.

    An attribute of the class that was never sent comes back empty.
    """
    if not tags:
        return dict(data), ()
    chosen: dict[str, Any] = {}
    unknown = []
    for tag in tags:
        key = f"{tag:08X}"
        if key in data:
            chosen[key] = data[key]
        elif tag in KNOWN and tag != SPECIFIC_CHARACTER_SET:
            chosen[key] = {"vr": vr_of(tag)}
        elif tag != SPECIFIC_CHARACTER_SET:
            unknown.append(tag)
    return chosen, tuple(unknown)


def encode(data: Mapping[str, Any], transfer_syntax: str, among: Sequence[CharacterSet]) -> bytes:
    """Encode in the first set that holds all of it and that pydicom can write."""
    possible = [one for one in among if not _UNWRITABLE.intersection(one.terms)]
    chosen = charset.choose(dicom_json.texts_in(data), possible)
    dataset = dicom_json.to_dataset(data)
    if chosen.terms:
        dataset.add_new(SPECIFIC_CHARACTER_SET, "CS", list(chosen.terms))
    return write(
        dataset,
        explicit=transfer_syntax != IMPLICIT_VR_LITTLE_ENDIAN,
        little_endian=transfer_syntax != EXPLICIT_VR_BIG_ENDIAN,
    )


def write_elements(elements: Elements, transfer_syntax: str) -> bytes:
    """Elements as they came, without sequences."""
    order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    parts = []
    for tag, element in sorted(elements.items()):
        head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        length = len(element.value)
        if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
            head += struct.pack("<I", length)
        elif element.vr.encode("latin-1") in LONG_VRS:
            head += element.vr.encode("latin-1") + struct.pack(f"{order}HI", 0, length)
        else:
            head += element.vr.encode("latin-1") + struct.pack(f"{order}H", length)
        parts.append(head + element.value)
    return b"".join(parts)
