"""Search parameters that the index of what clients sent answers (FHIR R4 3.1.1.4).

For types the core has no table for, and for elements that the core has no place for and gives back
as they came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from integration.fhir import elements
from integration.fhir.date_parameters import DateParameter
from integration.fhir.elements import SearchParameter
from integration.fhir.parameters import (
    Criteria,
    Parameter,
    Reading,
    ReferenceParameter,
    identifier_term,
    local,
    of_type,
    plain,
    refused,
    token,
)
from ris.domain.values import fold
from ris.selectors.search import Finder, Matching, Referred
from ris.selectors.search.criteria import Common
from ris.selectors.search.index import (
    Amount,
    Indexed,
    Named,
    Pair,
    Target,
    Test,
    Token,
)
from ris.selectors.search.terms import Chosen, Comparison, TextMode, TextTerm, TimeTerm

Tests = tuple[tuple[Test, ...], ...]

_NUMBER = re.compile(
    r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?([+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedParameter(Parameter):
    """A parameter of resources of type ``kind``."""

    indexed: ClassVar[bool] = True
    negates: ClassVar[bool] = True
    kind: str

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
        name = f"{self.name}:{modifier}" if modifier in {"text", "of-type"} else self.name
        tests = tuple((self.read(value, modifier, reading),) for value in values)
        ask(into, Indexed(self.kind, name, tests), without=modifier == "not")

    def missing(self, absent: bool, into: Criteria) -> None:
        ask(into, Named(self.kind, self.name), without=absent)


def ask(into: Criteria, chosen: Chosen, *, without: bool = False) -> None:
    if without:
        into["without"] = (*into.get("without", ()), chosen)
    else:
        into["indexed"] = (*into.get("indexed", ()), (chosen,))


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedToken(IndexedParameter):
    type: ClassVar[str] = "token"

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not", "text", "of-type"})

    def read(self, value: str, modifier: str, reading: Reading) -> Test:
        if modifier == "text":
            return TextTerm(plain(value))
        if modifier == "of-type":
            system, code, number = of_type(self.name, value)
            return Token(f"{code}|{number}", system or None)
        system_, code = token(value)
        return Token(code, system_)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedString(IndexedParameter):
    type: ClassVar[str] = "string"

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "exact", "contains"})

    def read(self, value: str, modifier: str, reading: Reading) -> Test:
        modes = {"exact": TextMode.EXACT, "contains": TextMode.CONTAINS}
        return TextTerm(plain(value), modes.get(modifier, TextMode.STARTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedUri(IndexedParameter):
    type: ClassVar[str] = "uri"

    def read(self, value: str, modifier: str, reading: Reading) -> Test:
        return Token(plain(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDate(IndexedParameter):
    type: ClassVar[str] = "date"

    def read(self, value: str, modifier: str, reading: Reading) -> TimeTerm:
        return DateParameter(name=self.name, expression="").read(value, modifier, reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedNumber(IndexedParameter):
    type: ClassVar[str] = "number"

    def read(self, value: str, modifier: str, reading: Reading) -> Test:
        return amount(self.name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedQuantity(IndexedParameter):
    """``[prefix]number|system|code``; units are compared as they are, not converted."""

    type: ClassVar[str] = "quantity"

    def read(self, value: str, modifier: str, reading: Reading) -> Test:
        return quantity(self.name, value)


def quantity(name: str, value: str) -> Amount:
    number, *unit = re.split(r"(?<!\\)\|", value)
    if len(unit) not in {0, 2}:
        raise refused(name, "a quantity is number or number|system|code")
    return amount(name, number, (plain(unit[0]), plain(unit[1])) if unit else ("", ""))


def amount(name: str, text: str, unit: tuple[str, str] = ("", "")) -> Amount:
    """The interval a number means by its digits: 5.4 is from 5.35 to 5.45 (FHIR R4 3.1.1.4.2)."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise refused(name, "not a number")
    prefix = found[1] or "eq"
    try:
        value = Decimal(found[2])
    except InvalidOperation:
        raise refused(name, "not a number") from None
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    if prefix == "ap":
        slack = max(abs(value) / 10, half)
        return Amount(Comparison.EQ, float(value - slack), float(value + slack), unit)
    if prefix in {"eq", "ne"}:
        return Amount(Comparison(prefix), float(value - half), float(value + half), unit)
    # Greater and less compare with the number itself.
    exact = float(value)
    return Amount(Comparison(prefix), exact, exact, unit)


# --- reference


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedReference(ReferenceParameter):
    """A reference, also one to a resource elsewhere or a canonical address."""

    indexed: ClassVar[bool] = True
    kind: str
    element: tuple[str, ...] = ()
    targets: tuple[str, ...] = field(default=())

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "identifier", *self.targets})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
        name = self.name
        tests: Tests
        if modifier == "identifier":
            name = f"{name}:identifier"
            tests = tuple((Token(code, system),) for system, code in map(token, values))
        else:
            tests = _together([self.one(value, modifier, reading) for value in values])
        ask(into, Indexed(self.kind, name, tests))

    def one(self, value: str, kind: str, reading: Reading) -> Test:
        text = plain(value).removeprefix(f"{reading.base}/")
        found, public_id = local(text)
        if public_id and ":" not in text:
            return Target(public_id, found if not kind or kind == found else "-")
        if "/" in text or ":" in text:
            return Token(text, kind or None)
        _, public_id = local(f"Any/{text}")
        if public_id:
            return Target(public_id, kind)
        return Token(f"{kind}/{text}" if kind else text)

    def missing(self, absent: bool, into: Criteria) -> None:
        ask(into, Named(self.kind, self.name), without=absent)

    def narrow(self, chosen: Sequence[tuple[str, Chosen]], into: Criteria) -> None:
        tests: Tests = tuple((Target(each, kind),) for kind, each in chosen)
        ask(into, Indexed(self.kind, self.name, tests))

    def referred(self, finder: Finder[Any, Any], criteria: Common, kind: str) -> Chosen:
        return Referred(finder, criteria, self.name, self.kind, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedReference(IndexedReference):
    """A reference to somebody whom the core knows by number and name, in ``field`` of its criteria.

    Such a reference leads nowhere; its number is asked of the core as well as of the index.
    """

    finder: Finder[Any, Any]
    criteria: type[Common]

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        if modifier != "identifier":
            IndexedReference.apply(self, values, modifier, reading, into)
            return
        tests = tuple((Token(code, system),) for system, code in map(token, values))
        numbers = tuple(identifier_term(each, reading) for each in values)
        sent = Indexed(self.kind, f"{self.name}:identifier", tests)
        own: Criteria = {self.field: (numbers,)}
        known = Matching(self.finder, self.criteria(**own))
        into["indexed"] = (*into.get("indexed", ()), (sent, known))

    def missing(self, absent: bool, into: Criteria) -> None:
        into["present"] = (*into.get("present", ()), (self.field, not absent))


def _together(tests: Sequence[Test]) -> Tests:
    """Each test by itself, but for things of one type that are named by id."""
    ids: dict[str, list[str]] = {}
    others: list[Test] = []
    for test in tests:
        if isinstance(test, Target) and isinstance(test.one, str):
            ids.setdefault(test.type, []).append(test.one)
        else:
            others.append(test)
    named = [Target(tuple(each), kind) for kind, each in ids.items()]
    return tuple((test,) for test in (*named, *others))


# --- composite


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedComposite(IndexedParameter):
    """``token$value``, both of the same element."""

    type: ClassVar[str] = "composite"
    second: str  # the type of the second part

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
        tests = tuple(self._both(value, reading) for value in values)
        ask(into, Indexed(self.kind, self.name, tests))

    def _both(self, value: str, reading: Reading) -> tuple[Test, ...]:
        parts = re.split(r"(?<!\\)\$", value)
        if len(parts) != 2 or not all(parts):
            raise refused(self.name, "two values with $ between")
        if self.second == "reference" and _is_reference(parts[0]):
            parts.reverse()
        system, code = token(parts[0])
        if not code:
            raise refused(self.name, "the first value has no code")
        return Pair(code, system), self._second(parts[1], reading)

    def _second(self, value: str, reading: Reading) -> Test:
        match self.second:
            case "quantity":
                return quantity(self.name, value)
            case "date":
                return DateParameter(name=self.name, expression="").read(value, "", reading)
            case "string":
                return Token(fold(plain(value).strip()), starts=True)
            case "reference":
                reference = IndexedReference(name=self.name, expression="", kind=self.kind)
                return reference.one(value, "", reading)
            case _:
                system, code = token(value)
                return Token(code, system)


def _is_reference(value: str) -> bool:
    """Whether it names a resource, by an address or a bare id; a code of relations is a word."""
    return "|" not in value and ("/" in value or bool(local(f"Any/{value}")[1]))


# --- from the official definitions


_CLASSES: dict[str, type[IndexedParameter]] = {
    "token": IndexedToken,
    "string": IndexedString,
    "uri": IndexedUri,
    "date": IndexedDate,
    "number": IndexedNumber,
    "quantity": IndexedQuantity,
}


def indexed(kind: str, *names: str) -> tuple[Parameter, ...]:
    """The official parameters of these names, answered by the index."""
    known = elements.search_parameters(kind)
    return tuple(_parameter(kind, known[name]) for name in names)


def _parameter(kind: str, definition: SearchParameter) -> Parameter:
    name, expression = definition.name, definition.expression
    if definition.type == "reference":
        targets = tuple(sorted(definition.targets))
        return IndexedReference(name=name, expression=expression, kind=kind, targets=targets)
    if definition.type == "composite":
        second = elements.second_type(kind, definition)
        return IndexedComposite(name=name, expression=expression, kind=kind, second=second)
    return _CLASSES[definition.type](name=name, expression=expression, kind=kind)
