"""An MPPS message as it is stored: a DICOM file (PS3.10 7), so that it explains itself.

The dataset stays to the byte. The file meta information says which object, class and transfer
syntax it is in, who sent it, and by our private element which operation it was; with that it can be
applied again years later, and any DICOM tool can show it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ris.domain.errors import InvalidValueError
from worklist.config import IMPLEMENTATION_CLASS_UID
from worklist.elements import Texts, read
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN

_PREAMBLE = b"\0" * 128 + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")
_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHI")


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What a stored message was."""

    operation: str  # "N-CREATE" or "N-SET"
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    ae_title: str
    dataset: bytes

    def pack(self) -> bytes:
        meta = b"".join(
            (
                _LONG.pack(2, 0x0001, b"OB", 0, 2) + b"\0\1",
                _uid(0x0002, self.sop_class_uid),
                _uid(0x0003, self.sop_instance_uid),
                _uid(0x0010, self.transfer_syntax),
                _uid(0x0012, IMPLEMENTATION_CLASS_UID),
                _text(0x0016, b"AE", self.ae_title, b" "),
                _uid(0x0100, IMPLEMENTATION_CLASS_UID),
                _private(self.operation),
            )
        )
        return _PREAMBLE + _GROUP_LENGTH.pack(2, 0, b"UL", 4, len(meta)) + meta + self.dataset

    @classmethod
    def unpack(cls, raw: bytes) -> StoredRequest:
        """Raises InvalidValueError if this is no message stored by :meth:`pack`."""
        start = len(_PREAMBLE) + _GROUP_LENGTH.size
        if not raw.startswith(_PREAMBLE) or len(raw) < start:
            raise InvalidValueError("not a stored DICOM message")
        length = _GROUP_LENGTH.unpack_from(raw, len(_PREAMBLE))[-1]
        meta = Texts.of(read(raw[start : start + length], EXPLICIT_VR_LITTLE_ENDIAN))
        return cls(
            operation=meta.text("PrivateInformation"),
            sop_class_uid=meta.text("MediaStorageSOPClassUID"),
            sop_instance_uid=meta.text("MediaStorageSOPInstanceUID"),
            transfer_syntax=meta.text("TransferSyntaxUID"),
            ae_title=meta.text("SourceApplicationEntityTitle"),
            dataset=raw[start + length :],
        )


def _uid(element: int, value: str) -> bytes:
    return _text(element, b"UI", value, b"\0")


def _text(element: int, vr: bytes, value: str, padding: bytes) -> bytes:
    data = value.encode("ascii", "replace")
    data += padding * (len(data) % 2)
    return _SHORT.pack(2, element, vr, len(data)) + data


def _private(value: str) -> bytes:
    data = value.encode("ascii")
    data += b"\0" * (len(data) % 2)
    return _LONG.pack(2, 0x0102, b"OB", 0, len(data)) + data
