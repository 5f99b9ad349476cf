"""Keyset paging over one or several tables: stable while rows come in, and never a count.

A page is asked for by what the last row of the page before had as sort values, so a page costs the
same at the end as at the beginning (FHIR R4 3.1.1.5; spec/fhir.md S7).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import CharField, DateTimeField, F, Func, Q, QuerySet, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce

from ris.domain.fhir_index import BEGINNING, END
from ris.models.prepared import Listed
from ris.selectors.search import index, terms
from ris.selectors.search.criteria import Common
from ris.selectors.search.index import Leading
from ris.selectors.search.terms import Comparison, TimeTerm

C = TypeVar("C", bound=Common)
H = TypeVar("H")

Values = tuple[Any, ...]
SortKey = BaseExpression | F


class _AsWritten(Func):
    """A text in the order of its letters' numbers, as SQLite and Python compare them: what several
    tables have is put together here, and PostgreSQL may sort as a dictionary does."""

    arity = 1
    output_field = CharField()
    template = "%(expressions)s"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template='(%(expressions)s COLLATE "C")')


@dataclass(frozen=True, slots=True)
class OrLast:
    """A sort key of what not every row has: those without come last, upward and downward.

    FHIR R4 3.1.1.5.1 leaves the place to the server. An end of all values stands for none, since a
    page cannot go on from NULL, and the databases do not agree on where NULL is.
    """

    value: SortKey  # NULL where there is none
    ends: tuple[Any, Any] = (BEGINNING, END)

    def key(self, *, down: bool) -> SortKey:
        end = self.ends[0 if down else 1]
        if not isinstance(end, str):
            times = DateTimeField()
            return Coalesce(self.value, Value(end, output_field=times), output_field=times)
        texts = CharField()
        return _AsWritten(Coalesce(self.value, Value(end, output_field=texts), output_field=texts))


# Before and behind all texts.
TEXTS = ("", chr(0x10FFFF))
NO_TIME = OrLast(Value(None, output_field=DateTimeField()))
NO_TEXT = OrLast(Value(None, output_field=CharField()), TEXTS)


@dataclass(frozen=True, slots=True)
class Page:
    """``order`` names sort keys with "descending"; ``after`` are the values of the last row.

    ``before`` are those of a first row: asked is the page that ends there.
    """

    size: int
    order: tuple[tuple[str, bool], ...] = ()
    after: Values | None = None
    before: Values | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[H]):
    """``following`` is what the next page starts after; None if this was the last.

    ``preceding`` is what the page before ends at; None if this was the first.
    """

    hits: tuple[H, ...]
    following: Values | None = None
    preceding: Values | None = None


@dataclass(frozen=True, slots=True)
class Source(Generic[C]):
    """A table with rows for some criteria. Sort keys never give NULL; ``_id`` is added.

    ``paths`` maps a field of the criteria to the columns with the public ids it asks for, for
    searches the other way round; ``leading`` does it where no column has them. ``there`` maps a
    field to the condition that there is a value. ``newest`` is a column with an index that is never
    later than the sort key "updated", where that is worked out from several rows.
    """

    rows: Callable[[C], QuerySet[Any] | None]  # None: the criteria exclude this table
    sorts: Mapping[str, SortKey | OrLast]
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leading: Mapping[str, Leading] = field(default_factory=dict)
    there: Mapping[str, Q] = field(default_factory=dict)
    newest: str = ""

    def found(self, criteria: C) -> QuerySet[Any] | None:
        """The rows that fulfill all of the criteria."""
        rows = self.rows(criteria) if criteria.possible else None
        if rows is None:
            return None
        wanted = Q()
        for indexed in criteria.indexed:
            wanted &= terms.among(("public_id",), indexed)
        for chosen in criteria.without:
            wanted &= ~terms.among(("public_id",), (chosen,))
        for name, present in criteria.present:
            wanted &= self._has(rows, name, present)
        return rows.filter(wanted) if wanted else rows

    def _has(self, rows: QuerySet[Any], name: str, present: bool) -> Q:
        having = self.there.get(name)
        if having is None:
            having = terms.NOTHING
            for path in self.paths.get(name, ()):
                having |= Q(**{f"{path}__isnull": False})
        keys = rows.model._default_manager.filter(having).values("pk")
        return Q(pk__in=keys) if present else ~Q(pk__in=keys)

    def referred(self, criteria: C, name: str) -> list[QuerySet[Any, Any]]:
        """Public ids of what the rows refer to by a field of the criteria."""
        rows = self.found(criteria)
        if rows is None:
            return []
        if name in self.leading:
            return self.leading[name](rows)
        return [
            rows.filter(**{f"{path}__isnull": False}).order_by().values(path)
            for path in self.paths.get(name, ())
        ]


@dataclass(frozen=True, slots=True)
class Finder(Generic[C, H]):
    """Searches for one kind of thing; ``load`` takes public ids and leaves out unknown ones."""

    sources: tuple[Source[C], ...]
    load: Callable[[Sequence[str]], list[H]]

    @property
    def sorts(self) -> tuple[str, ...]:
        return ("_id", *self.sources[0].sorts)

    def search(self, criteria: C, page: Page) -> Found[H]:
        """One page: a query for the keys per table, then what ``load`` needs."""
        found = self.keys(criteria, page)
        return Found(tuple(self.load(found.hits)), found.following, found.preceding)

    def keys(self, criteria: C, page: Page) -> Found[str]:
        """The public ids of one page: a query per table."""
        alone = replace(
            page,
            after=None if page.after is None else (*page.after, "0"),
            before=None if page.before is None else (*page.before, "0"),
        )
        found = together([(self, criteria)], alone)
        return Found(
            tuple(public_id for _, public_id in found.hits),
            found.following and found.following[:-1],
            found.preceding and found.preceding[:-1],
        )

    def count(self, criteria: C) -> int:
        total = 0
        for source in self.sources:
            rows = source.found(criteria)
            if rows is not None:
                total += rows.order_by().values("pk").distinct().count()
        return total


def together(parts: Sequence[tuple[Finder[Any, Any], Any]], page: Page) -> Found[tuple[int, str]]:
    """One page of what several finders find: the number of the finder and the public id.

    Every finder must have the sort keys of the page; a query per table. Things of several kinds may
    have the same id: then the number decides, which is the last value of an edge.
    """
    back = page.before is not None
    if page.order and page.order[0][0] == "updated":
        latest_first = page.order[0][1] is not back
        edge = page.before if back else page.after
        begin = None if edge is None else edge[0]
        if isinstance(begin, datetime):  # else no edge of ours: it is refused where it is asked
            parts = _bounded(parts, begin, earlier=latest_first)
        bound = None
        if begin is None or isinstance(begin, datetime):
            bound = _bound(parts, page.size, begin, latest_first)
        if bound is not None:
            found = _merged(_bounded(parts, bound, earlier=not latest_first), page)
            if (found.preceding if back else found.following) is not None:
                return found  # a whole page and more, so nothing beyond the bound belongs to it
    return _merged(parts, page)


Parts = Sequence[tuple[Finder[Any, Any], Any]]
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta.resolution


def _bounded(parts: Parts, at: datetime, *, earlier: bool) -> Parts:
    """Only what changed last at this time or ``earlier``, or else later."""
    after = min(at, _LATEST) + timedelta.resolution
    term = (TimeTerm(Comparison.LT, after, after) if earlier else TimeTerm(Comparison.GE, at, at),)
    return [
        (finder, replace(criteria, updated=(*criteria.updated, term))) for finder, criteria in parts
    ]


def _bound(parts: Parts, size: int, edge: datetime | None, latest_first: bool) -> datetime | None:
    """A time that the next page most probably ends before; whoever uses it must look.

    When a thing last changed may be worked out from several rows, which no index knows: so not
    everything must be worked out and sorted for the twenty that changed last, or first. One column
    that is never later is known. By it, those that changed last are so many that their time is
    reached by more than a page. Those that changed first may have changed again: among twice as
    many as are shown the time is worked out, and half of them are not later than its middle.
    """
    bounds: list[datetime] = []
    for finder, criteria in parts:
        for source in finder.sources:
            rows = source.found(replace(criteria, updated=())) if source.newest else None
            if rows is None:
                continue
            newest = source.newest
            if edge is not None or not latest_first:
                rows = rows.annotate(sort_key=source.sorts["updated"])
            if latest_first:
                if edge is not None:
                    # What changed again since is on an earlier page.
                    rows = rows.filter(**{f"{newest}__lt": edge, "sort_key__lt": edge})
                times = rows.order_by(f"-{newest}").values_list(newest, flat=True)
                bounds += times[size : size + 1]
            else:
                if edge is not None:
                    rows = rows.filter(**{f"{newest}__gt": edge})
                times = rows.order_by(newest).values_list("sort_key", flat=True)[: 2 * size + 2]
                bounds += sorted(times)[size : size + 1]
    return (max if latest_first else min)(bounds, default=None)


def _merged(parts: Sequence[tuple[Finder[Any, Any], Any]], page: Page) -> Found[tuple[int, str]]:
    order = _with_id(page.order)
    back = page.before is not None
    if back:
        order = tuple((name, not down) for name, down in order)
    merged: list[tuple[Values, tuple[int, str]]] = []
    tables = 0
    numbered = list(enumerate(parts))
    edge = page.before if back else page.after
    place = -1
    if edge is not None:
        place = int(edge[-1])
        page = replace(page, before=edge[:-1]) if back else replace(page, after=edge[:-1])
    for number, (finder, criteria) in reversed(numbered) if back else numbered:
        for source in finder.sources:
            equal = edge is not None and (number < place if back else number > place)
            # What is behind a full page is not looked for: a table may have few rows that fit.
            last = merged[page.size][0][0] if len(merged) > page.size else None
            found = _keys(source, criteria, order, page, equal=equal, last=last)
            if found is not None:
                merged.extend((values, (number, public_id)) for values, public_id in found)
                tables += 1
            if tables > 1:
                merged.sort(key=cmp_to_key(_comparison(order)))
    shown = merged[: page.size]
    beyond = len(merged) > page.size
    if back:
        shown.reverse()
    following = shown and (back or beyond)
    preceding = shown and (beyond if back else page.after is not None)
    return Found(
        tuple(hit for _, hit in shown),
        _edge(shown[-1]) if following else None,
        _edge(shown[0]) if preceding else None,
    )


def _edge(hit: tuple[Values, tuple[int, str]]) -> Values:
    values, (number, _) = hit
    return (*values, str(number))


@dataclass(frozen=True, slots=True)
class Matching(Generic[C]):
    """What a search finds, in place of public ids: the targets of a chain."""

    finder: Finder[C, Any]
    criteria: C

    def rows(self) -> list[QuerySet[Any, Any]]:
        found = [source.found(self.criteria) for source in self.finder.sources]
        return [rows.order_by().values("public_id") for rows in found if rows is not None]


@dataclass(frozen=True, slots=True)
class Referred(Generic[C]):
    """What those that a search finds refer to: ``_has``.

    By a field of their criteria or, if it has a ``type``, by a parameter of the index.
    """

    finder: Finder[C, Any]
    criteria: C
    name: str
    type: str = ""
    target: str = ""

    def rows(self) -> list[QuerySet[Any, Any]]:
        if self.type:
            matching = Matching(self.finder, self.criteria).rows()
            return [
                rows
                for each in matching
                for rows in index.targets(self.type, self.name, self.target, each)
            ]
        return [
            rows
            for source in self.finder.sources
            for rows in source.referred(self.criteria, self.name)
        ]


def _with_id(order: tuple[tuple[str, bool], ...]) -> tuple[tuple[str, bool], ...]:
    """The public id makes every order total."""
    names = [name for name, _ in order]
    return order if "_id" in names else (*order, ("_id", False))


def _keys(
    source: Source[Any],
    criteria: Common,
    order: tuple[tuple[str, bool], ...],
    page: Page,
    *,
    equal: bool = False,
    last: Any = None,
) -> list[tuple[Values, str]] | None:
    """The values and ids of one page of a table; ``equal``: what equals the edge is behind it.

    Nothing behind the value ``last`` of the first sort key. None if the criteria exclude the table.
    """
    listed = _statements.of(
        source,
        (criteria, order, page, equal, last),
        lambda: _statement(source, criteria, order, page, equal=equal, last=last),
    )
    if listed is None:
        return None
    found: list[tuple[Values, str]] = []
    for *row, public_id in listed():
        values = tuple(str(v) if n == "_id" else v for v, (n, _) in zip(row, order, strict=True))
        found.append((values, str(public_id)))
    return found


def _statement(
    source: Source[Any],
    criteria: Common,
    order: tuple[tuple[str, bool], ...],
    page: Page,
    *,
    equal: bool,
    last: Any,
) -> QuerySet[Any, Any] | None:
    rows = source.found(criteria)
    if rows is None:
        return None
    names = []
    for position, (name, down) in enumerate(order):
        alias = f"sort_key_{position}"
        key = F("public_id") if name == "_id" else source.sorts[name]
        if isinstance(key, OrLast):
            # Back, what comes last is asked for first.
            key = key.key(down=down is (page.before is None))
        rows = rows.annotate(**{alias: key})
        names.append(alias)
    # Back, the order is turned around: before is after.
    edge = page.after if page.before is None else page.before
    if edge is not None:
        behind = _after(names, order, edge)
        if equal:
            behind |= Q(**dict(zip(names, edge, strict=True)))
        rows = rows.filter(behind)
    if last is not None:
        rows = rows.filter(**{f"{names[0]}__{'gte' if order[0][1] else 'lte'}": last})
    columns = rows.order_by(
        *(f"-{alias}" if down else alias for alias, (_, down) in zip(names, order, strict=True))
    ).values_list(*names, "public_id")
    return columns[: page.size + 1]


Run = Callable[[], Iterable[Sequence[Any]]]


@dataclass(slots=True)
class _Statements:
    """Statements of searches that were asked before; Django takes longer to work one out than a
    database to carry it out.

    Kept are only those that say all they ask for: criteria that cannot be compared (a search
    inside a search), or that looked something up while they were worked out, are worked out anew.
    """

    capacity: int = 500
    known: OrderedDict[Any, tuple[Source[Any], Listed | None]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(
        self, source: Source[Any], asked: Any, make: Callable[[], QuerySet[Any, Any] | None]
    ) -> Run | None:
        """What runs the statement; None if there is none."""
        vendor = connection.vendor
        key = (vendor, id(source), asked)
        try:
            with self.lock:
                found = self.known.get(key)
                if found is not None:
                    self.known.move_to_end(key)
        except TypeError:
            return _run(make())
        if found is None or found[0] is not source:
            looked_up = False

            def watch(execute: Any, *arguments: Any) -> Any:
                nonlocal looked_up
                looked_up = True
                return execute(*arguments)

            with connection.execute_wrapper(watch):
                rows = make()
                try:
                    found = (source, None if rows is None else Listed(rows))
                except EmptyResultSet:
                    return _nothing
            if not looked_up:
                with self.lock:
                    self.known[key] = found
                    while len(self.known) > self.capacity:
                        self.known.popitem(last=False)
        return None if found[1] is None else found[1].rows


_statements = _Statements()


def _run(rows: QuerySet[Any, Any] | None) -> Run | None:
    return None if rows is None else lambda: rows


def _nothing() -> Iterable[Sequence[Any]]:
    return ()


def _after(names: Sequence[str], order: tuple[tuple[str, bool], ...], after: Values) -> Q:
    """Rows behind ``after``: greater in the first key, or equal there and greater in the next."""
    found = Q(pk__in=[])
    equal = Q()
    for alias, (_, down), value in zip(names, order, after, strict=True):
        found |= equal & Q(**{f"{alias}__{'lt' if down else 'gt'}": value})
        equal &= Q(**{alias: value})
    return found


def _comparison(
    order: tuple[tuple[str, bool], ...],
) -> Callable[[tuple[Values, Any], tuple[Values, Any]], int]:
    def compare(a: tuple[Values, Any], b: tuple[Values, Any]) -> int:
        for left, right, (_, down) in zip(a[0], b[0], order, strict=True):
            if left != right:
                return (-1 if left < right else 1) * (-1 if down else 1)
        return 0

    return compare
