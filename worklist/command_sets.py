"""Command sets of the requests we send and of the responses to them (PS3.7 6.3.1, 9.3, 10.3).

Implicit VR Little Endian and flat, so they are written and read here directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct, error, unpack_from
from typing import Final

from worklist.dimse import CommandError

AFFECTED_SOP_CLASS_UID: Final = 0x0002
REQUESTED_SOP_CLASS_UID: Final = 0x0003
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
PRIORITY: Final = 0x0700
DATASET_TYPE: Final = 0x0800
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
EVENT_TYPE_ID: Final = 0x1002
ACTION_TYPE_ID: Final = 0x1008
_MESSAGE_ID_RESPONDED_TO: Final = 0x0120
_STATUS: Final = 0x0900
_ERROR_COMMENT: Final = 0x0902
_ERROR_ID: Final = 0x0903
_ATTRIBUTE_IDENTIFIER_LIST: Final = 0x1005
WITH_DATASET: Final = 0x0001
NO_DATASET: Final = 0x0101
_RESPONSE: Final = 0x8000

_ELEMENT = Struct("<HHL")
_TAG = Struct("<HH")


@dataclass(frozen=True, slots=True)
class Response:
    """A response's command set (PS3.7 9.3, 10.3)."""

    status: int
    comment: str = ""
    error_id: int | None = None
    attributes: tuple[int, ...] = ()


def command_set(fields: Mapping[int, int | str]) -> bytes:
    """A command set; numbers are US, texts UIDs, which is all that requests of ours hold."""
    parts: list[bytes] = []
    for element, value in sorted(fields.items()):
        if isinstance(value, int):
            data = value.to_bytes(2, "little")
        else:
            data = value.encode("ascii")
            data += b"\0" * (len(data) % 2)
        parts += (_ELEMENT.pack(0, element, len(data)), data)
    body = b"".join(parts)
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _elements(raw: bytes | bytearray) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while place < len(raw):
        try:
            group, element, length = _ELEMENT.unpack_from(raw, place)
        except error:
            raise CommandError("the answer ends inside an element") from None
        place += _ELEMENT.size
        if group or length > len(raw) - place:
            raise CommandError("the answer is no command set")
        found[element] = bytes(raw[place : place + length])
        place += length
    return found


def _number(value: bytes) -> int:
    number: int = unpack_from("<H", value)[0]
    return number


def has_dataset(raw: bytes | bytearray) -> bool:
    value = _elements(raw).get(DATASET_TYPE, b"")
    return len(value) >= 2 and _number(value) != NO_DATASET


def read_response(raw: bytes) -> tuple[Response, int]:
    """The response and the message it answers."""
    elements = _elements(raw)
    try:
        if not _number(elements[COMMAND_FIELD]) & _RESPONSE:
            raise CommandError("the peer asked something instead of answering")
        answered = _number(elements[_MESSAGE_ID_RESPONDED_TO])
        status = _number(elements[_STATUS])
        error_id = _number(elements[_ERROR_ID]) if elements.get(_ERROR_ID) else None
    except (KeyError, error):
        raise CommandError("the answer lacks a field that every one has") from None
    listed = elements.get(_ATTRIBUTE_IDENTIFIER_LIST, b"")
    whole = listed[: len(listed) // 4 * 4]
    return (
        Response(
            status,
            elements.get(_ERROR_COMMENT, b"").decode("latin-1").strip(" \0"),
            error_id,
            tuple(group << 16 | number for group, number in _TAG.iter_unpack(whole)),
        ),
        answered,
    )
