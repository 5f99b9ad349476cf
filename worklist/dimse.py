"""DIMSE messages as bytes: command sets in, response frames out (PS3.7 6.3, 9.3, 10.3).

The command set is always Implicit VR Little Endian and flat, so it is read and written here
directly: a C-FIND with many answers would spend most of its time in a general codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct, error, pack, unpack_from
from typing import Final

from worklist.pdu import data_frames
from worklist.service import Outcome
from worklist.sop_classes import Operation

RESPONSE: Final = 0x8000
C_CANCEL: Final = 0x0FFF
NO_DATASET: Final = 0x0101
_WITH_DATASET: Final = 0x0001

_HEADER = Struct("<HHL")
_US_ELEMENT = Struct("<HHLH")
_US = Struct("<H")

_AFFECTED_SOP_CLASS_UID: Final = 0x0002
_REQUESTED_SOP_CLASS_UID: Final = 0x0003
_COMMAND_FIELD: Final = 0x0100
_MESSAGE_ID: Final = 0x0110
_MESSAGE_ID_RESPONDED_TO: Final = 0x0120
_DATASET_TYPE: Final = 0x0800
_STATUS: Final = 0x0900
_OFFENDING_ELEMENT: Final = 0x0901
_ERROR_COMMENT: Final = 0x0902
_ERROR_ID: Final = 0x0903
_AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
_REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
_EVENT_TYPE_ID: Final = 0x1002
_ATTRIBUTE_IDENTIFIER_LIST: Final = 0x1005

_COMMENT_LIMIT: Final = 64  # VR LO


class CommandError(Exception):
    """The command set cannot be read, so there is nothing to answer to."""


@dataclass(frozen=True, slots=True)
class Command:
    """A request's command set; a C-CANCEL names the request it means as ``message_id``."""

    field: int
    message_id: int
    has_dataset: bool
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    attribute_identifiers: tuple[int, ...] = ()
    event_type: int = 0


def read_command(raw: bytes) -> Command:
    """Read a command set; the group length is not trusted and not needed."""
    elements: dict[int, bytes] = {}
    pos, end = 0, len(raw)
    while pos < end:
        if end - pos < 8:
            raise CommandError("the command set ends inside an element")
        group, element, length = _HEADER.unpack_from(raw, pos)
        pos += 8
        if group != 0x0000:
            raise CommandError("the command set holds an element of another group")
        if length > end - pos:
            raise CommandError("a command element is longer than the command set")
        elements[element] = raw[pos : pos + length]
        pos += length
    try:
        field = _number(elements[_COMMAND_FIELD])
        is_reply = field == C_CANCEL or field & RESPONSE
        message_id = _number(elements[_MESSAGE_ID_RESPONDED_TO if is_reply else _MESSAGE_ID])
        has_dataset = _number(elements[_DATASET_TYPE]) != NO_DATASET
        event_type = _number(elements[_EVENT_TYPE_ID]) if _EVENT_TYPE_ID in elements else 0
    except (KeyError, error):
        raise CommandError("the command set lacks a field that every message has") from None
    return Command(
        field,
        message_id,
        has_dataset,
        _uid(elements, _AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID),
        _uid(elements, _AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID),
        _tags(elements.get(_ATTRIBUTE_IDENTIFIER_LIST, b"")),
        event_type,
    )


def _number(value: bytes) -> int:
    number: int = unpack_from("<H", value)[0]
    return number


def _uid(elements: dict[int, bytes], affected: int, requested: int) -> str:
    value = elements.get(affected) or elements.get(requested) or b""
    try:
        return value.rstrip(b"\0 ").decode("ascii")
    except UnicodeDecodeError:
        raise CommandError("a UID in the command set is not ASCII") from None


def _tags(value: bytes) -> tuple[int, ...]:
    if len(value) % 4:
        raise CommandError("an attribute identifier list is not a list of tags")
    return tuple(group << 16 | element for group, element in Struct("<HH").iter_unpack(value))


@dataclass(frozen=True, slots=True)
class Reply:
    """How responses to one request are coded: its identity and the peer's PDU size."""

    context_id: int
    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    fragment: int

    def pending(self, status: int) -> bytes:
        """The command of one C-FIND match, framed; the identifier's frames follow it."""
        return data_frames(
            self.context_id,
            self._command(status, b"", has_dataset=True),
            self.fragment,
            command=True,
        )

    def final(self, outcome: Outcome) -> bytes:
        """The last response, framed, with its Attribute List if the service has one."""
        normalized = self.field >= Operation.N_EVENT_REPORT
        dataset = outcome.dataset if normalized else b""
        named = normalized or self.field == Operation.C_STORE
        uid = (outcome.sop_instance_uid or self.sop_instance_uid) if named else ""
        fields = _explanation(outcome, normalized=normalized)
        if uid:
            fields += _text(_AFFECTED_SOP_INSTANCE_UID, uid, b"\0")
        if normalized and outcome.attribute_identifiers:
            fields += _tag_list(_ATTRIBUTE_IDENTIFIER_LIST, outcome.attribute_identifiers)
        command = self._command(outcome.status, fields, has_dataset=bool(dataset))
        frames = data_frames(self.context_id, command, self.fragment, command=True)
        if dataset:
            frames += data_frames(self.context_id, dataset, self.fragment, command=False)
        return frames

    def _command(self, status: int, fields: bytes, *, has_dataset: bool) -> bytes:
        before, after = _response(self.sop_class_uid, self.field, status, fields, has_dataset)
        return before + _US.pack(self.message_id) + after


@lru_cache(maxsize=512)
def _response(
    sop_class_uid: str, field: int, status: int, fields: bytes, has_dataset: bool
) -> tuple[bytes, bytes]:
    """A response command set, before and after the number of the request it answers."""
    before = _text(_AFFECTED_SOP_CLASS_UID, sop_class_uid, b"\0")
    before += _US_ELEMENT.pack(0, _COMMAND_FIELD, 2, field | RESPONSE)
    before += _HEADER.pack(0, _MESSAGE_ID_RESPONDED_TO, 2)
    after = _US_ELEMENT.pack(0, _DATASET_TYPE, 2, _WITH_DATASET if has_dataset else NO_DATASET)
    after += _US_ELEMENT.pack(0, _STATUS, 2, status)
    after += fields
    length = pack("<HHLL", 0, 0, 4, len(before) + _US.size + len(after))
    return length + before, after


def _explanation(outcome: Outcome, *, normalized: bool) -> bytes:
    """Offending Element, Error Comment and Error ID, in the order of their tags."""
    fields = b""
    if outcome.offending_elements and not normalized:
        fields += _tag_list(_OFFENDING_ELEMENT, outcome.offending_elements)
    if outcome.comment:
        fields += _text(_ERROR_COMMENT, _plain(outcome.comment), b" ")
    if outcome.error_id is not None and normalized:
        fields += _US_ELEMENT.pack(0, _ERROR_ID, 2, outcome.error_id)
    return fields


def _plain(comment: str) -> str:
    """A comment as it may stand in a command set: one value, default repertoire, 64 characters."""
    text = "".join(
        char if char.isascii() and char.isprintable() and char != "\\" else "?" for char in comment
    )
    return text[:_COMMENT_LIMIT].rstrip()


def _text(element: int, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += padding
    return _HEADER.pack(0, element, len(value)) + value


def _tag_list(element: int, tags: tuple[int, ...]) -> bytes:
    value = b"".join(pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    return _HEADER.pack(0, element, len(value)) + value
