"""Where exams and reports lead by what no column names: the other way round for searches."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, QuerySet

from ris.models import Device, PerformedProcedureStep, ReportVersion, Site

Rows = QuerySet[Any, Any]


def stations(rows: Rows) -> list[Rows]:
    """The devices that performed, known by their AE titles."""
    titles = rows.order_by().values("station_ae_title")
    return [Device.objects.filter(ae_title__in=titles).values("public_id")]


def stations_of_studies(rows: Rows) -> list[Rows]:
    """The devices that made series of studies."""
    return stations(
        PerformedProcedureStep.objects.filter(
            steps__procedure__in=rows.order_by().values("pk"), series__isnull=False
        )
    )


def performers(rows: Rows) -> list[Rows]:
    """The institution, and the residents whose texts somebody else signed."""
    residents = ReportVersion.objects.filter(
        report__in=rows.order_by().values("pk"), resident__practitioner__isnull=False
    ).exclude(signer_id=F("resident_id"))
    return [
        Site.objects.filter(Exists(rows.order_by())).values("public_id"),
        residents.values("resident__practitioner__public_id"),
    ]
