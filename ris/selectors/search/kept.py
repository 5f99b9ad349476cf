"""Resources kept as FHIR clients sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.db.models import CharField, DateTimeField, F, OuterRef, QuerySet, Subquery

from ris.models import FhirIndex, FhirResource
from ris.selectors.search import terms
from ris.selectors.search.criteria import Common, KeptCriteria
from ris.selectors.search.engine import TEXTS, Finder, OrLast, SortKey, Source
from ris.selectors.search.views import KeptHit

C = TypeVar("C", bound=Common)
H = TypeVar("H")

SORTS: dict[str, SortKey] = {"updated": F("updated_at")}


def rows(kind: str, criteria: Common) -> QuerySet[FhirResource] | None:
    """What is there of a type and not deleted."""
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return FhirResource.objects.filter(found, type=kind, deleted_at=None)


def load(kind: str, public_ids: Sequence[str]) -> list[KeptHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    found = {
        str(row.public_id): to_hit(row)
        for row in FhirResource.objects.filter(
            type=kind, public_id__in=keys, deleted_at=None
        ).select_related("patient")
    }
    return [found[each] for each in public_ids if each in found]


def to_hit(row: FhirResource) -> KeptHit:
    return KeptHit(
        type=row.type,
        public_id=str(row.public_id),
        version=row.version,
        updated_at=row.updated_at,
        patient=str(row.patient.public_id) if row.patient else "",
        content=row.content,
        source=row.source,
    )


def by_index(kind: str, parameter: str, column: str) -> OrLast:
    """A sort key: the smallest value of a parameter."""
    values: QuerySet[Any, Any] = FhirIndex.objects.filter(
        type=kind, parameter=parameter, public_id=OuterRef("public_id")
    )
    first = values.order_by(column).values(column)[:1]
    if column == "low":
        return OrLast(Subquery(first, output_field=DateTimeField()))
    return OrLast(Subquery(first, output_field=CharField()), TEXTS)


def sorted_too(finder: Finder[C, H], kind: str, dates: Iterable[str]) -> Finder[C, H]:
    """The finder of a type of the core, also sorted by dates that only clients tell of it."""
    sources = tuple(
        replace(
            source, sorts={**source.sorts, **{each: by_index(kind, each, "low") for each in dates}}
        )
        for source in finder.sources
    )
    return replace(finder, sources=sources)


def kept(kind: str, sorts: Mapping[str, str] | None = None) -> Finder[KeptCriteria, KeptHit]:
    """Finds the kept resources of one type; ``sorts`` are parameters with the column of the index
    they sort by. Everything but id and time is asked of the index."""
    keys: dict[str, SortKey | OrLast] = {**SORTS}
    keys.update({name: by_index(kind, name, column) for name, column in (sorts or {}).items()})
    return Finder(sources=(Source(_of(kind), keys),), load=lambda ids: load(kind, ids))


def _of(kind: str) -> Callable[[KeptCriteria], QuerySet[FhirResource] | None]:
    return lambda criteria: rows(kind, criteria)
