"""Which images an archive has of an exam, for pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ris.domain.availability import Comparison, ImagesState
from ris.models import (
    PerformedProcedureStep,
    RequestedProcedure,
    SeriesAvailability,
    StudyAvailability,
)

_SILENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLine:
    series_instance_uid: str
    counts: tuple[tuple[str, int], ...]
    retrieve_ae_titles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLine:
    """``expected``: nothing is there because the exam was ended as the wrong worklist entry."""

    public_id: str
    study_instance_uid: str
    order: str
    accession_number: str
    images: str
    counts: tuple[tuple[str, int], ...]
    comparison: Comparison
    expected: bool
    told_by: str
    last_told_at: datetime
    series: tuple[SeriesLine, ...] = ()


def _line(row: StudyAvailability, series: Iterable[SeriesAvailability] = ()) -> StudyLine:
    return StudyLine(
        public_id=str(row.public_id),
        study_instance_uid=row.study_instance_uid,
        order=str(row.order.public_id) if row.order else "",
        accession_number=row.order.accession_number if row.order else "",
        images=row.images,
        counts=tuple(sorted(row.counts.items())),
        comparison=Comparison.from_json(row.comparison),
        expected=row.unavailable_expected,
        told_by=row.told_by,
        last_told_at=row.last_told_at,
        series=tuple(
            SeriesLine(
                series_instance_uid=one.series_instance_uid,
                counts=tuple(sorted(one.counts.items())),
                retrieve_ae_titles=tuple(one.retrieve_ae_titles),
            )
            for one in series
        ),
    )


def of_order(public_id: str) -> list[StudyLine]:
    """The studies of an order that an archive told of, with their series."""
    rows = (
        StudyAvailability.objects.filter(order__public_id=uuid.UUID(public_id))
        .select_related("order")
        .prefetch_related("series")
        .order_by("id")[:20]
    )
    return [_line(row, row.series.all()) for row in rows]


def images_of(orders: Iterable[str]) -> dict[str, str]:
    """What is known of the images of each order, by its public id; one query.

    Of several studies the least available counts. Who is not in it: nobody told.
    """
    worst = [one.value for one in reversed(ImagesState)]
    found: dict[str, str] = {}
    rows = StudyAvailability.objects.filter(order__public_id__in=list(orders)).values_list(
        "order__public_id", "images"
    )
    for key, images in rows:
        known = found.get(str(key))
        if known is None or worst.index(images) < worst.index(known):
            found[str(key)] = images
    return found


def differing() -> QuerySet[StudyAvailability]:
    """Studies where archive and device do not agree, and nobody has looked at it yet.

    Archives tell of a study piece by piece: what is missing counts when they have been silent.
    """
    silent = timezone.now() - _SILENCE
    return (
        StudyAvailability.objects.filter(
            Q(comparison__missing__gt=0, last_told_at__lt=silent)
            | Q(comparison__extra__gt=0)
            | Q(images=ImagesState.UNAVAILABLE.value, unavailable_expected=False),
            resolved_at__isnull=True,
        )
        .select_related("order")
        .order_by("-last_told_at")
    )


def differing_lines(limit: int = 50) -> list[StudyLine]:
    return [_line(row) for row in differing()[:limit]]


def due_to_join(limit: int = 50) -> list[int]:
    """Studies without an order for which there is one now, by primary key.

    Whose exam is known to be nobody's is looked at again when the exam or the order changes.
    """
    ordered = RequestedProcedure.objects.filter(study_instance_uid=OuterRef("study_instance_uid"))
    performed = PerformedProcedureStep.objects.filter(
        study_instance_uid=OuterRef("study_instance_uid")
    )
    newer = {"updated_at__gt": OuterRef("updated_at")}
    rows = StudyAvailability.objects.filter(
        Q(Exists(ordered), ~Exists(performed))
        | Q(Exists(ordered.filter(**newer)))
        | Q(Exists(performed.filter(order__isnull=False, **newer))),
        order=None,
    )
    return list(rows.values_list("pk", flat=True)[:limit])
