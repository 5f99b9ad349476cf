"""Batches and files of messages: FHS [BHS {messages} BTS] FTS (HL7 v2.5.1 2.10.3, 2.15.2-2.15.7).

A batch is taken apart on the bytes, because each of its messages says in its own MSH-18 what they
mean; one in UTF-16 or UTF-32 is read first, and its messages go on in the same. Every message is
then a message like any other: stored, applied and answered by itself, so one that is wrong does not
stop the rest. The answers go back as a batch of the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integration.hl7 import times

_BOM = b"\xef\xbb\xbf"
_LINES = re.compile(rb"[\r\n]+")
_BEGINNING = re.compile(rb"(?:^|[\r\n])(?:\xef\xbb\xbf)?MSH[^\sA-Za-z0-9]")
_WIDE_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
# Without a mark the zero bytes of the first letter tell.
_WIDE = re.compile(
    rb"(?P<utf_32_be>\0\0\0[BFM])|(?P<utf_32_le>[BFM]\0\0\0)"
    rb"|(?P<utf_16_be>\0[BFM]\0)|(?P<utf_16_le>[BFM]\0[^\0]\0)"
)
_LONGEST_BEGINNING = 64
_OWN_ID = 11  # FHS-11 and BHS-11, which the answer refers to in field 12


@dataclass(slots=True)
class Group:
    """What stands between BHS and BTS, or without them within a file."""

    header: bytes = b""
    messages: list[bytes] = field(default_factory=list)
    stray: bytes = b""  # what belongs to no message
    announced: str | None = None  # BTS-1


@dataclass(slots=True)
class Batch:
    """A file or a single batch; ``header`` is FHS if there is one."""

    header: bytes = b""
    groups: list[Group] = field(default_factory=list)
    announced: str | None = None  # FTS-1

    @property
    def is_file(self) -> bool:
        return bool(self.header)


def is_batch(frame: bytes) -> bool:
    """Whether this is an envelope and not a message."""
    content, *_ = _narrowed(frame, _LONGEST_BEGINNING)
    return content.removeprefix(_BOM).lstrip(b"\r\n")[:3] in {b"FHS", b"BHS"}


def holds_several(content: bytes) -> bool:
    """Whether a file without an envelope holds more than one message."""
    found = _BEGINNING.finditer(_narrowed(content)[0])
    return next(found, None) is not None and next(found, None) is not None


def _narrowed(content: bytes, most: int | None = None) -> tuple[bytes, bytes, str]:
    """The bytes in UTF-8, and the mark and encoding they came in; as they are if not to be read."""
    if b"\0" not in content[:4] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return content[:most], b"", ""
    mark, codec = next((each for each in _WIDE_MARKS if content.startswith(each[0])), (b"", ""))
    if not codec:
        found = _WIDE.match(content)
        codec = found.lastgroup.replace("_", "-") if found and found.lastgroup else ""
    try:
        cut = "strict" if most is None else "ignore"
        text = content[len(mark) : most].decode(codec, cut) if codec else ""
    except UnicodeDecodeError:
        text = ""
    return (text.encode(), mark, codec) if text else (content[:most], b"", "")


def take_apart(frame: bytes) -> Batch:
    """The groups and messages of an envelope, in order; nothing of it is lost.

    The trailers may be missing, as they often are; then nothing was announced.
    """
    batch = Batch()
    group: Group | None = None
    message: list[bytes] = []
    content, mark, codec = _narrowed(frame)

    def ended() -> None:
        if message and group is not None:
            whole = b"\r".join(message) + b"\r"
            group.messages.append(mark + whole.decode().encode(codec) if codec else whole)
        message.clear()

    for told in _LINES.split(content):
        line = told.removeprefix(_BOM)  # in the middle, where files were joined
        name = line[:3]
        if name == b"FHS" and not batch.groups and not batch.header:
            batch.header = line
        elif name == b"BHS":
            ended()
            group = Group(header=line)
            batch.groups.append(group)
        elif name == b"BTS":
            ended()
            if group is not None:
                group.announced = _field(line, group.header or batch.header, 1)
            group = None
        elif name == b"FTS":
            ended()
            batch.announced = _field(line, batch.header, 1)
            group = None
        elif line:
            if group is None:
                group = Group()
                batch.groups.append(group)
            if name == b"MSH":
                ended()
                message.append(line)
            elif message:
                message.append(line)
            else:
                group.stray += line + b"\r"
    ended()
    return batch


def differences(batch: Batch) -> list[str]:
    """Where the numbers that were announced are not what came, one entry for each group."""
    return [_difference(group.announced, len(group.messages), "messages") for group in batch.groups]


def file_difference(batch: Batch) -> str:
    """The same of FTS-1; empty if it is right or absent."""
    return _difference(batch.announced, len(batch.groups), "batches")


def _difference(announced: str | None, found: int, what: str) -> str:
    if not announced or (announced.isdecimal() and int(announced) == found):
        return ""
    return f"{announced[:10]} {what} announced, {found} came"


def answer(
    batch: Batch, answers: Sequence[Sequence[bytes]], *, control_id: str, at: datetime
) -> bytes:
    """The answers of each group's messages in an envelope of the same shape."""
    stamp = times.write_utc(at).encode("ascii")
    own = control_id.encode("ascii")
    parts: list[bytes] = []
    if batch.is_file:
        parts.append(_returned(batch.header, stamp, own))
    for number, (group, told, wrong) in enumerate(
        zip(batch.groups, answers, differences(batch), strict=True), start=1
    ):
        separator = _separator(group.header or batch.header)
        if group.header:
            parts.append(_returned(group.header, stamp, own + b".%d" % number))
        parts += [one.rstrip(b"\r") for one in told]
        if group.header:
            if group.stray:
                wrong = "; ".join(filter(None, (wrong, "text outside of any message")))
            parts.append(_trailer(b"BTS", separator, len(told), wrong))
    if batch.is_file:
        separator = _separator(batch.header)
        parts.append(_trailer(b"FTS", separator, len(batch.groups), file_difference(batch)))
    return b"".join(part + b"\r" for part in parts)


def _separator(header: bytes) -> bytes:
    return header[3:4] or b"|"


def _field(line: bytes, header: bytes, number: int) -> str:
    fields = line.split(line[3:4] or _separator(header))
    return fields[number].decode("ascii", "replace").strip() if number < len(fields) else ""


def _returned(header: bytes, stamp: bytes, own: bytes) -> bytes:
    """FHS or BHS of an answer: sender and receiver changed over, referring to what came."""
    separator = _separator(header)
    fields = header.split(separator)
    fields += [b""] * (_OWN_ID + 1 - len(fields))
    # Counted as in MSH: the separator is field 1, so the piece at index n is field n + 1.
    name, delimiters, application, facility, our_application, our_facility = fields[:6]
    their_id = fields[_OWN_ID - 1]
    answered = [
        name, delimiters, our_application, our_facility, application, facility, stamp,
        b"", b"", b"", own, their_id,
    ]  # fmt: skip
    return separator.join(answered).rstrip(separator)


def _trailer(name: bytes, separator: bytes, count: int, comment: str) -> bytes:
    pieces = [name, b"%d" % count]
    if comment:
        pieces.append(comment.encode("ascii", "replace"))
    return separator.join(pieces)
