"""The language of rewriting rules: one line, one rule, no program.

What can be written stands in :data:`FORMS`, which the page, the conformance statement and the tests
are made of. A line that begins with ``#`` is a remark.

There are no patterns and no loops: the work of a rule grows with the length of the message alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ris.domain.errors import InvalidValueError

# Every form of a rule, and what it does.
FORMS: tuple[tuple[str, str], ...] = (
    ("OBR-18 <- ORC-3.1", "copies what stands there, if anything does; each order its own"),
    ("move PV1-50 to PV1-19", "copies, and empties the source"),
    ('PID-3[*].4 = "HOSP" if empty', "a fixed text; [*] in every repetition"),
    ('OBR-20 = OBR-19 + "-1"', "texts joined, if each says something"),
    ('PV1-3 = wire "4W^12"', "a text whose delimiters are meant as such"),
    ('PID-19 = ""', "deletes what is stored (HL7's null)"),
    ("drop ZZZ", "takes the segment out, each time it occurs"),
    ("drop PID-19", "empties the place: nothing is said of it"),
    ("add PV1 after PID", "a segment where a patient, or an order, has none"),
    ("trim PID-3.1", "without the blanks around it"),
    ("upper PID-5.1", "capitals"),
    ("lower PID-5.1", "small letters"),
    ("digits PID-3.1", "its digits alone"),
    ('strip "0" from start of PID-3.1', "without these characters there"),
    ('strip "/-" from end of OBR-18', "the same at the end"),
    ("cut PID-3.1 to 10", "its first characters"),
    ("cut OBR-18 to last 4", "its last characters"),
    ('pad PID-3.1 to 8 with "0"', "filled up on the left"),
    ('replace "/" with "-" in OBR-18', "each time it occurs"),
    ('split OBR-18 at "-" keep 2', "its second part, if it has one"),
    ('drop NTE if NTE-2 = "X"', "on a condition; also !="),
    ('PID-8 = "U" if PID-8 not in "M", "F"', "one of several; also in"),
    ("PV1-19 <- PID-18 if PV1-19 empty and PID-18 not empty", "two conditions; five at most"),
    ('OBR-24 = "CT" if OBR-4.1 starts with "CT"', "also ends with, contains"),
    (
        "OBR-18 <- ZAC-1 if ZAC present",
        "if the order, or the message, has the segment; also: no ZAC",
    ),
    ("drop PV2 on ADT, ORM^O01", "for these messages only"),
)

MAX_RULES = 200
MAX_RULE = 300
MAX_CONDITIONS = 5
EVERY = -1  # as a repetition: all of them

_MOST = {"field": 200, "repetition": 50, "component": 50, "subcomponent": 20, "occurrence": 99}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a message; 0 where it names no occurrence, repetition, component, part."""

    segment: str
    occurrence: int
    field: int
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def __str__(self) -> str:
        text = self.segment + (f"[{self.occurrence}]" if self.occurrence else "") + f"-{self.field}"
        if self.repetition:
            text += "[*]" if self.repetition == EVERY else f"[{self.repetition}]"
        if self.component:
            text += f".{self.component}"
        if self.subcomponent:
            text += f".{self.subcomponent}"
        return text


class Do(StrEnum):
    COPY = "copy"
    MOVE = "move"
    SET = "set"
    DROP_SEGMENT = "drop segment"
    DROP = "drop"
    ADD = "add"
    TRIM = "trim"
    UPPER = "upper"
    LOWER = "lower"
    DIGITS = "digits"
    STRIP_START = "strip start"
    STRIP_END = "strip end"
    CUT = "cut"
    CUT_LAST = "cut last"
    PAD = "pad"
    REPLACE = "replace"
    SPLIT = "split"


class Is(StrEnum):
    EMPTY = "empty"
    NOT_EMPTY = "not empty"
    IN = "in"
    NOT_IN = "not in"
    STARTS = "starts with"
    ENDS = "ends with"
    CONTAINS = "contains"
    PRESENT = "present"
    ABSENT = "no"


@dataclass(frozen=True, slots=True)
class Condition:
    """``place`` None: the rule's own; ``segment`` for present and absent."""

    test: Is
    place: Place | None = None
    values: tuple[str, ...] = ()
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """Text whose delimiters are meant as such."""

    text: str


Term = Place | Wire | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line, understood."""

    number: int
    text: str
    do: Do
    target: Place | None = None  # what is written
    source: Place | None = None
    segment: str = ""  # dropped or added
    after: str = ""
    terms: tuple[Term, ...] = ()
    texts: tuple[str, ...] = ()
    count: int = 0
    conditions: tuple[Condition, ...] = ()
    types: frozenset[str] = field(default_factory=frozenset)

    def concerns(self, code: str, trigger: str) -> bool:
        return not self.types or code in self.types or f"{code}^{trigger}" in self.types

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place the rule names."""
        named = (self.target, self.source, *(each.place for each in self.conditions), *self.terms)
        return tuple(each for each in named if isinstance(each, Place))


def parse(lines: Sequence[str]) -> tuple[list[Rule], list[InvalidValueError]]:
    """The rules of the lines, and what is wrong with the others, by the number of the line."""
    rules: list[Rule] = []
    faults: list[InvalidValueError] = []
    if len(lines) > MAX_RULES:
        fault = InvalidValueError(
            f"more than {MAX_RULES} lines of rules", path=f"rules[{MAX_RULES + 1}]"
        )
        return rules, [fault]
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            rules.append(_Reader(line.strip(), number).rule())
        except InvalidValueError as error:
            faults.append(InvalidValueError(error.message, path=f"rules[{number}]"))
    return rules, faults


_TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<symbol><-|!=|=|\+|,)'
    r"|(?P<place>[A-Z][A-Z0-9]{2}(?:\[\d{1,3}\])?-[0-9][0-9.\[\]*]*)"
    r"|(?P<number>\d{1,4}(?![\w.]))|(?P<word>[A-Za-z][\w^]*))"
)
_PLACE = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d{0,2})\])?-([1-9]\d{0,2})"
    r"(?:\[(\*|[1-9]\d{0,2})\])?(?:\.([1-9]\d{0,2}))?(?:\.([1-9]\d{0,2}))?"
)
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_TYPE = re.compile(r"[A-Z][A-Z0-9]{2}(?:\^[A-Z][A-Z0-9]{2})?")
_SIMPLE = {"trim": Do.TRIM, "upper": Do.UPPER, "lower": Do.LOWER, "digits": Do.DIGITS}


def read_place(text: str) -> Place:
    """``PID-3[*].4`` in parts. Raises InvalidValueError for what is no such place."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise InvalidValueError(f"{text} is no place such as PID-3.4 or OBX[2]-5")
    segment, occurrence, number, repetition, component, subcomponent = match.groups()
    place = Place(
        segment,
        int(occurrence or 0),
        int(number),
        EVERY if repetition == "*" else int(repetition or 0),
        int(component or 0),
        int(subcomponent or 0),
    )
    for name, most in _MOST.items():
        if getattr(place, name) > most:
            raise InvalidValueError(f"{text}: a {name} is at most {most}")
    return place


class _Reader:
    """One line, token by token."""

    def __init__(self, line: str, number: int) -> None:
        self.line = line
        self.number = number
        if len(line) > MAX_RULE:
            raise InvalidValueError(f"a rule has at most {MAX_RULE} characters")
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(line):
            match = _TOKEN.match(line, at)
            if match is None or match.lastgroup is None:
                raise InvalidValueError(f"cannot be read from here: {line[at:].strip()[:40]}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0

    # --- tokens

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _next(self, kind: str, wanted: str) -> str:
        if self.at >= len(self.tokens):
            raise InvalidValueError(f"ends where {wanted} is expected")
        found, text = self.tokens[self.at]
        if found != kind:
            raise InvalidValueError(f"{wanted} is expected instead of {text[:40]}")
        self.at += 1
        return text

    def _word(self, *words: str) -> str:
        """One of these words."""
        text = self._peek()
        if text not in words:
            wanted = " or ".join(words)
            told = f"instead of {text[:40]}" if text else "at the end"
            raise InvalidValueError(f"{wanted} is expected {told}")
        self.at += 1
        return text

    def _taken(self, word: str) -> bool:
        if self._peek() == word:
            self.at += 1
            return True
        return False

    def _text(self) -> str:
        raw = self._next("text", 'a text in "quotation marks"')[1:-1]
        return re.sub(r"\\(.)", r"\1", raw)

    def _filled(self) -> str:
        text = self._text()
        if not text:
            raise InvalidValueError("a text is empty that must not be")
        return text

    def _number(self, most: int) -> int:
        value = int(self._next("number", "a number"))
        if not 1 <= value <= most:
            raise InvalidValueError(f"{value} is not within 1 to {most}")
        return value

    def _place(self) -> Place:
        return read_place(self._next("place", "a place such as PID-3.4"))

    def _segment(self) -> str:
        text = self._next("word", "a segment such as ZDS")
        if not _SEGMENT.fullmatch(text):
            raise InvalidValueError(f"{text[:40]} is no segment such as ZDS")
        return text

    # --- the rule

    def rule(self) -> Rule:
        rule = self._action()
        conditions = self._conditions(rule.target)
        types = self._types()
        if self.at < len(self.tokens):
            raise InvalidValueError(f"goes on with {self._peek()[:40]}, which is not understood")
        _check(rule, conditions)
        return Rule(
            number=self.number, text=self.line, do=rule.do, target=rule.target, source=rule.source,
            segment=rule.segment, after=rule.after, terms=rule.terms, texts=rule.texts,
            count=rule.count, conditions=conditions, types=types,
        )  # fmt: skip

    def _made(self, do: Do, target: Place | None = None, **rest: object) -> Rule:
        return Rule(number=self.number, text=self.line, do=do, target=target, **rest)  # type: ignore[arg-type]

    def _action(self) -> Rule:
        kind, text = self.tokens[0]
        if kind == "place":
            target = self._place()
            if self._word("<-", "=") == "<-":
                return self._made(Do.COPY, target, source=self._place())
            return self._made(Do.SET, target, terms=self._terms())
        self.at += 1
        if kind == "word" and text in _SIMPLE:
            return self._made(_SIMPLE[text], self._place())
        match text:
            case "move":
                source = self._place()
                self._word("to")
                return self._made(Do.MOVE, self._place(), source=source)
            case "drop":
                if self.at < len(self.tokens) and self.tokens[self.at][0] == "place":
                    return self._made(Do.DROP, self._place())
                return self._made(Do.DROP_SEGMENT, segment=self._segment())
            case "add":
                segment = self._segment()
                self._word("after")
                return self._made(Do.ADD, segment=segment, after=self._segment())
            case "strip":
                text = self._filled()
                self._word("from")
                start = self._word("start", "end") == "start"
                self._word("of")
                do = Do.STRIP_START if start else Do.STRIP_END
                return self._made(do, self._place(), texts=(text,))
            case "cut":
                target = self._place()
                self._word("to")
                do = Do.CUT_LAST if self._taken("last") else Do.CUT
                return self._made(do, target, count=self._number(9999))
            case "pad":
                target = self._place()
                self._word("to")
                count = self._number(64)
                self._word("with")
                text = self._filled()
                if len(text) != 1:
                    raise InvalidValueError("a value is padded with one character")
                return self._made(Do.PAD, target, count=count, texts=(text,))
            case "replace":
                old = self._filled()
                self._word("with")
                new = self._text()
                self._word("in")
                return self._made(Do.REPLACE, self._place(), texts=(old, new))
            case "split":
                target = self._place()
                self._word("at")
                text = self._filled()
                self._word("keep")
                return self._made(Do.SPLIT, target, texts=(text,), count=self._number(99))
        raise InvalidValueError(
            f"begins with {text[:40]}: a rule begins with a place (PID-3.4), or with move, drop, "
            "add, trim, upper, lower, digits, strip, cut, pad, replace or split"
        )

    def _terms(self) -> tuple[Term, ...]:
        if self._taken("wire"):
            return (Wire(self._filled()),)
        terms: list[Term] = []
        while True:
            is_place = self.at < len(self.tokens) and self.tokens[self.at][0] == "place"
            terms.append(self._place() if is_place else self._text())
            if not self._taken("+"):
                return tuple(terms)

    def _conditions(self, target: Place | None) -> tuple[Condition, ...]:
        if not self._taken("if"):
            return ()
        found = [self._condition(target)]
        while self._taken("and"):
            found.append(self._condition(target))
        if len(found) > MAX_CONDITIONS:
            raise InvalidValueError(f"a rule has at most {MAX_CONDITIONS} conditions")
        return tuple(found)

    def _condition(self, target: Place | None) -> Condition:
        if self._taken("no"):
            return Condition(Is.ABSENT, segment=self._segment())
        if self._peek() in ("empty", "not"):
            if target is None:
                raise InvalidValueError("empty needs a place here, as in PID-3 empty")
            test = Is.NOT_EMPTY if self._taken("not") else Is.EMPTY
            self._word("empty")
            return Condition(test)
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "word":
            segment = self._segment()
            self._word("present")
            return Condition(Is.PRESENT, segment=segment)
        place = self._place()
        word = self._word("empty", "not", "=", "!=", "in", "starts", "ends", "contains")
        match word:
            case "empty":
                return Condition(Is.EMPTY, place)
            case "not":
                if self._word("empty", "in") == "empty":
                    return Condition(Is.NOT_EMPTY, place)
                return Condition(Is.NOT_IN, place, self._values())
            case "in":
                return Condition(Is.IN, place, self._values())
            case "=":
                return Condition(Is.IN, place, (self._text(),))
            case "!=":
                return Condition(Is.NOT_IN, place, (self._text(),))
            case "contains":
                return Condition(Is.CONTAINS, place, (self._filled(),))
        self._word("with")
        test = Is.STARTS if word == "starts" else Is.ENDS
        return Condition(test, place, (self._filled(),))

    def _values(self) -> tuple[str, ...]:
        values = [self._text()]
        while self._taken(","):
            values.append(self._text())
        return tuple(values)

    def _types(self) -> frozenset[str]:
        if not self._taken("on"):
            return frozenset()
        types: list[str] = []
        while True:
            text = self._next("word", "a message such as ADT or ORM^O01")
            if not _TYPE.fullmatch(text):
                raise InvalidValueError(f"{text[:40]} is no message such as ADT or ORM^O01")
            types.append(text)
            if not self._taken(","):
                return frozenset(types)


_WHOLE = frozenset({Do.COPY, Do.MOVE, Do.DROP})


def _check(rule: Rule, conditions: Sequence[Condition]) -> None:
    """What can be read and cannot be meant."""
    readings = [rule.source, *(each.place for each in conditions), *rule.terms]
    for place in readings:
        if isinstance(place, Place) and place.repetition == EVERY:
            raise InvalidValueError(f"{place}: [*] is for the place that is changed")
    target = rule.target
    if target is None:
        return
    if target.repetition == EVERY and rule.do in (Do.MOVE, Do.COPY):
        raise InvalidValueError(f"{target}: a copy goes to one repetition")
    if rule.source == target:
        raise InvalidValueError("a value is copied to where it stands")
    wire = any(isinstance(term, Wire) for term in rule.terms)
    if rule.do not in _WHOLE and not wire and target.segment == "MSH" and target.field <= 2:
        raise InvalidValueError("the delimiters of a message stay as they are")
