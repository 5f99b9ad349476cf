"""Conditions on the index of what FHIR clients sent (FHIR R4 3.1.1.4).

One row of the index holds one value of one parameter, so that a composite, whose parts must hold
for the same element, is one row with both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from ris.domain.fhir_index import ANY_SYSTEM, MAX_TEXT
from ris.domain.values import fold
from ris.models import FhirIndex, FhirOverlay, FhirResource
from ris.selectors.search import terms
from ris.selectors.search.terms import Chosen, Comparison, TextMode, TextTerm, TimeTerm


@dataclass(frozen=True, slots=True)
class Token:
    """``system`` None is any system, an empty ``code`` any code."""

    code: str
    system: str | None = None
    starts: bool = False  # from its beginning, as a text inside a composite is compared


@dataclass(frozen=True, slots=True)
class Pair:
    """The token that is the first part of a composite; ``system`` None is any system."""

    code: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """A comparison with the numbers [low, high); a ``unit`` is (system, code), either may be ""."""

    comparison: Comparison
    low: float
    high: float
    unit: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Target:
    """A reference to something here, by public id; ``type`` "" is any type.

    Several that will do are one test: a condition for each would be more than SQLite takes.
    """

    one: str | Chosen | tuple[str, ...]
    type: str = ""

    def among(self, *columns: str) -> Q:
        ones = self.one if isinstance(self.one, tuple) else (self.one,)
        return terms.among(columns, ones)


Test = Token | Pair | TextTerm | TimeTerm | Amount | Target


# Things of the core among those that clients sent: (type, parameter) → public ids of what passes
# the tests, or of what has a value at all.
Beside = Callable[[Sequence[Sequence[Test]] | None], list[QuerySet[Any, Any]]]
BESIDE: dict[tuple[str, str], Beside] = {}

# From rows to the public ids of what they refer to.
Leading = Callable[[QuerySet[Any, Any]], list[QuerySet[Any, Any]]]
# Where things of the core lead by a reference: (type, parameter) → what those with these public ids
# refer to.
LEADING: dict[tuple[str, str], Leading] = {}


def _beside(
    kind: str, parameter: str, tests: Sequence[Sequence[Test]] | None
) -> list[QuerySet[Any, Any]]:
    found = BESIDE.get((kind, parameter))
    return found(tests) if found is not None else []


@dataclass(frozen=True, slots=True)
class Indexed:
    """One value of ``parameter`` of a resource of ``type`` passes all of one row of ``tests``."""

    type: str
    parameter: str
    tests: tuple[tuple[Test, ...], ...]

    def rows(self) -> list[QuerySet[Any, Any]]:
        """Public ids of the resources."""
        either = terms.NOTHING
        for together in self.tests:
            every = Q()
            for test in together:
                every &= _condition(test)
            either |= every
        found = values_of(self.type, self.parameter).filter(either)
        return [found.values("public_id"), *_beside(self.type, self.parameter, self.tests)]


@dataclass(frozen=True, slots=True)
class Named:
    """Resources of ``type`` that have a value of ``parameter`` at all."""

    type: str
    parameter: str

    def rows(self) -> list[QuerySet[Any, Any]]:
        # A code in words alone, or somebody by number alone, is a value as well.
        names = [self.parameter, *(f"{self.parameter}:{each}" for each in ("text", "identifier"))]
        found = FhirIndex.objects.filter(type=self.type, parameter__in=names).values("public_id")
        return [found, *_beside(self.type, self.parameter, None)]


def values_of(kind: str, parameter: str) -> QuerySet[FhirIndex]:
    return FhirIndex.objects.filter(type=kind, parameter=parameter)


def targets(
    kind: str, parameter: str, target: str, sources: QuerySet[Any, Any]
) -> list[QuerySet[Any, Any]]:
    """What of type ``target`` the resources with the public ids ``sources`` refer to.

    What the core's rows lead to is not asked for its type: a public id is of one thing.
    """
    found = values_of(kind, parameter).filter(target__isnull=False, public_id__in=sources)
    sent = (found.filter(system=target) if target else found).values("target")
    leading = LEADING.get((kind, parameter))
    return [sent, *(leading(sources) if leading is not None else [])]


def stored() -> Iterator[tuple[str, str]]:
    """(type, public id) of everything that has rows in the index, and of what may need some."""
    for rows in (FhirResource.objects, FhirOverlay.objects):
        named = rows.order_by("pk").values_list("type", "public_id")
        for kind, public_id in named.iterator(chunk_size=1000):
            yield kind, str(public_id)


def _condition(test: Test) -> Q:
    match test:
        case Token():
            found = Q()
            if test.starts:
                found = Q(code__startswith=test.code[:MAX_TEXT])
            elif test.code:
                found = Q(code=test.code[:MAX_TEXT])
            if test.system is not None:
                # A code of one known system does not name it (FHIR R4 2.24.0.2).
                found &= Q(system__in=[test.system[:MAX_TEXT], ANY_SYSTEM])
            return found
        case Pair():
            if test.system is None:
                return Q(text__endswith=f"|{test.code}"[:MAX_TEXT])
            return Q(text=f"{test.system}|{test.code}"[:MAX_TEXT])
        case TextTerm():
            return _text(test)
        case TimeTerm():
            return _date(test)
        case Amount():
            return _amount(test)
        case Target():
            found = test.among("target")
            return found & Q(system=test.type) if test.type else found


def _text(term: TextTerm) -> Q:
    if term.mode is TextMode.EXACT:
        return Q(code=term.text[:MAX_TEXT])
    key = fold(term.text.strip())[:MAX_TEXT]
    if not key:
        return terms.NOTHING
    if term.mode is TextMode.CONTAINS:
        return Q(text__contains=key)
    found = Q(text__startswith=key)
    if connection.vendor == "sqlite":
        # LIKE knows no case there and uses no index; texts are compared by their bytes.
        found &= Q(text__gte=key, text__lt=key + chr(0x10FFFF))
    return found


def _date(term: TimeTerm) -> Q:
    low, high = term.low, term.high
    inside = Q(low__gte=low, high__lte=high)
    match term.comparison:
        case Comparison.EQ:
            return inside
        case Comparison.NE:
            return Q(low__lt=low) | Q(high__gt=high)
        case Comparison.GT:
            return Q(high__gt=high)
        case Comparison.LT:
            return Q(low__lt=low)
        case Comparison.GE:
            return Q(high__gt=high) | inside
        case Comparison.LE:
            return Q(low__lt=low) | inside
        case Comparison.SA:
            return Q(low__gte=high)
        case Comparison.EB:
            return Q(high__lte=low)


def _amount(term: Amount) -> Q:
    low, high = term.low, term.high
    match term.comparison:
        case Comparison.EQ:
            found = Q(number__gte=low, number__lt=high)
        case Comparison.NE:
            found = Q(number__lt=low) | Q(number__gte=high)
        case Comparison.GT | Comparison.SA:
            found = Q(number__gt=high)
        case Comparison.LT | Comparison.EB:
            found = Q(number__lt=low)
        case Comparison.GE:
            found = Q(number__gte=low)
        case Comparison.LE:
            found = Q(number__lte=high)
    system, unit = term.unit
    if system:
        found &= Q(system=system)
    if unit:
        # Of one without a system the text of the unit counts as well (FHIR R4 3.1.1.4.11).
        found &= Q(code=unit) if system else Q(code=unit) | Q(text=fold(unit))
    return found


__all__ = [
    "BESIDE",
    "LEADING",
    "Amount",
    "Beside",
    "Indexed",
    "Leading",
    "Named",
    "Pair",
    "Target",
    "Test",
    "Token",
    "stored",
    "targets",
    "values_of",
]
