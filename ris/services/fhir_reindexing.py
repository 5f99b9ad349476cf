"""Reads again what FHIR clients sent where a release finds it by more, or by other values.

The edge says what the resources of each type are found by, as a fingerprint; kept with the type is
the one they were indexed by. A start notes the difference and does what it can in a moment, the
worker the rest: batch after batch, each with a note of how far it came. What is written meanwhile
is indexed by its own write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog
from django.db.models import F, QuerySet

from ris.models import FhirIndexState, FhirOverlay, FhirResource
from ris.services._execute import transactional
from ris.services.fhir_index import Read, renew

log = structlog.get_logger(__name__)

AT_ONCE = 100  # resources between two notes
_WORKER_SECONDS = 10.0  # of each half minute

# From the edge: a type's fingerprint by its name, and how its resources are read.
_edge: tuple[Callable[[], Mapping[str, str]], Read] | None = None


def register(fingerprints: Callable[[], Mapping[str, str]], read: Read) -> None:
    global _edge
    _edge = fingerprints, read


@transactional
def note() -> int:
    """Compare the definitions with those of the index; how many resources are to be read again."""
    if _edge is None:
        return 0
    known = {row.type: row for row in FhirIndexState.objects.all()}
    stored = _stored_types()
    for kind, fingerprint in _edge[0]().items():
        row = known.get(kind)
        if row is not None and row.aim == fingerprint:
            continue  # so indexed, or under way
        row = row or FhirIndexState(type=kind)
        row.aim, row.resources_after, row.overlays_after = fingerprint, 0, 0
        if kind not in stored:
            row.fingerprint = fingerprint
        row.save()
    return left()


def _stored_types() -> set[str]:
    names: set[str] = set()
    for table in (FhirResource, FhirOverlay):
        names.update(
            table._default_manager.order_by("type").values_list("type", flat=True).distinct()
        )
    return names


def left() -> int:
    """How many resources are still to be read again."""
    return sum(rows.count() for state in _due() for rows in _rest(state).values())


def _due() -> QuerySet[FhirIndexState]:
    return FhirIndexState.objects.exclude(fingerprint=F("aim")).order_by("type")


def _rest(state: FhirIndexState) -> dict[str, QuerySet[FhirResource] | QuerySet[FhirOverlay]]:
    """The rows that are left, by the column that says how far it came."""
    return {
        "resources_after": FhirResource.objects.filter(
            type=state.type, pk__gt=state.resources_after
        ),
        "overlays_after": FhirOverlay.objects.filter(type=state.type, pk__gt=state.overlays_after),
    }


def advance(seconds: float) -> int:
    """Go on for so long, for one batch at least; how many resources were read.

    Two that do so at once do the same twice, which harms nothing.
    """
    until = time.monotonic() + seconds
    count = 0
    for state in _due():
        if _edge is None:
            return count
        mine = FhirIndexState.objects.filter(pk=state.pk, aim=state.aim)
        for column, rows in _rest(state).items():
            while batch := list(rows.order_by("pk").values_list("pk", "public_id")[:AT_ONCE]):
                for _, public_id in batch:
                    renew(state.type, str(public_id), _edge[1])
                count += len(batch)
                setattr(state, column, batch[-1][0])
                mine.update(**{column: batch[-1][0]})
                rows = _rest(state)[column]
                if time.monotonic() >= until:
                    return count
        mine.update(fingerprint=state.aim)
    return count


def settle() -> None:
    """All resources were read again by other means."""
    _due().update(fingerprint=F("aim"))


def run_due() -> None:
    """The worker's turn."""
    if _due().exists():
        count = advance(_WORKER_SECONDS)
        log.info("FHIR resources were indexed anew", count=count, left=left())
