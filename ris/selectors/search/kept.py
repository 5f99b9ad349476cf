"""Resources kept as FHIR clients sent them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db.models import F, QuerySet

from ris.models import FhirResource
from ris.selectors.search import terms
from ris.selectors.search.criteria import Common, KeptCriteria
from ris.selectors.search.engine import Finder, SortKey, Source
from ris.selectors.search.views import KeptHit

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


def kept(kind: str) -> Finder[KeptCriteria, KeptHit]:
    """Finds the kept resources of one type."""
    return Finder(sources=(Source(_of(kind), SORTS),), load=lambda ids: load(kind, ids))


def _of(kind: str) -> Callable[[KeptCriteria], QuerySet[FhirResource] | None]:
    return lambda criteria: rows(kind, criteria)
