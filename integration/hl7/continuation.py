"""Messages in parts: MSH-14, DSC and ADD (HL7 v2.5.1 2.10.2, 2.15.1, 2.15.4).

A part ends with DSC, whose pointer the next part repeats in MSH-14. A segment that is cut goes on
in the ADD segment with which the next part begins. Parts are joined as bytes, because each says in
its own MSH-18 what they mean; no byte of a segment's name or of a line end occurs inside of a
character of the sets that may hold them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from integration.hl7.er7 import Header
from integration.hl7.er7_decode import is_wide, unwrap
from integration.hl7.places import placed
from ris.domain.errors import InvalidValueError, UnknownKeyError, UnsupportedError
from ris.services.parts import before

MAX_PARTS = 1_000
_LINES = re.compile(rb"[\r\n]+")
_LONGEST_POINTER = 180  # ST of DSC-1 and MSH-14
_LONGEST_LINE = 4_096


@dataclass(frozen=True, slots=True)
class Part:
    """How a message stands to others: what it goes on from, and what goes on from it."""

    previous: str = ""  # MSH-14
    pointer: str = ""  # DSC-1

    @property
    def is_whole(self) -> bool:
        return not (self.previous or self.pointer)


WHOLE = Part()


def part_of(raw: bytes, header: Header) -> Part:
    """Whether a message is a part; raises RisError for one that cannot be joined."""
    # By its raw text: pointers are compared, and nothing in them is to be unescaped.
    previous = header.raw_field(14).strip()
    data = unwrap(raw)
    if is_wide(data):
        if previous:
            raise UnsupportedError("parts in UTF-16 or UTF-32 are not joined", path="MSH-14")
        return WHOLE
    if not header.delimiters.field.isascii():
        return WHOLE  # the reader refuses it
    separator = header.delimiters.field.encode("ascii")
    line = _last_line(data)
    pointer = ""
    if line[:4] == b"DSC" + separator:
        fields = [field.decode("latin-1").strip() for field in line.split(separator)]
        pointer = fields[1]
        if len(fields) > 2 and fields[2] == "I":
            raise UnsupportedError("answers in parts (DSC-2 I) are not served", path="DSC-2")
    for place, text in (("MSH-14", previous), ("DSC-1", pointer)):
        if len(text) > _LONGEST_POINTER or "\x00" in text:
            raise InvalidValueError("no usable continuation pointer", path=place)
    if previous and previous == pointer:
        raise InvalidValueError("the part would go on from itself", path="DSC-1")
    return Part(previous, pointer) if previous or pointer else WHOLE


def join(parts: Sequence[bytes]) -> bytes:
    """One message of its parts, in order: the header of the first, the segments of all."""
    whole: list[bytes] = []
    for number, part in enumerate(parts):
        data = unwrap(part)
        separator = data[3:4]
        lines = [line for line in _LINES.split(data) if line]
        for position, line in enumerate(lines):
            if position == 0 and number:
                continue
            if position == len(lines) - 1 and line[:4] == b"DSC" + separator:
                continue
            if line[:4] == b"ADD" + separator or line == b"ADD":
                whole[-1] += line[4:]
            else:
                whole.append(line)
    return b"\r".join((*whole, b""))


def earlier(sender: str, part: Part, *, in_time: bool) -> tuple[list[bytes], list[str]]:
    """The parts that came before this one, and the messages they came in (public ids)."""
    try:
        return before(sender, part.previous, most=MAX_PARTS, in_time=in_time)
    except UnknownKeyError as error:
        raise placed(error) from None


def _last_line(data: bytes) -> bytes:
    """The last line if it can be a DSC, without looking at all that comes before it."""
    return _LINES.split(data[-_LONGEST_LINE:].rstrip(b"\r\n"))[-1]
