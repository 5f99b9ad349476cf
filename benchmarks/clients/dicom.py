"""A small DICOM writer and reader of its own.

It shares neither code (nor bugs) with a server built on pydicom, nor pays pydicom's cost. A data
set is a list of (tag, VR, value), a value being text, bytes, a number or, for SQ, data sets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.dataset import Item

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"

ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ_TYPE, RELEASE_RP_TYPE, ABORT = 2, 3, 4, 5, 6, 7
RELEASE_RQ = struct.pack(">BBLL", RELEASE_RQ_TYPE, 0, 4, 0)
RELEASE_RP = struct.pack(">BBLL", RELEASE_RP_TYPE, 0, 4, 0)

Element = tuple[int, str, Any]
Elements = Sequence[Element]

_LONG = frozenset({"OB", "SQ", "UN", "UT"})  # those of PS3.5 7.1.2 that are written here


def encode(dataset: Elements, *, explicit: bool = False) -> bytes:
    """Little endian, sequences of defined length, text as UTF-8 (PS3.5 7)."""
    out = []
    for tag, vr, value in sorted(dataset, key=lambda element: element[0]):
        raw = _value(vr, value, explicit)
        group, number = tag >> 16, tag & 0xFFFF
        if not explicit:
            out.append(struct.pack("<HHL", group, number, len(raw)))
        elif vr in _LONG:
            out.append(struct.pack("<HH2sHL", group, number, vr.encode(), 0, len(raw)))
        else:
            out.append(struct.pack("<HH2sH", group, number, vr.encode(), len(raw)))
        out.append(raw)
    return b"".join(out)


def _value(vr: str, value: Any, explicit: bool) -> bytes:
    if vr == "SQ":
        items = [encode(item, explicit=explicit) for item in value]
        return b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    if vr in {"US", "UL"}:
        return b"" if value == "" else struct.pack("<H" if vr == "US" else "<L", value)
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw + (b"\0" if vr in {"UI", "OB", "UN"} else b" ") * (len(raw) % 2)


def part10(dataset: Elements, sop_class: str, sop_instance: str) -> bytes:
    """A file as wlmscpfs and Orthanc read them (PS3.10 7.1)."""
    meta = encode(
        [
            (0x00020001, "OB", b"\0\1"),
            (0x00020002, "UI", sop_class),
            (0x00020003, "UI", sop_instance),
            (0x00020010, "UI", EXPLICIT),
            (0x00020012, "UI", "1.2.826.0.1.3680043.8.498.99"),
        ],
        explicit=True,
    )
    length = encode([(0x00020000, "UL", len(meta))], explicit=True)
    return b"\0" * 128 + b"DICM" + length + meta + encode(dataset, explicit=True)


# --- upper layer (PS3.8 9.3)


def associate_rq(calling: str, called: str, sop_class: str) -> bytes:
    """One presentation context with implicit VR little endian."""
    context = _item(0x30, sop_class.encode()) + _item(0x40, IMPLICIT.encode())
    user = (
        _item(0x51, struct.pack(">L", 65536))
        + _item(0x52, b"1.2.826.0.1.3680043.8.498.98")
        + _item(0x55, b"BENCH")
    )
    body = struct.pack(
        ">HH16s16s32s", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode(), b""
    )
    body += _item(0x10, b"1.2.840.10008.3.1.1.1")
    body += _item(0x20, struct.pack(">BBBB", 1, 0, 0, 0) + context)
    body += _item(0x50, user)
    return struct.pack(">BBL", 1, 0, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def is_accepted(pdu: bytes) -> bool:
    """Whether an A-ASSOCIATE-AC accepts the one context that was asked for."""
    at = 74
    while at + 4 <= len(pdu):
        kind, _, length = struct.unpack_from(">BBH", pdu, at)
        if kind == 0x21:
            return pdu[at + 6] == 0
        at += 4 + length
    return False


def message(fields: Elements, dataset: bytes) -> bytes:
    """A command and its data set, each in one PDU."""
    body = encode([*fields, (0x00000800, "US", 1)])
    command = encode([(0x00000000, "UL", len(body))]) + body
    return _data_pdu(3, command) + _data_pdu(2, dataset)


def _data_pdu(flags: int, raw: bytes) -> bytes:
    return struct.pack(">BBLLBB", P_DATA, 0, len(raw) + 6, len(raw) + 2, 1, flags) + raw


def find_rq(number: int, identifier: bytes) -> bytes:
    return message(
        [
            (0x00000002, "UI", WORKLIST_FIND),
            (0x00000100, "US", 0x0020),
            (0x00000110, "US", number),
            (0x00000700, "US", 0),
        ],
        identifier,
    )


def create_rq(number: int, uid: str, dataset: bytes) -> bytes:
    return message(
        [
            (0x00000002, "UI", MPPS),
            (0x00000100, "US", 0x0140),
            (0x00000110, "US", number),
            (0x00001000, "UI", uid),
        ],
        dataset,
    )


def set_rq(number: int, uid: str, dataset: bytes) -> bytes:
    return message(
        [
            (0x00000003, "UI", MPPS),
            (0x00000100, "US", 0x0120),
            (0x00000110, "US", number),
            (0x00001001, "UI", uid),
        ],
        dataset,
    )


_STATUS = struct.pack("<HHL", 0x0000, 0x0900, 2)


@dataclass(slots=True)
class Reader:
    """Splits what a server sends into PDUs; of P-DATA only the statuses of commands."""

    rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(PDU type, PDU) of each complete PDU."""
        self.rest += data
        found = []
        at, end = 0, len(self.rest)
        while end - at >= 6:
            length = int.from_bytes(self.rest[at + 2 : at + 6], "big")
            if end - at < 6 + length:
                break
            found.append((self.rest[at], bytes(self.rest[at : at + 6 + length])))
            at += 6 + length
        del self.rest[:at]
        return found


def statuses(pdu: bytes) -> Iterator[int]:
    """The status of each command in a P-DATA-TF; no server here splits a command."""
    at = 6
    while at < len(pdu):
        length = int.from_bytes(pdu[at : at + 4], "big")
        if pdu[at + 5] & 1:
            found = pdu.rfind(_STATUS, at + 6, at + 4 + length)
            yield int.from_bytes(pdu[found + 8 : found + 10], "little")
        at += 4 + length


# --- data sets


def worklist_file(item: Item) -> bytes:
    """An item as wlmscpfs and Orthanc store it."""
    code = _code(item)
    step: Elements = [
        (0x00080060, "CS", item.modality),
        (0x00400001, "AE", item.station),
        (0x00400002, "DA", item.day),
        (0x00400003, "TM", item.time),
        (0x00400006, "PN", item.performing),
        (0x00400007, "LO", item.meaning),
        (0x00400008, "SQ", [code]),
        (0x00400009, "SH", item.step_id),
        (0x00400010, "SH", item.station),
        (0x00400011, "SH", "ROOM1"),
        (0x00400012, "LO", ""),
        (0x00400020, "CS", "SCHEDULED"),
    ]
    return part10(
        [
            (0x00080005, "CS", "ISO_IR 192"),
            (0x00080050, "SH", item.accession),
            (0x00080090, "PN", item.referring),
            (0x00081110, "SQ", []),
            (0x00100010, "PN", item.name),
            (0x00100020, "LO", item.patient_id),
            (0x00100021, "LO", "BENCHHOSP"),
            (0x00100030, "DA", f"{item.birth:%Y%m%d}"),
            (0x00100040, "CS", item.sex),
            (0x00101030, "DS", str(item.weight)),
            (0x00102000, "LO", ""),
            (0x00102110, "LO", "No known allergies"),
            (0x001021C0, "US", 4),
            (0x0020000D, "UI", item.study_uid),
            (0x00321032, "PN", item.referring),
            (0x00321060, "LO", item.meaning),
            (0x00321064, "SQ", [code]),
            (0x00380010, "LO", item.visit),
            (0x00380300, "LO", item.ward),
            (0x00380500, "LO", ""),
            (0x00400100, "SQ", [step]),
            (0x00401001, "SH", item.procedure_id),
            (0x00401003, "SH", item.priority),
            (0x00401004, "LO", "WALK"),
            (0x00402016, "LO", item.placer),
            (0x00402017, "LO", item.filler),
        ],
        WORKLIST_FIND,
        f"{item.study_uid}.9",
    )


def _code(item: Item) -> Elements:
    return [
        (0x00080100, "SH", item.code),
        (0x00080102, "SH", "99BENCH"),
        (0x00080104, "LO", item.meaning),
    ]


def created(item: Item, performed_id: str) -> bytes:
    """The N-CREATE of a step that begins (PS3.4 F.7.2)."""
    code = _code(item)
    scheduled: Elements = [
        (0x00080050, "SH", item.accession),
        (0x00081110, "SQ", []),
        (0x0020000D, "UI", item.study_uid),
        (0x00321060, "LO", item.meaning),
        (0x00400007, "LO", item.meaning),
        (0x00400008, "SQ", [code]),
        (0x00400009, "SH", item.step_id),
        (0x00401001, "SH", item.procedure_id),
    ]
    return encode(
        [
            (0x00080005, "CS", "ISO_IR 192"),
            (0x00080060, "CS", item.modality),
            (0x00081032, "SQ", [code]),
            (0x00081120, "SQ", []),
            (0x00100010, "PN", item.name),
            (0x00100020, "LO", item.patient_id),
            (0x00100030, "DA", f"{item.birth:%Y%m%d}"),
            (0x00100040, "CS", item.sex),
            (0x00200010, "SH", item.procedure_id),
            (0x00400241, "AE", item.station),
            (0x00400242, "SH", item.station),
            (0x00400243, "SH", "ROOM1"),
            (0x00400244, "DA", item.day),
            (0x00400245, "TM", item.time),
            (0x00400250, "DA", ""),
            (0x00400251, "TM", ""),
            (0x00400252, "CS", "IN PROGRESS"),
            (0x00400253, "SH", performed_id),
            (0x00400254, "LO", item.meaning),
            (0x00400255, "LO", ""),
            (0x00400260, "SQ", [code]),
            (0x00400270, "SQ", [scheduled]),
            (0x00400340, "SQ", []),
        ]
    )


def completed(item: Item, uid: str) -> bytes:
    """The N-SET of a step that ends, with one series of one image."""
    image: Elements = [
        (0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        (0x00081155, "UI", f"{uid}.9"),
    ]
    series: Elements = [
        (0x00080054, "AE", "PACS"),
        (0x0008103E, "LO", "Series"),
        (0x00081050, "PN", "Dr^One"),
        (0x00081070, "PN", item.performing),
        (0x00081140, "SQ", [image]),
        (0x00181030, "LO", "Protocol"),
        (0x0020000E, "UI", f"{uid}.8"),
        (0x00400220, "SQ", []),
    ]
    return encode(
        [
            (0x00400250, "DA", item.day),
            (0x00400251, "TM", "235900"),
            (0x00400252, "CS", "COMPLETED"),
            (0x00400340, "SQ", [series]),
        ]
    )
