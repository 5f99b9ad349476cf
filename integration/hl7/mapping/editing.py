"""A message that can be changed: its segments as raw fields, written back as they stand.

Nothing that is not changed is read: a field is split, changed in one part and joined again, so
what stands beside it stays to the byte. Values of rules are texts, escaped when written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from integration.hl7.charset import Charset
from integration.hl7.er7_decode import HEADERS
from integration.hl7.er7_segment import MAX_FIELDS, MAX_REPETITIONS
from integration.hl7.escapes import NULL, Delimiters, escape, unescape
from integration.hl7.mapping.rules import EVERY, Place
from ris.domain.errors import InvalidValueError

MAX_VALUE = 65_536  # characters of one value that a rule looks into
_MAX_GROWTH = 8 * 1024 * 1024  # characters that rules may add to a message


class Line:
    """One segment. ``scope`` is (patient, order) within the message, (0, 0) for its head."""

    __slots__ = ("changed", "fields", "index", "name", "scope", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = text[:3]
        self.fields: list[str] | None = None
        self.changed = False
        self.scope = (0, 0)
        self.index = 0


class Editor:
    """The segments of one message, found by the scope they stand in."""

    def __init__(
        self, lines: Sequence[str], delimiters: Delimiters, charset: Charset | None
    ) -> None:
        self.delimiters = delimiters
        self.charset = charset
        self.lines = [Line(text) for text in lines]
        self.changed = False
        self._grown = 0
        self._find()

    def _find(self) -> None:
        """Where each segment stands: patients begin with PID, orders with ORC, or OBR, or RGS.

        A second OBR without an ORC before it is an order of its own (ORU^R01).
        """
        self.named: dict[str, list[int]] = {}
        self._scoped: dict[tuple[str, tuple[int, int]], list[int]] = {}
        patient = order = orders = 0
        opened = ""
        for index, line in enumerate(self.lines):
            name = line.name
            if name == "PID":
                patient, order, opened = patient + 1, 0, ""
            elif name in ("ORC", "RGS") or (name == "OBR" and opened != "ORC"):
                orders += 1
                order, opened = orders, name
            elif name == "OBR":
                opened = "OBR"
            line.scope, line.index = (patient, order), index
            self.named.setdefault(name, []).append(index)
            self._scoped.setdefault((name, line.scope), []).append(index)

    def text(self, line: Line) -> str:
        if line.changed and line.fields is not None:
            fields = line.fields[:1] + line.fields[2:] if line.name in HEADERS else line.fields
            line.text = self.delimiters.field.join(fields)
            line.changed = False
        return line.text

    def texts(self) -> list[str]:
        return [self.text(line) for line in self.lines]

    # --- which segment

    def targets(self, place: Place) -> list[Line]:
        """The segments a rule is about: the one it counts out, or each."""
        found = self.named.get(place.segment, [])
        if place.occurrence:
            found = found[place.occurrence - 1 : place.occurrence]
        return [self.lines[index] for index in found]

    def near(self, line: Line, name: str) -> Line | None:
        """The segment of this name that belongs with ``line``.

        Itself; of its own order the nearest, first backward; else its patient's, else the head's.
        Never one of another order or another patient.
        """
        if line.name == name:
            return line
        patient, order = line.scope
        scopes = [line.scope]
        if order:
            scopes.append((patient, 0))
        if patient:
            scopes.append((0, 0))
        for scope in scopes:
            found = self._scoped.get((name, scope))
            if found:
                before = bisect_left(found, line.index)
                return self.lines[found[before - 1 if before else 0]]
        if order:
            return None
        # From the patient down to an order, where there is one only.
        below = [index for index in self.named.get(name, ()) if self._within(index, patient)]
        return self.lines[below[0]] if len(below) == 1 else None

    def _within(self, index: int, patient: int) -> bool:
        return not patient or self.lines[index].scope[0] == patient

    def source(self, line: Line, place: Place) -> Line | None:
        if place.occurrence:
            found = self.targets(place)
            return found[0] if found else None
        return self.near(line, place.segment)

    def drop(self, lines: Sequence[Line]) -> None:
        gone = {line.index for line in lines}
        self.lines = [line for line in self.lines if line.index not in gone]
        self.changed = True
        self._find()

    def add_after(self, lines: Sequence[Line], name: str) -> None:
        """A new empty segment after each of ``lines``."""
        after = {line.index for line in lines}
        grown: list[Line] = []
        for line in self.lines:
            grown.append(line)
            if line.index in after:
                grown.append(Line(name + self.delimiters.field))
        self.lines = grown
        self.changed = True
        self._find()

    # --- values, raw

    def _fields(self, line: Line) -> list[str]:
        if line.fields is None:
            fields = line.text.split(self.delimiters.field, MAX_FIELDS + 1)
            if len(fields) > MAX_FIELDS + 1:
                raise InvalidValueError(f"more than {MAX_FIELDS} fields", path=line.name)
            if line.name in HEADERS:
                fields.insert(1, self.delimiters.field)
            line.fields = fields
        return line.fields

    def repetitions(self, line: Line, number: int) -> int:
        """How many repetitions the field has; 1 where it has none."""
        mark = self.delimiters.repetition
        fields = self._fields(line)
        if not mark or number >= len(fields):
            return 1
        return min(fields[number].count(mark) + 1, MAX_REPETITIONS)

    def get(self, line: Line, place: Place) -> str:
        """What stands there on the wire; empty if nothing does."""
        fields = self._fields(line)
        if place.field >= len(fields):
            return ""
        text = fields[place.field]
        if not (place.repetition or place.component or place.subcomponent):
            return text
        text = _part(text, self.delimiters.repetition, place.repetition or 1)
        if place.component:
            if text == NULL:
                return NULL
            text = _part(text, self.delimiters.component, place.component)
        if place.subcomponent:
            if text == NULL:
                return NULL
            text = _part(text, self.delimiters.subcomponent, place.subcomponent)
        return text

    def put(self, line: Line, place: Place, raw: str) -> None:
        """Write wire text there; what stands around stays."""
        fields = self._fields(line)
        while len(fields) <= place.field:
            fields.append("")
        whole = fields[place.field]
        if place.repetition or place.component or place.subcomponent:
            levels = [(self.delimiters.repetition, place.repetition or 1)]
            if place.component or place.subcomponent:
                levels.append((self.delimiters.component, place.component or 1))
            if place.subcomponent:
                levels.append((self.delimiters.subcomponent, place.subcomponent))
            raw = _with_part(whole, levels, raw)
        if raw == whole:
            return
        self._grown += max(0, len(raw) - len(whole))
        if self._grown > _MAX_GROWTH:
            raise InvalidValueError("the rules make the message too long", path=line.name)
        fields[place.field] = raw
        while len(fields) > 2 and not fields[-1]:
            fields.pop()
        line.changed = self.changed = True

    # --- values, as text

    def leaf(self, place: Place) -> Place:
        """The place of a simple value: where a path names no part, the first (2.11.6)."""
        return Place(
            place.segment, place.occurrence, place.field,
            place.repetition if place.repetition != EVERY else 1,
            place.component or 1, place.subcomponent or 1,
        )  # fmt: skip

    def read(self, line: Line, place: Place) -> str | None:
        """As a reader has it: None if nothing is said, ``""`` if it is to be deleted."""
        raw = self.get(line, self.leaf(place))
        if not raw:
            return None
        if raw == NULL:
            return ""
        if len(raw) > MAX_VALUE:
            raise InvalidValueError("too long for a rule", path=str(place))
        return unescape(raw, self.delimiters, self.charset) or None

    def escaped(self, text: str) -> str:
        return escape(text, self.delimiters)


def _part(text: str, mark: str, number: int) -> str:
    if not mark or mark not in text:
        return text if number == 1 else ""
    parts = text.split(mark, number)
    return parts[number - 1] if number <= len(parts) else ""


def _with_part(text: str, levels: list[tuple[str, int]], raw: str) -> str:
    (mark, number), *rest = levels
    if not mark:
        if number > 1:
            raise InvalidValueError("the message has no delimiter for that place")
        return _with_part(text, rest, raw) if rest else raw
    if text == NULL:
        text = ""
    parts = text.split(mark)
    if len(parts) > MAX_REPETITIONS:
        raise InvalidValueError(f"more than {MAX_REPETITIONS} parts")
    while len(parts) < number:
        parts.append("")
    parts[number - 1] = _with_part(parts[number - 1], rest, raw) if rest else raw
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return mark.join(parts)
