"""What was examined before, for whoever reads the next exam of the same patient.

Those of other systems come later, each a :class:`PriorLine` with a ``source``; :func:`by_relevance`
puts both in one order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from ris.domain.orders import OrderStatus, Stage
from ris.domain.reporting import ReportStatus
from ris.models import Report, RequestedProcedure, ScheduledProcedureStep
from ris.selectors.viewers import viewers

LOOKED_AT = 60  # the newest of a patient
MOST = 12
_DONE = (Stage.PERFORMED.value, Stage.PRELIMINARY.value, Stage.REPORTED.value)
_READABLE = (
    ReportStatus.PRELIMINARY.value,
    ReportStatus.FINAL.value,
    ReportStatus.AMENDED.value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorLine:
    """An earlier exam. ``source`` names the archive that told of it; empty: it is ours."""

    words: str
    modalities: tuple[str, ...]
    at: datetime | None
    region: str = ""
    code: str = ""
    laterality: str = ""
    order: str = ""
    procedure: str = ""
    accession_number: str = ""
    report: str = ""  # that can be read
    report_status: str = ""
    study_instance_uid: str = ""
    source: str = ""
    images: bool = False
    likeness: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is being read: what earlier exams are compared with."""

    regions: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    lateralities: frozenset[str] = frozenset()


def likeness(prior: PriorLine, present: Present) -> int:
    """The same exam, then the same region by the same modality, the region, the modality.

    Of paired organs the other side is less alike than the same one.
    """
    same_modality = bool(present.modalities & set(prior.modalities))
    if prior.code and prior.code in present.codes:
        found = 8
    elif prior.region and prior.region.casefold() in present.regions:
        found = 6 if same_modality else 4
    else:
        found = 2 if same_modality else 0
    sides = present.lateralities - {""}
    other_side = bool(sides) and prior.laterality in {"L", "R"} and prior.laterality not in sides
    return max(found - 1, 0) if other_side and "B" not in sides else found


def by_relevance(priors: Iterable[PriorLine]) -> list[PriorLine]:
    """The most alike first, of those the newest."""
    oldest = timezone.now().replace(year=1900, month=1, day=1)
    return sorted(priors, key=lambda one: (one.likeness, one.at or oldest), reverse=True)


def priors_of(patient: str, covered: Collection[str]) -> list[PriorLine]:
    """What a patient had done before, besides the exams ``covered``: at most :data:`MOST`.

    Four queries, however many there were.
    """
    newest = (
        _rows()
        .filter(order__patient__public_id=patient, stage__in=_DONE, performed_at__isnull=False)
        .exclude(order__status=OrderStatus.ENTERED_IN_ERROR.value)
        .order_by("-performed_at", "-id")
    )
    found = list(newest[: LOOKED_AT + len(covered)])
    here = [row for row in found if str(row.public_id) in covered]
    if len(here) < len(covered):
        missing = set(covered) - {str(row.public_id) for row in here}
        here += list(_rows().filter(public_id__in=missing))
    present = _present(here)
    shows = bool(viewers())
    lines = [_line(row, present, shows) for row in found if str(row.public_id) not in covered]
    return by_relevance(lines)[:MOST]


def _rows() -> QuerySet[RequestedProcedure]:
    return RequestedProcedure.objects.select_related("order", "definition").prefetch_related(
        Prefetch("steps", queryset=ScheduledProcedureStep.objects.order_by("id")),
        Prefetch("reports", queryset=Report.objects.filter(status__in=_READABLE).order_by("id")),
    )


def _region(row: RequestedProcedure) -> str:
    return row.definition.body_part if row.definition is not None else ""


def _modalities(row: RequestedProcedure) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.modality for step in row.steps.all() if step.modality))


def _present(rows: Iterable[RequestedProcedure]) -> Present:
    every = list(rows)
    return Present(
        regions=frozenset(_region(row).casefold() for row in every) - {""},
        codes=frozenset(row.code_value for row in every) - {""},
        modalities=frozenset(each for row in every for each in _modalities(row)),
        lateralities=frozenset(row.laterality for row in every),
    )


def _line(row: RequestedProcedure, present: Present, shows: bool) -> PriorLine:
    report = next(iter(row.reports.all()), None)
    made = PriorLine(
        words=row.description or row.code_meaning or row.code_value,
        modalities=_modalities(row),
        at=row.performed_at,
        region=_region(row),
        code=row.code_value,
        laterality=row.laterality,
        order=str(row.order.public_id),
        procedure=str(row.public_id),
        accession_number=row.order.accession_number,
        report=str(report.public_id) if report is not None else "",
        report_status=report.status if report is not None else "",
        study_instance_uid=row.study_instance_uid,
        images=shows,
    )
    return replace(made, likeness=likeness(made, present))
