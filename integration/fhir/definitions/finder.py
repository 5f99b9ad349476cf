"""Searches in definitions: a few hundred resources that are made once and never stored.

They are found by what the official search parameters read out of them, as the index of stored
resources is made (:mod:`integration.fhir.indexing`); only that the index is a list in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from integration.fhir import indexing
from integration.fhir.from_domain.datatypes import Resource
from ris.domain.fhir_index import ANY_SYSTEM, IndexEntry
from ris.domain.values import fold
from ris.selectors.search import Found, Matching, Page
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import Finder
from ris.selectors.search.index import Indexed, Named, Test, Token
from ris.selectors.search.terms import Chosen, Comparison, TextMode, TextTerm, TimeTerm

Made = Callable[[], Iterable[Resource]]


@dataclass(frozen=True)
class Shelf:
    """The definitions of one type, by id."""

    kind: str
    make: Made

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        found = sorted(self.make(), key=lambda each: str(each["id"]))
        return {each["id"]: each for each in found}

    def load(self, public_ids: Sequence[str]) -> list[Resource]:
        return [self.resources[each] for each in public_ids if each in self.resources]

    @cached_property
    def entries(self) -> Mapping[str, tuple[IndexEntry, ...]]:
        names = indexing.names_of(self.kind)
        return {
            public_id: indexing.entries_of(self.kind, resource, names)
            for public_id, resource in self.resources.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions(Finder[KeptCriteria, Resource]):
    """Finds what is on one shelf. No table, so no subquery leads here."""

    shelf: Shelf

    @property
    def sorts(self) -> tuple[str, ...]:
        return ("_id", "updated", "date")

    def search(self, criteria: KeptCriteria, page: Page) -> Found[Resource]:
        found = self.keys(criteria, page)
        return Found(tuple(self.load(found.hits)), found.following, found.preceding)

    def keys(self, criteria: KeptCriteria, page: Page) -> Found[str]:
        names = [name for name, _ in page.order]
        down = dict(page.order).get("_id", False)
        if "_id" not in names:
            names.append("_id")
        found = self._matching(criteria)
        if down:
            found.reverse()
        edge = page.after if page.before is None else page.before
        if edge is not None:
            last = str(edge[names.index("_id")])
            onward = (page.before is None) != down
            found = [each for each in found if (each > last if onward else each < last)]
        back = page.before is not None
        shown = found[-page.size :] if back else found[: page.size]
        beyond = len(found) > page.size
        following = shown and (back or beyond)
        preceding = shown and (beyond if back else page.after is not None)
        return Found(
            tuple(shown),
            self._edge(shown[-1], names) if following else None,
            self._edge(shown[0], names) if preceding else None,
        )

    def count(self, criteria: KeptCriteria) -> int:
        return len(self._matching(criteria))

    def _edge(self, public_id: str, names: Sequence[str]) -> tuple[Any, ...]:
        """All were made at the same time: what is sorted by is the id."""
        at = _changed(self.shelf.resources[public_id])
        return tuple(public_id if name == "_id" else at for name in names)

    def _matching(self, criteria: KeptCriteria) -> list[str]:
        return [each for each in self.shelf.resources if self.passes(each, criteria)]

    def passes(self, public_id: str, criteria: KeptCriteria) -> bool:
        resource = self.shelf.resources[public_id]
        at = _changed(resource)
        return (
            criteria.possible
            and all(any(self._is(public_id, one) for one in each) for each in criteria.public_ids)
            and all(any(_within(at, at, term) for term in each) for each in criteria.updated)
            and all(any(self._is(public_id, one) for one in each) for each in criteria.indexed)
            and not any(self._is(public_id, one) for one in criteria.without)
            # An id and a time of the last change are what every definition has.
            and all(present for _, present in criteria.present)
        )

    def _is(self, public_id: str, one: str | Chosen) -> bool:
        """Whether it is the one of this id, or among those that were chosen."""
        if isinstance(one, str):
            return one == public_id
        if isinstance(one, Matching):
            other = one.finder
            mine = isinstance(other, Definitions) and other.shelf == self.shelf
            return mine and self.passes(public_id, one.criteria)
        if isinstance(one, Indexed | Named) and one.type == self.shelf.kind:
            entries = self.shelf.entries[public_id]
            values = [each for each in entries if each.parameter == one.parameter]
            if isinstance(one, Named):
                return bool(values)
            return any(
                all(_passes(each, test) for test in together)
                for each in values
                for together in one.tests
            )
        return False


def _changed(resource: Resource) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


def _passes(entry: IndexEntry, test: Test) -> bool:
    match test:
        case Token():
            code = entry.code.startswith(test.code) if test.starts else entry.code == test.code
            return (code or not test.code) and (
                test.system is None or entry.system in {test.system, ANY_SYSTEM}
            )
        case TextTerm():
            return _reads(entry, test)
        case TimeTerm():
            low, high = entry.low, entry.high
            return low is not None and high is not None and _within(low, high, test)
        case _:
            return False  # definitions hold no quantities, and lead nowhere by an id


def _reads(entry: IndexEntry, term: TextTerm) -> bool:
    if term.mode is TextMode.EXACT:
        return entry.code == term.text
    key = fold(term.text.strip())
    at = entry.text.find(key) if key else -1
    return at >= 0 if term.mode is TextMode.CONTAINS else at == 0


def _within(low: datetime, high: datetime, term: TimeTerm) -> bool:
    """An interval against a comparison (FHIR R4 3.1.1.4.5)."""
    inside = term.low <= low and high <= term.high
    return {
        Comparison.EQ: inside,
        Comparison.NE: not inside,
        Comparison.GT: high > term.high,
        Comparison.LT: low < term.low,
        Comparison.GE: high > term.high or inside,
        Comparison.LE: low < term.low or inside,
        Comparison.SA: low >= term.high,
        Comparison.EB: high <= term.low,
    }[term.comparison]
