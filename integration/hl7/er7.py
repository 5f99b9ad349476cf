"""HL7 v2 messages in their ER7 form ("pipes and hats"): a tolerant reader (HL7 v2.5.1 chapter 2).

Reading splits only what is asked for. A value is asked for by path, ``PID-3[2].4.2``: segment,
field, repetition, component, subcomponent; ``OBX[3]-5`` is the third OBX. What a path leaves out
is the first: ``PID-3`` is ``PID-3[1].1.1``, which is how a reader of a simple type must take a
composite one (2.11.6).

=====================  ==================  ===================================
on the wire            ``get()`` answers   meaning (HL7 v2.5.1 2.10.1)
=====================  ==================  ===================================
absent or empty        ``None``            nothing said: leave what is stored
``""``                 ``""``              delete what is stored
anything else          the text, unescaped
=====================  ==================  ===================================

A deleted field or component answers ``""`` for every part of it. Free text, where delimiters may
stand unescaped and ``~`` means a new line, is read with :meth:`Group.text`.

Tolerated: LF and CRLF as segment ends, blank segments, a byte order mark, three to five encoding
characters, unknown segments, segments beyond the known version, line breaks inside of text, NUL
characters behind the last segment.
Refused with InvalidValueError: bytes that the character set does not have (nothing is replaced),
no MSH in front, unusable delimiters, other NUL characters, more than MAX_SEGMENTS, MAX_FIELDS or
MAX_REPETITIONS.
Only RisError leaves this module, whatever the bytes.

Bytes become text in :mod:`.er7_decode`; one segment is in :mod:`.er7_segment`, writing in
:mod:`.er7_writer`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from integration.hl7.charset import Charset
from integration.hl7.er7_decode import (
    LINE_END,
    declared_charset,
    first_line,
    place_after,
    read_delimiters,
    unwrap,
)
from integration.hl7.er7_segment import MAX_FIELDS, Repetition, Segment
from integration.hl7.escapes import STANDARD
from integration.hl7.paths import parse_path
from ris.domain.errors import InvalidValueError, MissingValueError

MAX_BYTES = 16 * 1024 * 1024
MAX_SEGMENTS = 5_000
_MAX_LINES = 250_000  # 16 MB of Base64 in lines of 76 characters are some 220,000


class Group:
    """Segments in order: a whole message or a part of one."""

    __slots__ = ("_index", "_message", "_named", "_positions")

    def __init__(self, message: Message, positions: Sequence[int]) -> None:
        self._message = message
        self._positions = positions
        self._index: dict[str, list[int]] | None = None
        self._named: dict[str, list[Segment]] = {}

    def _at(self, name: str) -> list[int]:
        """Positions of the segments of this name."""
        index = self._index
        if index is None:
            index = {}
            names = self._message.names
            for position in self._positions:
                index.setdefault(names[position], []).append(position)
            self._index = index
        return index.get(name, [])

    def _all(self, name: str) -> list[Segment]:
        """The segments of this name."""
        found = self._named.get(name)
        if found is None:
            segment = self._message.segment
            found = self._named[name] = [segment(position) for position in self._at(name)]
        return found

    def get(self, path: str) -> str | None:
        """The value at ``PID-5.1``; None if absent, ``""`` if the sender wants it deleted."""
        name, occurrence, number, repetition, component, subcomponent = parse_path(path)
        found = self._named.get(name)
        if found is None:
            found = self._all(name)
        if occurrence > len(found):
            return None
        return found[occurrence - 1].value(number, repetition, component, subcomponent)

    def require(self, path: str) -> str:
        """As ``get``, but absent, empty and deleted values raise MissingValueError."""
        value = self.get(path)
        if not value:
            segment = self._segment_of(path)
            place = segment.at(path.partition("-")[2]) if segment else path
            raise MissingValueError(f"{path} is required", path=place)
        return value

    def repeats(self, path: str) -> list[Repetition]:
        """The repetitions of ``PID-3`` that say anything, deletions included."""
        segment = self._segment_of(path)
        return segment.repeats(path.partition("-")[2]) if segment else []

    def text(self, path: str) -> str | None:
        """``NTE-3`` or ``OBX[2]-5`` as free text: delimiters kept, ``~`` as a new line."""
        segment = self._segment_of(path)
        return segment.text(path.partition("-")[2]) if segment else None

    def segments(self, *names: str) -> list[Segment]:
        """All segments, or those of these names, in order."""
        if len(names) == 1:
            return list(self._all(names[0]))
        wanted = sorted(p for n in names for p in self._at(n)) if names else self._positions
        return [self._message.segment(position) for position in wanted]

    def first(self, name: str) -> Segment | None:
        found = self._all(name)
        return found[0] if found else None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._at(name))

    def __len__(self) -> int:
        return len(self._positions)

    def groups(self, *starts: str) -> Iterator[Group]:
        """Each segment named in ``starts`` with what follows it, up to the next one.

        Outermost name first: ``groups("ORC", "OBR")`` keeps the first OBR with its ORC, and gives
        an OBR of its own group where an ORC is missing (ORU^R01) or a second OBR follows.
        Segments before the first start belong to no group.
        """
        names = self._message.names
        current: list[int] = []
        depth = -1  # index in ``starts`` of the innermost name seen in this group
        for position in self._positions:
            name = names[position]
            if name in starts:
                level = starts.index(name)
                if level <= depth or not current:
                    if current:
                        yield Group(self._message, current)
                    current = []
                depth = level
            if depth >= 0:
                current.append(position)
        if current:
            yield Group(self._message, current)

    def _segment_of(self, path: str) -> Segment | None:
        parsed = parse_path(path)
        found = self._all(parsed.segment)
        return found[parsed.occurrence - 1] if parsed.occurrence <= len(found) else None


_ONLY_EVENTS = {"ORM": "O01", "ORR": "O02", "ORU": "R01"}


class Header(Segment):
    """MSH, which can be read even if the rest of the message cannot."""

    __slots__ = ()

    def _text(self, path: str) -> str:
        return self.get(path) or ""

    def raw_field(self, number: int) -> str:
        """A field as it was sent, still escaped."""
        return self.fields[number] if number < len(self.fields) else ""

    @property
    def sending_application(self) -> str:
        return self._text("3")

    @property
    def sending_facility(self) -> str:
        return self._text("4")

    @property
    def code(self) -> str:
        """MSH-9.1: ORM, ADT, …"""
        return self._text("9.1")

    @property
    def trigger(self) -> str:
        """MSH-9.2: O01, A08, …; of a type with one event it may be left out, as before 2.2."""
        return self._text("9.2") or _ONLY_EVENTS.get(self.code, "")

    @property
    def structure(self) -> str:
        """MSH-9.3 if sent: ORM_O01, ADT_A01, …"""
        return self._text("9.3")

    @property
    def control_id(self) -> str:
        """MSH-10 as it was sent: it is echoed and compared byte for byte."""
        return self.raw_field(10)

    @property
    def processing_id(self) -> str:
        """MSH-11: P, T or D."""
        return self._text("11")

    @property
    def version(self) -> str:
        """MSH-12.1: 2.3.1, 2.5.1, …"""
        return self._text("12")

    @classmethod
    def read(cls, raw: bytes, default_charset: str = "ASCII") -> Header | None:
        """MSH of a message that may be broken elsewhere; None if there is none to read.

        If the header does not fit its own character set, it is taken byte by byte (Latin-1), so
        that what is echoed is what was sent.
        """
        data = unwrap(raw)
        try:
            charset: Charset | None = declared_charset(data, default_charset)
        except InvalidValueError:
            charset = None
        line = first_line(data)
        text = ""
        if charset is not None:
            try:
                text = charset.decode(line)
            except InvalidValueError:
                charset = None
        if charset is None:
            text = line.decode("latin-1")
        text = LINE_END.split(text.lstrip("\ufeff \t\r\n"), maxsplit=1)[0]
        if not text.startswith("MSH") or len(text) < 8:
            return None
        try:
            delimiters = read_delimiters(text)
        except InvalidValueError:
            if text[3].isalnum() or text[3].isspace():
                return None
            delimiters = STANDARD._replace(field=text[3])
        # All that an answer needs, however many fields the line claims to have.
        fields = text.split(delimiters.field, MAX_FIELDS)[:MAX_FIELDS]
        return cls(delimiters.field.join(fields), delimiters, charset)


class Message(Group):
    """A message as received; ``raw`` keeps its bytes, ``notes`` says what was tolerated."""

    __slots__ = ("_lines", "_segments", "charset", "delimiters", "header", "names", "notes", "raw")

    def __init__(self, raw: bytes, text: str, charset: Charset) -> None:
        self.raw = raw
        self.charset = charset
        self.notes: list[str] = []
        self.delimiters = read_delimiters(text)
        if "\n" in text:
            text = text.replace("\r\n", "\r").replace("\n", "\r")
        self._lines, self.names = self._read_lines(text)
        self.header = Header(self._lines[0], self.delimiters, charset)
        self._segments: list[Segment | None] = [self.header, *(None,) * (len(self._lines) - 1)]
        super().__init__(self, range(len(self._lines)))
        self.header.split()

    @classmethod
    def from_bytes(cls, raw: bytes, *, default_charset: str = "ASCII") -> Message:
        """Read a message; raises InvalidValueError with the path of what cannot be read.

        ``default_charset`` is in force where MSH-18 is empty.
        """
        if len(raw) > MAX_BYTES:
            raise InvalidValueError(f"the message is longer than {MAX_BYTES} bytes", path="MSH")
        data = unwrap(raw)
        if not data.strip():
            raise InvalidValueError("the message is empty", path="MSH")
        charset = declared_charset(data, default_charset)
        try:
            text = charset.decode(data)
        except InvalidValueError as error:
            offset = error.details["offset"] + len(raw) - len(data)
            raise InvalidValueError(
                f"byte {offset} (0x{raw[offset]:02X}) is not {charset.label}",
                path=place_after(raw[:offset].decode("latin-1")),
                details={"offset": offset, "charset": charset.label},
            ) from None
        if not text.startswith("MSH"):
            text = text.lstrip("\ufeff \t\r\n")
            if not text.startswith("MSH"):
                raise InvalidValueError("the message does not start with MSH", path="MSH")
        if "\x00" in text:
            text = text.rstrip("\x00 \t\r\n")  # what a buffer of fixed length is filled up with
        if "\x00" in text:
            before = text.partition("\x00")[0]
            raise InvalidValueError("the message holds a NUL character", path=place_after(before))
        return cls(raw, text, charset)

    def segment(self, position: int) -> Segment:
        """The segment at a position in the message, counted from 0."""
        segment = self._segments[position]
        if segment is None:
            alike = self._at(self.names[position])
            occurrence = bisect_left(alike, position) + 1 if len(alike) > 1 else 1
            segment = Segment(self._lines[position], self.delimiters, self.charset, occurrence)
            self._segments[position] = segment
        return segment

    def _read_lines(self, text: str) -> tuple[list[str], list[str]]:
        """The segments' texts and names."""
        if text.count("\r") > _MAX_LINES:
            raise InvalidValueError(f"more than {_MAX_LINES} lines", path="MSH")
        separator = self.delimiters.field
        lines: list[str] = []
        names: list[str] = []
        more: dict[int, list[str]] = {}  # lines that go on a segment, joined once at the end
        for line in text.split("\r"):
            name = line[:3]
            if line[3:4] == separator and name.isalnum() and name.isascii():
                lines.append(line)
                names.append(name)
            elif not line.strip():
                continue
            elif len(lines) < 2 or (len(line) == 3 and name.isalnum() and name.isupper()):
                lines.append(line)
                names.append(name)
            else:
                # An unescaped line break inside of a text, or a broken-up Base64 document.
                more.setdefault(len(lines) - 1, []).append(line)
        for position, rest in more.items():
            self.notes.append(f"line break inside of {names[position]}")
            lines[position] = "\n".join((lines[position], *rest))
        if len(lines) > MAX_SEGMENTS:
            raise InvalidValueError(f"more than {MAX_SEGMENTS} segments", path="MSH")
        return lines, names
