"""What a search asks of one field, independent of any protocol, and how the database is asked.

Criteria hold :data:`Terms`: every inner tuple must match (AND), one of its members suffices (OR).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Concat, StrIndex
from django.db.models.lookups import GreaterThan

from ris.domain.values import fold

T = TypeVar("T")
Terms = tuple[tuple[T, ...], ...]

NOTHING = Q(pk__in=[])

# Issuers, for an IdentifierTerm, of what is unique without one: DICOM UIDs and our own ids.
UID = "urn:dicom:uid"
NO_TYPE = "-"  # the type of an IdentifierTerm that nothing here has
PROCEDURE_ID = "urn:ris:procedure-id"
STEP_ID = "urn:ris:step-id"


class Comparison(StrEnum):
    """How a time is compared (FHIR R4 3.1.1.4.5 has the same words)."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"


class TextMode(StrEnum):
    STARTS = "starts"
    CONTAINS = "contains"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class IdentifierTerm:
    """A number of an issuer; ``issuer`` None is any issuer, an empty ``value`` any number.

    ``type`` is a code of HL7 table 0203, such as MR or ACSN; empty is any type.
    """

    value: str
    issuer: str | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class CodeTerm:
    """A code of some schemes; ``schemes`` None is any scheme, an empty ``value`` any code.

    ``meaning`` asks for words instead, from the beginning.
    """

    value: str
    schemes: tuple[str, ...] | None = None
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class TextTerm:
    text: str
    mode: TextMode = TextMode.STARTS


@dataclass(frozen=True, slots=True)
class TimeTerm:
    """A comparison with the interval [low, high): a day is the interval it lasts."""

    comparison: Comparison
    low: datetime
    high: datetime


@dataclass(frozen=True, slots=True)
class DateTerm:
    """A comparison of partial ISO dates (1970, 1970-05, 1970-05-03)."""

    comparison: Comparison
    text: str


class Chosen(Protocol):
    """Things found by another search, in place of their public ids: a subquery, never a list."""

    def rows(self) -> list[QuerySet[Any, Any]]:
        """Public ids, of one column each; any of them may hold one."""
        ...


# Public ids, or what finds them.
Ids = Terms[str | Chosen]


def every(terms: Terms[T], condition: Callable[[T], Q]) -> Q:
    """The condition of all terms together."""
    found = Q()
    for alternatives in terms:
        either = NOTHING
        for term in alternatives:
            either |= condition(term)
        found &= either
    return found


def keys(field: str, terms: Ids) -> Q:
    """Public ids; what is no id matches nothing."""
    found = Q()
    for alternatives in terms:
        found &= among((field,), alternatives)
    return found


def among(fields: Iterable[str], alternatives: Iterable[str | Chosen]) -> Q:
    """One of these fields holds one of these public ids."""
    ids: list[str] = []
    others: list[QuerySet[Any, Any]] = []
    for each in alternatives:
        if isinstance(each, str):
            ids.append(each)
        else:
            others += [rows.order_by() for rows in each.rows()]
    listed = list(as_keys(ids))
    # As one set: from it PostgreSQL looks rows up, where for one set or another it reads them all.
    chosen = others[0].union(*others[1:], all=True) if len(others) > 1 else None
    found = NOTHING
    for field in fields:
        if listed:
            found |= Q(**{f"{field}__in": listed})
        if others:
            found |= Q(**{f"{field}__in": others[0] if chosen is None else chosen})
    return found


def as_keys(texts: Iterable[str]) -> Iterable[uuid.UUID]:
    for text in texts:
        try:
            yield uuid.UUID(text)
        except ValueError:
            continue


def identifier(value_field: str, issuer_field: str) -> Callable[[IdentifierTerm], Q]:
    def condition(term: IdentifierTerm) -> Q:
        found = Q(**{value_field: term.value}) if term.value else ~Q(**{value_field: ""})
        if term.issuer is not None:
            found &= Q(**{issuer_field: term.issuer})
        return found

    return condition


def code(value_field: str, scheme_field: str) -> Callable[[CodeTerm], Q]:
    """A code; the field with its meaning is named like that with its value."""
    meaning_field = value_field.removesuffix("value") + "meaning"

    def condition(term: CodeTerm) -> Q:
        if term.meaning:
            return Q(**{f"{meaning_field}__istartswith": term.meaning})
        found = Q(**{value_field: term.value}) if term.value else ~Q(**{value_field: ""})
        if term.schemes is not None:
            found &= Q(**{f"{scheme_field}__in": list(term.schemes)})
        return found

    return condition


def text(field: str) -> Callable[[TextTerm], Q]:
    """A plain text column: exact as written, otherwise without regard to case."""
    lookups = {
        TextMode.EXACT: "exact",
        TextMode.CONTAINS: "icontains",
        TextMode.STARTS: "istartswith",
    }
    return lambda term: Q(**{f"{field}__{lookups[term.mode]}": term.text})


def part(field: str) -> Callable[[TextTerm], Q]:
    """A text that is several in one, such as an address: any part of it, exact only as a whole."""
    return lambda term: (
        Q(**{f"{field}__exact": term.text})
        if term.mode is TextMode.EXACT
        else Q(**{f"{field}__icontains": term.text})
    )


def family(term: TextTerm) -> Q:
    """A family name in any writing; ``name_key`` is the folded DICOM form, groups joined by =."""
    if term.mode is TextMode.EXACT:
        return component("name", term.text, first=True)
    key = _folded(term.text)
    if not key:
        return NOTHING
    if term.mode is TextMode.CONTAINS:
        return Q(name_key__contains=key)
    return Q(name_key__startswith=key) | Q(name_key__contains=f"={key}")


def given(term: TextTerm) -> Q:
    """A given or later part of the name."""
    if term.mode is TextMode.EXACT:
        return component("name", term.text, first=False)
    key = _folded(term.text)
    if not key:
        return NOTHING
    if term.mode is TextMode.CONTAINS:
        return Q(name_key__contains=key)
    return Q(name_key__contains=f"^{key}")


def any_name(term: TextTerm) -> Q:
    return family(term) | given(term)


def _folded(text: str) -> str:
    return fold(text.replace("^", " ").replace("=", " ").strip())


def component(field: str, text: str, *, first: bool) -> Q:
    """A whole component of a name as it was written, the first of a writing or a later one.

    Not LIKE, which takes no notice of case on SQLite; and never a regular expression made of what
    a peer sends.
    """
    if not text or "^" in text or "=" in text:
        return NOTHING
    padded = Concat(Value("="), F(field), Value("="), output_field=CharField())
    start = "=" if first else "^"
    found = NOTHING
    for end in "^=":
        found |= Q(GreaterThan(StrIndex(padded, Value(f"{start}{text}{end}")), 0))
    return found


def instant(field: str) -> Callable[[TimeTerm], Q]:
    """A point in time against an interval."""

    def condition(term: TimeTerm) -> Q:
        below, from_low = Q(**{f"{field}__lt": term.low}), Q(**{f"{field}__gte": term.low})
        within, above = Q(**{f"{field}__lt": term.high}), Q(**{f"{field}__gte": term.high})
        match term.comparison:
            case Comparison.EQ:
                return from_low & within
            case Comparison.NE:
                return below | above
            case Comparison.GT | Comparison.SA:
                return above
            case Comparison.LT | Comparison.EB:
                return below
            case Comparison.GE:
                return from_low
            case Comparison.LE:
                return within

    return condition


# Not earlier than the interval begins, and earlier than it begins or ends.
_LATER = frozenset({Comparison.GE, Comparison.GT, Comparison.SA, Comparison.EQ})
_BEFORE = frozenset({Comparison.LT, Comparison.EB})
_EARLIER = _BEFORE | {Comparison.LE, Comparison.EQ}

# A column with a time → the condition that it lies within what is asked.
Within = Callable[[str], Q]


def changed(
    terms: Terms[TimeTerm],
    keys: Callable[[Within], QuerySet[Any, Any]],
    own: str = "updated_at",
) -> Q:
    """Among what may have changed when it is asked; ``keys`` gives primary keys by index.

    When a thing last changed is the greatest of several rows' times, which no index knows: so a
    client that asks for the changes of the last minute, or for the oldest, must not have everything
    worked out. The greatest lies within only where one of the rows does: ``keys`` are of those. It
    is early only where the ``own`` row is, whose column is enough where nothing is too early.
    """
    low, high = _bounds(terms)
    if low is not None:
        return Q(pk__in=keys(_within(low, high)))
    return Q(**{f"{own}__lt": high}) if high is not None else Q()


def _bounds(terms: Terms[TimeTerm]) -> tuple[datetime | None, datetime | None]:
    """From when, and until before when, all that is asked lies."""
    lows, highs = [], []
    for alternatives in terms:
        comparisons = {term.comparison for term in alternatives}
        if alternatives and comparisons <= _LATER:
            lows.append(min(term.low for term in alternatives))
        if alternatives and comparisons <= _EARLIER:
            highs.append(
                max(term.low if term.comparison in _BEFORE else term.high for term in alternatives)
            )
    return max(lows, default=None), min(highs, default=None)


def _within(low: datetime, high: datetime | None) -> Within:
    def within(column: str) -> Q:
        found = Q(**{f"{column}__gte": low})
        return found if high is None else found & Q(**{f"{column}__lt": high})

    return within


def touched(rows: QuerySet[Any]) -> Callable[[Within], QuerySet[Any, Any]]:
    """The keys of ``rows`` that changed then, for :func:`changed`."""
    return lambda then: rows.filter(then("updated_at")).values("pk")


def period(start_field: str, end_field: str) -> Callable[[TimeTerm], Q]:
    """An interval against an interval; an end that is not there yet is later than anything."""

    def condition(term: TimeTerm) -> Q:
        inside = Q(**{f"{start_field}__gte": term.low, f"{end_field}__lte": term.high})
        ends_above = Q(**{f"{end_field}__gt": term.high}) | Q(**{f"{end_field}__isnull": True})
        starts_below = Q(**{f"{start_field}__lt": term.low})
        match term.comparison:
            case Comparison.EQ:
                return inside
            case Comparison.NE:
                return ends_above | starts_below
            case Comparison.GT:
                return ends_above
            case Comparison.LT:
                return starts_below
            case Comparison.GE:
                return ends_above | inside
            case Comparison.LE:
                return starts_below | inside
            case Comparison.SA:
                return Q(**{f"{start_field}__gte": term.high})
            case Comparison.EB:
                return Q(**{f"{end_field}__lte": term.low})

    return condition


def partial_date(field: str) -> Callable[[DateTerm], Q]:
    """A partial date against a partial date; both are the interval of days they may mean.

    ISO dates sort as texts, and a shorter date is a prefix of every day in it.
    """

    def condition(term: DateTerm) -> Q:
        known = ~Q(**{field: ""})
        wider = Q(**{f"{field}__in": [term.text[:4], term.text[:7]]}) & ~Q(
            **{f"{field}__startswith": term.text}
        )
        inside = Q(**{f"{field}__startswith": term.text})
        below = Q(**{f"{field}__lt": term.text})  # a wider date sorts before its own days
        above = Q(**{f"{field}__gt": term.text + "~"}) | wider
        match term.comparison:
            case Comparison.EQ:
                return inside
            case Comparison.NE:
                return known & ~inside
            case Comparison.GT:
                return known & above
            case Comparison.LT:
                return known & below
            case Comparison.GE:
                return known & (above | inside)
            case Comparison.LE:
                return known & (below | inside)
            case Comparison.SA:
                return known & above & ~wider
            case Comparison.EB:
                return known & below & ~wider

    return condition


def product(fields: tuple[str, ...], rows: frozenset[Any]) -> Q:
    """The rows of a table over several columns as one condition.

    A row is a value, or a tuple with one value per field; None stands for "no such row beside".
    """
    tuples = {tuple(row) if isinstance(row, tuple) else (row,) for row in rows}
    return _product(fields, tuples)


def _product(fields: tuple[str, ...], rows: set[tuple[Any, ...]]) -> Q:
    field, rest = fields[0], fields[1:]
    if not rest:
        return _one_of(field, [row[0] for row in rows])
    # Values that go with the same rest share one condition.
    tails: dict[Any, set[tuple[Any, ...]]] = {}
    for head, *tail in rows:
        tails.setdefault(head, set()).add(tuple(tail))
    grouped: dict[frozenset[tuple[Any, ...]], list[Any]] = {}
    for head, tail_rows in tails.items():
        grouped.setdefault(frozenset(tail_rows), []).append(head)
    found = NOTHING
    for following, heads in grouped.items():
        found |= _one_of(field, heads) & _product(rest, set(following))
    return found


def _one_of(field: str, values: list[Any]) -> Q:
    present = [getattr(value, "value", value) for value in values if value is not None]
    found = Q(**{f"{field}__in": present}) if present else NOTHING
    if None in values:
        found |= Q(**{f"{field}__isnull": True})
    return found
