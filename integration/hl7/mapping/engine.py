"""The mapping of one peer at work: rules and value maps, applied to a message.

What comes in: the rules in their order, then the maps, then the bindings. What goes out: the maps,
then the rules, so that a rule always sees the peer's own codes. The message as it came, or as it
would have gone, is never changed; a new one is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integration.hl7.er7 import Message
from integration.hl7.er7_writer import Raw, SegmentRow, render
from integration.hl7.escapes import NULL, STANDARD
from integration.hl7.mapping.editing import MAX_VALUE, Editor, Line
from integration.hl7.mapping.kinds import KINDS, Kind
from integration.hl7.mapping.rules import EVERY, Condition, Do, Is, Place, Rule, Wire, read_place
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.exchange import Direction

_MOST_FIRED = 500


@dataclass(frozen=True, slots=True)
class Fired:
    """One change that a rule or a map made. ``place`` is where, in the message as it was then."""

    source: str  # "line 3", "map sex"
    text: str
    place: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ValueMap:
    """A peer's codes and ours; ``rows`` by code, blanks and case aside."""

    kind: Kind
    otherwise: str  # pass, refuse, fixed
    fixed: str
    rows: Mapping[str, str]
    places: tuple[Place, ...]

    def of(self, code: str, parts: Sequence[str]) -> str | None:
        """What the code becomes; None: it stays. Raises InvalidValueError where that is refused.

        A row of a coded value may name text or scheme too (``K1^^ORBIS``): it goes before one that
        names the code alone.
        """
        if len(parts) > 2 and parts[2]:
            found = self.rows.get(folded(f"{code}^^{parts[2]}"))
            if found is not None:
                return found
        found = self.rows.get(folded(code))
        if found is not None or self.otherwise == "pass":
            return found
        if self.otherwise == "fixed":
            return self.fixed
        raise InvalidValueError(
            f"the table of this peer for {self.kind.title.lower()} does not have it",
            details={"table": self.kind.table} if self.kind.table else None,
        )


def folded(code: str) -> str:
    return code.strip().upper()


@dataclass(slots=True)
class Applied:
    """What came of it: the lines, what fired, what was refused."""

    lines: list[str]
    changed: bool = False
    fired: list[Fired] = field(default_factory=list)
    faults: list[RisError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Rules and maps of one endpoint, ready to be used by any thread."""

    way: Direction
    rules: tuple[Rule, ...] = ()
    maps: tuple[ValueMap, ...] = ()

    def read(self, message: Message) -> tuple[Message, Applied]:
        """The message as it is to be understood, with the raw bytes of the one received."""
        header = message.header
        applied = self.apply(
            [segment.raw for segment in message.segments()], message, header.code, header.trigger
        )
        if not applied.changed:
            return message, applied
        text = "\r".join(applied.lines)
        made = Message(message.raw, text, message.charset)
        made.notes[:0] = message.notes
        return made, applied

    def write(self, rows: Sequence[SegmentRow | Raw], code: str, trigger: str) -> list[Raw]:
        """The segments of a message of ours as the peer wants them.

        Raises the first refusal: what cannot be said in the peer's codes is not sent.
        """
        applied = self.apply([render(row) for row in rows], None, code, trigger)
        if applied.faults:
            raise applied.faults[0]
        return [Raw(line) for line in applied.lines]

    def apply(
        self, lines: Sequence[str], message: Message | None, code: str, trigger: str
    ) -> Applied:
        delimiters = message.delimiters if message is not None else STANDARD
        editor = Editor(lines, delimiters, message.charset if message is not None else None)
        work = _Work(editor)
        if self.way is Direction.OUT:
            self._maps(work, code)
        self._rules(work, code, trigger)
        if self.way is Direction.IN:
            self._maps(work, code)
        return Applied(editor.texts(), editor.changed, work.fired, work.faults)

    def _rules(self, work: _Work, code: str, trigger: str) -> None:
        for rule in self.rules:
            if rule.concerns(code, trigger):
                try:
                    work.carry_out(rule)
                except InvalidValueError as error:
                    work.refuse(error)

    def _maps(self, work: _Work, code: str) -> None:
        for value_map in self.maps:
            if value_map.kind.messages and code not in value_map.kind.messages:
                continue
            for place in value_map.places:
                for line in work.editor.targets(place):
                    work.translate(value_map, line, place)


class _Work:
    """One message being rewritten."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.fired: list[Fired] = []
        self.faults: list[RisError] = []

    def refuse(self, error: RisError) -> None:
        if len(self.faults) < 50:
            self.faults.append(error)

    def _tell(self, source: str, text: str, place: str, before: str, after: str) -> None:
        if len(self.fired) < _MOST_FIRED:
            self.fired.append(Fired(source, text, place, before, after))

    def _at(self, line: Line, place: Place) -> str:
        """The place with the occurrence it has in this message."""
        number = self.editor.named[line.name].index(line.index) + 1
        return str(replace(place, occurrence=number if number > 1 else 0))

    # --- rules

    def carry_out(self, rule: Rule) -> None:
        if rule.do is Do.DROP_SEGMENT:
            self._drop_segments(rule)
        elif rule.do is Do.ADD:
            self._add_segments(rule)
        elif rule.target is not None:
            for line in self.editor.targets(rule.target):
                for place in self._spread(line, rule.target):
                    if self._holds(rule, line, place):
                        self._change(rule, line, place)

    def _spread(self, line: Line, place: Place) -> list[Place]:
        """A place with ``[*]`` as one for each repetition."""
        if place.repetition != EVERY:
            return [place]
        count = self.editor.repetitions(line, place.field)
        return [replace(place, repetition=number) for number in range(1, count + 1)]

    def _drop_segments(self, rule: Rule) -> None:
        editor = self.editor
        found = [editor.lines[index] for index in editor.named.get(rule.segment, ())]
        gone = [line for line in found if self._holds(rule, line, None)]
        for line in gone:
            self._tell(f"line {rule.number}", rule.text, rule.segment, editor.text(line), "")
        if gone:
            editor.drop(gone)

    def _add_segments(self, rule: Rule) -> None:
        """After each segment of that name whose order, or patient, has none yet."""
        editor = self.editor
        after: dict[tuple[int, int], Line] = {}
        for index in editor.named.get(rule.after, ()):
            line = editor.lines[index]
            has = any(
                editor.lines[other].scope == line.scope
                for other in editor.named.get(rule.segment, ())
            )
            if not has and self._holds(rule, line, None):
                after.setdefault(line.scope, line)
        for _ in after:
            self._tell(f"line {rule.number}", rule.text, rule.after, "", rule.segment)
        if after:
            editor.add_after(list(after.values()), rule.segment)

    def _change(self, rule: Rule, line: Line, place: Place) -> None:
        editor = self.editor
        before = editor.get(line, place)
        match rule.do:
            case Do.COPY | Do.MOVE:
                assert rule.source is not None  # noqa: S101 - the parser sees to it
                origin = editor.source(line, rule.source)
                raw = editor.get(origin, rule.source) if origin is not None else ""
                if not raw or origin is None:
                    return
                editor.put(line, place, _fitting(raw, rule.source, place, editor))
                if rule.do is Do.MOVE:
                    editor.put(origin, rule.source, "")
            case Do.DROP:
                editor.put(line, place, "")
            case Do.SET:
                said = self._said(rule, line)
                if said is None:
                    return
                editor.put(line, place, said)
            case _:
                place = editor.leaf(place)
                before = editor.get(line, place)
                text = editor.read(line, place)
                if not text:
                    return
                editor.put(line, place, editor.escaped(_transformed(rule, text)))
        after = editor.get(line, place)
        if after != before:
            self._tell(f"line {rule.number}", rule.text, self._at(line, place), before, after)

    def _said(self, rule: Rule, line: Line) -> str | None:
        """The value of a ``=``, in wire form; None if a part of it is not said."""
        editor = self.editor
        parts: list[str] = []
        for term in rule.terms:
            if isinstance(term, Wire):
                return _translated(term.text, editor)
            if isinstance(term, str):
                parts.append(term)
                continue
            origin = editor.source(line, term)
            text = editor.read(origin, term) if origin is not None else None
            if not text:
                return None
            parts.append(text)
        text = "".join(parts)
        if len(text) > MAX_VALUE:
            raise InvalidValueError("too long for a rule", path=str(rule.target))
        return editor.escaped(text) if text else NULL

    # --- conditions

    def _holds(self, rule: Rule, line: Line, own: Place | None) -> bool:
        return all(self._test(each, line, own) for each in rule.conditions)

    def _test(self, condition: Condition, line: Line, own: Place | None) -> bool:
        editor, test = self.editor, condition.test
        if test in (Is.PRESENT, Is.ABSENT):
            return (editor.near(line, condition.segment) is not None) is (test is Is.PRESENT)
        place = condition.place or own
        if place is None:
            return False
        origin = line if condition.place is None else editor.source(line, place)
        if test in (Is.EMPTY, Is.NOT_EMPTY):
            raw = editor.get(origin, place) if origin is not None else ""
            marks = "".join(editor.delimiters[1:3]) + editor.delimiters.subcomponent
            return bool(raw.strip(marks)) is (test is Is.NOT_EMPTY)
        text = (editor.read(origin, place) if origin is not None else "") or ""
        match test:
            case Is.IN:
                return text in condition.values
            case Is.NOT_IN:
                return text not in condition.values
            case Is.STARTS:
                return text.startswith(condition.values[0])
            case Is.ENDS:
                return text.endswith(condition.values[0])
        return condition.values[0] in text

    # --- maps

    def translate(self, value_map: ValueMap, line: Line, place: Place) -> None:
        editor = self.editor
        for one in self._spread(line, place):
            # One component more than the place names: of a CX or XCN the first is the code.
            leaf = editor.leaf(one)
            code = editor.read(line, leaf)
            if not code or not code.strip():
                continue
            of_parts = value_map.kind.parts > 1
            parts = (
                [editor.read(line, _sibling(leaf, one, at)) or "" for at in (1, 2, 3)]
                if of_parts
                else []
            )
            try:
                ours = value_map.of(code, parts)
            except InvalidValueError as error:
                error.path = self._at(line, one)
                self.refuse(error)
                continue
            if ours is None or (not of_parts and ours == code):
                continue
            before = editor.get(line, one)
            if of_parts:
                self._put_coded(value_map, line, leaf, one, ours)
            else:
                editor.put(line, leaf, editor.escaped(ours))
            after = editor.get(line, one)
            if after != before:
                row = f"{code} = {ours}"
                self._tell(f"map {value_map.kind.name}", row, self._at(line, one), before, after)

    def _put_coded(
        self, value_map: ValueMap, line: Line, leaf: Place, one: Place, ours: str
    ) -> None:
        """Code, text, scheme: what the row names; of a procedure the peer's scheme goes with it."""
        editor = self.editor
        given = ours.split("^")[:3]
        for at, text in enumerate(given, start=1):
            if text or at == 1:
                editor.put(line, _sibling(leaf, one, at), editor.escaped(text))
        if value_map.kind.name == "procedure" and (len(given) < 3 or not given[2]):
            editor.put(line, _sibling(leaf, one, 3), "")


def _sibling(leaf: Place, one: Place, at: int) -> Place:
    """Part ``at`` of the value whose code is at ``leaf``: a component, or below one (OBR-32.1)."""
    if one.component:
        return replace(leaf, subcomponent=at)
    return replace(leaf, component=at)


def _level(place: Place) -> int:
    return 3 if place.subcomponent else 2 if place.component else 1 if place.repetition else 0


def _fitting(raw: str, source: Place, target: Place, editor: Editor) -> str:
    """Wire text of one level for another: what would split the target anew is left behind.

    A whole field fits a field. Into a component goes the first component of what is copied.
    """
    _, component, repetition, _, subcomponent, _ = editor.delimiters
    level = _level(target)
    if level >= 1 and repetition:
        raw = raw.split(repetition, 1)[0]
    if level >= 2 and component:
        raw = raw.split(component, 1)[0]
    if level >= 3 and subcomponent:
        raw = raw.split(subcomponent, 1)[0]
    if _level(source) == 2 and level <= 1 and subcomponent:
        # The parts of a component are components of their own as a field (2.5.3.4).
        raw = raw.replace(subcomponent, component)
    return raw


def _translated(text: str, editor: Editor) -> str:
    """Wire text of a rule, in the message's own delimiters."""
    if editor.delimiters == STANDARD:
        return text
    return text.translate(
        {ord(usual): own for usual, own in zip(STANDARD[:5], editor.delimiters[:5], strict=True)}
    )


def _transformed(rule: Rule, text: str) -> str:
    match rule.do:
        case Do.TRIM:
            return text.strip()
        case Do.UPPER:
            return text.upper()
        case Do.LOWER:
            return text.lower()
        case Do.DIGITS:
            return "".join(char for char in text if "0" <= char <= "9")
        case Do.STRIP_START:
            return text.lstrip(rule.texts[0])
        case Do.STRIP_END:
            return text.rstrip(rule.texts[0])
        case Do.CUT:
            return text[: rule.count]
        case Do.CUT_LAST:
            return text[-rule.count :]
        case Do.PAD:
            return text.rjust(rule.count, rule.texts[0])
        case Do.REPLACE:
            old, new = rule.texts
            if len(text) + text.count(old) * (len(new) - len(old)) > MAX_VALUE:
                raise InvalidValueError("too long for a rule", path=str(rule.target))
            return text.replace(old, new)
        case Do.SPLIT:
            parts = text.split(rule.texts[0], rule.count)
            return parts[rule.count - 1] if rule.count <= len(parts) else text
    raise AssertionError(rule.do)


def value_map(
    name: str, content: Mapping[str, Any], moved: Mapping[str, Sequence[str]]
) -> ValueMap:
    """One table of a mapping, checked before. ``moved`` is the setting ``paths`` of the peer."""
    kind = KINDS[name]
    paths = [*kind.paths, *(moved.get(kind.movable, ()) if kind.movable else ())]
    return ValueMap(
        kind,
        str(content.get("otherwise", "pass")),
        str(content.get("fixed", "")),
        {folded(code): str(ours) for code, ours in content.get("values", {}).items()},
        tuple(read_place(path) for path in dict.fromkeys(paths)),
    )
