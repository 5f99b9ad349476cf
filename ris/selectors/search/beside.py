"""Rows of the core among what clients sent: one search of a kept type finds both.

What clients sent is found by the index. The same conditions are asked of the core's rows here; what
the core has no word for, its rows do not fulfill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django.db.models import CharField, DateTimeField, Q, Value

from ris.domain.fhir_index import END
from ris.selectors.search import index, terms
from ris.selectors.search.engine import SortKey
from ris.selectors.search.index import Test, Token

LOINC = "http://loinc.org"

# One test of a parameter as a condition on rows.
Condition = Callable[[Test], Q]

ALL = Q(pk__isnull=False)  # an empty one would vanish beside another


def column(*columns: str) -> Condition:
    """A reference to something here."""

    def condition(test: Test) -> Q:
        if not isinstance(test, index.Target):
            return terms.NOTHING
        return terms.among(columns, (test.one,))

    return condition


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


def state(**codes: Q) -> Condition:
    """A code that stands for a state of the row; its words have _ where the code has -."""
    known = {name.replace("_", "-"): rows for name, rows in codes.items()} | {"": ALL}

    def condition(test: Test) -> Q:
        return known.get(test.code, terms.NOTHING) if isinstance(test, Token) else terms.NOTHING

    return condition


def time(field: str) -> Condition:
    """A point in time."""
    at = terms.instant(field)
    return lambda test: at(test) if isinstance(test, terms.TimeTerm) else terms.NOTHING


def passing(condition: Condition, tests: Sequence[Sequence[Test]] | None, present: Q = ALL) -> Q:
    """Rows that pass all tests of one of these; None: those that have a value at all."""
    if tests is None:
        return present
    either = terms.NOTHING
    for together in tests:
        every = ALL
        for test in together:
            every &= condition(test)
        either |= every
    return either


def sorts(columns: Mapping[str, str], own: Mapping[str, SortKey]) -> dict[str, SortKey]:
    """Sort keys of the kept ones, ``own`` where the rows have the value; what has none comes where
    nothing does (``ris.selectors.search.kept.by_index``)."""
    found: dict[str, SortKey] = {"updated": own["updated"]}
    for name, stored in columns.items():
        if name in own:
            found[name] = own[name]
        elif stored == "low":
            found[name] = Value(END, output_field=DateTimeField())
        else:
            found[name] = Value("", output_field=CharField())
    return found
