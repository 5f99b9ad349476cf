"""Who signed reports and studies, and what reports found: beside the index of what was sent."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from ris.domain.reporting import ReportStatus
from ris.models import Report, ReportVersion, RequestedProcedure
from ris.selectors.search import beside
from ris.selectors.search.beside import Column, Reference
from ris.selectors.search.index import Target

_SIGNER = "signer__practitioner__public_id"
_LATER = ReportVersion.objects.filter(report=OuterRef("report"), number__gt=OuterRef("number"))
_NEWEST = ReportVersion.objects.filter(~Exists(_LATER))
_FOUND = Q(critical_results__isnull=False)


def _shown() -> QuerySet[Report]:
    """Reports whose content is given: not of one that was withdrawn, or that nobody signed."""
    return Report.objects.filter(versions__isnull=False).exclude(
        status__in=[
            ReportStatus.DRAFT.value,
            ReportStatus.DISCARDED.value,
            ReportStatus.RETRACTED.value,
        ]
    )


def _interpreted(test: Target) -> Q:
    """Reports whose newest version one of these signed."""
    return Q(pk__in=_NEWEST.filter(test.among(_SIGNER)).values("report"))


def _studied(reports: Q) -> Q:
    """Studies with such a report."""
    return Q(pk__in=_shown().filter(reports).values("procedures"))


def _signers(reports: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
    keys = reports.order_by().values("pk")
    return [_NEWEST.filter(report__in=keys, signer__practitioner__isnull=False).values(_SIGNER)]


def _signers_of_studies(rows: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
    return _signers(_shown().filter(procedures__in=rows.order_by().values("pk")))


_SIGNED = Q(pk__in=_NEWEST.values("report"))
beside.answer(
    "DiagnosticReport",
    (Report.objects.all, {"results-interpreter": (Reference(_interpreted, _signers), _SIGNED)}),
    (_shown, {"result": (Column("critical_results__public_id"), _FOUND)}),
)
beside.answer(
    "ImagingStudy",
    (
        RequestedProcedure.objects.all,
        {
            "interpreter": (
                Reference(lambda test: _studied(_interpreted(test)), _signers_of_studies),
                _studied(_SIGNED),
            )
        },
    ),
)
