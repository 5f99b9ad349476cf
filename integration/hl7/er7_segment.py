"""One segment of an HL7 v2 message: its fields, repetitions, components and subcomponents.

What a path answers, and what is tolerated, says :mod:`.er7`.
"""

from __future__ import annotations

from integration.hl7.charset import Charset
from integration.hl7.er7_decode import HEADERS
from integration.hl7.escapes import NULL, Delimiters, unescape
from integration.hl7.paths import parse_path
from ris.domain.errors import InvalidValueError

MAX_FIELDS = 1_000
MAX_REPETITIONS = 2_000


class Repetition:
    """One repetition of one field."""

    __slots__ = ("_segment", "field", "number", "raw")

    def __init__(self, segment: Segment, field: int, number: int, raw: str) -> None:
        self._segment = segment
        self.field = field
        self.number = number
        self.raw = raw

    def get(self, component: int = 1, subcomponent: int = 1) -> str | None:
        """A component, or a part of one; None if absent, ``""`` if to be deleted."""
        return self._segment.part(self.raw, component, subcomponent)

    @property
    def null(self) -> bool:
        """The sender wants the value deleted."""
        return self.raw == NULL

    @property
    def text(self) -> str:
        """All of it as text, delimiters included."""
        return "" if self.null else self._segment.unescape(self.raw)

    def at(self, part: str = "") -> str:
        """The path of this repetition or of a part of it (``"4.2"``), for RisError.path."""
        place = f"{self.field}[{self.number}]" if self.number > 1 else str(self.field)
        return self._segment.at(f"{place}.{part}" if part else place)


class Segment:
    """One segment; its fields are split when first asked for."""

    __slots__ = ("_fields", "charset", "delimiters", "name", "occurrence", "raw")

    def __init__(
        self, raw: str, delimiters: Delimiters, charset: Charset | None, occurrence: int = 1
    ) -> None:
        self.name = raw[:3]
        self.raw = raw
        self.delimiters = delimiters
        self.charset = charset
        self.occurrence = occurrence
        self._fields: list[str] | None = None

    @property
    def fields(self) -> list[str]:
        """Raw fields by HL7 number; number 0 is the segment's name."""
        fields = self._fields
        if fields is None:
            separator = self.delimiters.field
            fields = self.raw.split(separator, MAX_FIELDS + 1)
            if len(fields) > MAX_FIELDS + 1:
                raise InvalidValueError(f"more than {MAX_FIELDS} fields", path=self.name)
            if fields[0] in HEADERS:
                fields.insert(1, self.delimiters.field)
            self._fields = fields
        return fields

    def split(self) -> None:
        """Split the fields now; raises InvalidValueError if there are too many."""
        self._fields = self.fields

    def get(self, path: str) -> str | None:
        """The value at ``5.1`` or ``3[2].4.2``; None if absent, ``""`` if to be deleted."""
        return self.value(*parse_path(path)[2:])

    def value(self, number: int, repetition: int, component: int, subcomponent: int) -> str | None:
        """As ``get``, for a parsed path (0 and 1 both mean the first)."""
        fields = self._fields or self.fields
        if number >= len(fields):
            return None
        text = fields[number]
        if text.isalnum():  # most codes, numbers and times: nothing to split or to unescape
            return text if repetition <= 1 and component <= 1 and subcomponent <= 1 else None
        if not text:
            return None
        if number <= 2 and self.name in HEADERS:
            return text
        mark = self.delimiters.repetition
        if mark and mark in text:
            repeats = self._split(text, number)
            if repetition > len(repeats):
                return None
            text = repeats[repetition - 1 if repetition else 0]
        elif repetition > 1:
            return None
        return self.part(text, component or 1, subcomponent or 1)

    def part(self, text: str, component: int, subcomponent: int) -> str | None:
        """A component of the raw repetition ``text``."""
        if text == NULL:
            return ""
        _, component_mark, _, escape_mark, subcomponent_mark, _ = self.delimiters
        if component_mark in text:
            components = text.split(component_mark, component)
            if component > len(components):
                return None
            text = components[component - 1]
            if text == NULL:
                return ""
        elif component > 1:
            return None
        if subcomponent_mark and subcomponent_mark in text:
            parts = text.split(subcomponent_mark, subcomponent)
            if subcomponent > len(parts):
                return None
            text = parts[subcomponent - 1]
            if text == NULL:
                return ""
        elif subcomponent > 1:
            return None
        if escape_mark not in text:
            return text or None
        # Highlighting around nothing says nothing; only the sender's "" is a deletion.
        return unescape(text, self.delimiters, self.charset) or None

    def repeats(self, path: str) -> list[Repetition]:
        """The repetitions of a field (``"3"``) that say anything, deletions included."""
        number = parse_path(path).field
        fields = self.fields
        if number >= len(fields) or not fields[number]:
            return []
        return [
            Repetition(self, number, index, text)
            for index, text in enumerate(self._split(fields[number], number), start=1)
            if text
        ]

    def text(self, path: str) -> str | None:
        """A field, repetition or component as free text: delimiters kept, ``~`` as a new line."""
        wanted = parse_path(path)
        repeats = {repeat.number: repeat for repeat in self.repeats(str(wanted.field))}
        if not repeats:
            return None
        if wanted.component:
            found = repeats.get(wanted.repetition or 1)
            parts = found.raw.split(self.delimiters.component, wanted.component) if found else []
            text = parts[wanted.component - 1] if wanted.component <= len(parts) else ""
            return "" if text == NULL else self.unescape(text) or None
        if wanted.repetition:
            found = repeats.get(wanted.repetition)
            return (found.text or ("" if found.null else None)) if found else None
        if len(repeats) == 1 and 1 in repeats and repeats[1].null:
            return ""
        last = max(repeats)
        lines = (repeats[at].text if at in repeats else "" for at in range(1, last + 1))
        return "\n".join(lines) or None

    def at(self, place: str) -> str:
        """``PID-3.1`` or ``OBX[2]-5`` for a place within this segment, for RisError.path."""
        name = self.name if self.occurrence == 1 else f"{self.name}[{self.occurrence}]"
        return f"{name}-{place}"

    def unescape(self, text: str) -> str:
        return unescape(text, self.delimiters, self.charset)

    def _split(self, text: str, number: int) -> list[str]:
        """A raw field in its repetitions, at most MAX_REPETITIONS."""
        repetition = self.delimiters.repetition
        if not repetition or (number <= 2 and self.name in HEADERS):
            return [text]
        repeats = text.split(repetition, MAX_REPETITIONS)
        if len(repeats) > MAX_REPETITIONS:
            raise InvalidValueError(
                f"more than {MAX_REPETITIONS} repetitions", path=self.at(str(number))
            )
        return repeats

    def __repr__(self) -> str:
        return f"<Segment {self.name}[{self.occurrence}]>"  # never its content
