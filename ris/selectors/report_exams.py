"""The exams that a report is about, and those of them that have nothing performed any more."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from ris.domain.orders import PERFORMED
from ris.models import Report, RequestedProcedure, ScheduledProcedureStep

_DONE = sorted(status.value for status in PERFORMED)


def is_done() -> Exists:
    """Whether anything was performed for a procedure; for a query of procedures."""
    return Exists(ScheduledProcedureStep.objects.filter(procedure=OuterRef("pk"), status__in=_DONE))


def taken_away(report: Report) -> QuerySet[RequestedProcedure]:
    """Those whose exam was given to another order, or turned out to be somebody else's."""
    return RequestedProcedure.objects.filter(~is_done(), reports=report).order_by("id")


def words_of(procedure: RequestedProcedure) -> str:
    return procedure.description or procedure.code_meaning or procedure.code_value
