"""Rows of the core among what clients sent: one search of a kept type finds both.

What clients sent is found by the index. The same conditions are asked of the core's rows here; what
the core has no word for, its rows do not fulfill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from ris.domain.values import fold
from ris.selectors.search import index, terms
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import NO_TEXT, NO_TIME, OrLast, SortKey
from ris.selectors.search.index import Test, Token
from ris.selectors.search.kept import load as load_kept

LOINC = "http://loinc.org"
# Whose names these are (integration.fhir.systems).
AE_TITLE = "urn:ris:ae-title"
LOGIN = "urn:ris:issuer:RIS"

# One test of a parameter as a condition on rows.
Condition = Callable[[Test], Q]
# Parameter → what passes a test of it, and what has a value at all.
Conditions = Mapping[str, tuple[Condition, Q]]

ALL = Q(pk__isnull=False)  # an empty one would vanish beside another


class Column:
    """A reference to something here: a condition that also leads there."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns

    def __call__(self, test: Test) -> Q:
        if not isinstance(test, index.Target):
            return terms.NOTHING
        return test.among(*self._columns)

    def each(self) -> list[Condition]:
        """A condition for each column: rows are looked up by one index, not by one or another."""
        return [Column(column) for column in self._columns]

    def targets(self, rows: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
        """Public ids of what the rows refer to."""
        return [
            rows.filter(**{f"{each}__isnull": False}).order_by().values(each)
            for each in self._columns
        ]


class Typed(Column):
    """The same where each column has the ids of one type: a report may be named as its exam is."""

    def __init__(self, types: Mapping[str, str]) -> None:
        super().__init__(*types)
        self._types = types

    def __call__(self, test: Test) -> Q:
        if not isinstance(test, index.Target):
            return terms.NOTHING
        columns = [each for each, kind in self._types.items() if test.type in {"", kind}]
        return test.among(*columns) if columns else terms.NOTHING

    def each(self) -> list[Condition]:
        return [Typed({column: kind}) for column, kind in self._types.items()]


class Reference:
    """The same where no column has the public id: ``targets`` are those the rows refer to."""

    def __init__(self, condition: Callable[[index.Target], Q], targets: index.Leading) -> None:
        self._condition = condition
        self.targets = targets

    def __call__(self, test: Test) -> Q:
        return self._condition(test) if isinstance(test, index.Target) else terms.NOTHING


def constant(*codes: tuple[str, str], rows: Q = ALL) -> Condition:
    """Codes that all ``rows`` have."""

    def condition(test: Test) -> Q:
        if not isinstance(test, Token):
            return terms.NOTHING
        known = any(
            test.code in {"", code} and test.system in {None, system} for system, code in codes
        )
        return rows if known else terms.NOTHING

    return condition


def plain(code: str) -> Condition:
    """A code of one known system, which is not named; all rows have it."""
    return state(**{code: ALL})


def state(**codes: Q) -> Condition:
    """A code that stands for a state of the row; its words have _ where the code has -."""
    known = {name.replace("_", "-"): rows for name, rows in codes.items()} | {"": ALL}

    def condition(test: Test) -> Q:
        return known.get(test.code, terms.NOTHING) if isinstance(test, Token) else terms.NOTHING

    return condition


def words(*said: str, rows: Q = ALL) -> Condition:
    """Words that all ``rows`` are shown with, from their beginning."""
    known = [fold(each) for each in said]

    def condition(test: Test) -> Q:
        if not isinstance(test, terms.TextTerm):
            return terms.NOTHING
        key = fold(test.text.strip())
        found = bool(key) and any(each.startswith(key) for each in known)
        return rows if found else terms.NOTHING

    return condition


def number(field: str, system: str) -> Condition:
    """Numbers or names that one system gives."""

    def condition(test: Test) -> Q:
        if not isinstance(test, Token) or test.system not in {None, system}:
            return terms.NOTHING
        return Q(**{field: test.code}) if test.code else ~Q(**{field: ""})

    return condition


def unnamed(test: Test) -> Q:
    """Somebody or something that is shown by name alone: no question names it."""
    return terms.NOTHING


def time(field: str) -> Condition:
    """A point in time."""
    at = terms.instant(field)
    return lambda test: at(test) if isinstance(test, terms.TimeTerm) else terms.NOTHING


def answer(kind: str, *tables: tuple[Callable[[], QuerySet[Any, Any]], Conditions]) -> None:
    """The rows of these tables are found by the parameters of a kept type."""
    for name in {name for _, conditions in tables for name in conditions}:
        index.BESIDE[kind, name] = _asked(name, tables)
        index.LEADING[kind, name] = _leading(name, tables)


def _leading(
    parameter: str, tables: Sequence[tuple[Callable[[], QuerySet[Any, Any]], Conditions]]
) -> index.Leading:
    columns = [
        (table, conditions[parameter][0]) for table, conditions in tables if parameter in conditions
    ]

    def found(sources: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
        return [
            led
            for table, condition in columns
            if isinstance(condition, Column | Reference)
            for led in condition.targets(table().filter(public_id__in=sources))
        ]

    return found


def _asked(
    parameter: str, tables: Sequence[tuple[Callable[[], QuerySet[Any, Any]], Conditions]]
) -> index.Beside:
    def found(tests: Sequence[Sequence[Test]] | None) -> list[QuerySet[Any, Any]]:
        return [
            table().filter(rows).values("public_id")
            for table, conditions in tables
            if parameter in conditions
            for rows in _passing(*conditions[parameter], tests)
        ]

    return found


def _passing(condition: Condition, present: Q, tests: Sequence[Sequence[Test]] | None) -> list[Q]:
    """Rows that pass all tests of one of these; None: those that have a value at all."""
    if tests is None:
        return [present]
    # References are tested one by one: composites have none among their parts.
    each = condition.each() if isinstance(condition, Column) else [condition]
    return [_fulfilled(one, tests) for one in each]


def _fulfilled(condition: Condition, tests: Sequence[Sequence[Test]]) -> Q:
    either = terms.NOTHING
    for together in tests:
        every = ALL
        for test in together:
            every &= condition(test)
        either |= every
    return either


def rows(
    table: QuerySet[Any, Any],
    updated: SortKey,
    criteria: KeptCriteria,
    keys: Callable[[terms.Within], QuerySet[Any, Any]] | None = None,
    own: str = "updated_at",
) -> QuerySet[Any, Any]:
    """Those with the ids and the time of the last change (``updated``) that are asked for; ``keys``
    are those of what changed then, where no index knows that time, and ``own`` is a part of it."""
    found = terms.keys("public_id", criteria.public_ids)
    if criteria.updated:
        if keys is not None:
            found &= terms.changed(criteria.updated, keys, own)
        table = table.annotate(last_change=updated)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return table.filter(found)


def load(
    kind: str, public_ids: Sequence[str], *others: Callable[[Sequence[str]], Mapping[str, Any]]
) -> list[Any]:
    """What clients sent, then of ``others`` what is missing still; in the order asked for."""
    found: dict[str, Any] = {each.public_id: each for each in load_kept(kind, public_ids)}
    for other in others:
        missing = [each for each in public_ids if each not in found]
        if missing:
            found.update(other(missing))
    return [found[each] for each in public_ids if each in found]


def sorts(
    columns: Mapping[str, str], own: Mapping[str, SortKey | OrLast]
) -> dict[str, SortKey | OrLast]:
    """Sort keys of the kept ones, ``own`` where the rows have the value."""
    found: dict[str, SortKey | OrLast] = {"updated": own["updated"]}
    for name, stored in columns.items():
        if name in own:
            found[name] = own[name]
        else:
            found[name] = NO_TIME if stored == "low" else NO_TEXT
    return found
