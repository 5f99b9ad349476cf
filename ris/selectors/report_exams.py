"""The exams that a report is about, and those of them that have nothing performed any more."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from ris.domain.orders import PERFORMED, OrderStatus, Stage, StepStatus
from ris.domain.reporting import LIVE
from ris.models import Order, Report, RequestedProcedure, ScheduledProcedureStep

_DONE = sorted(status.value for status in PERFORMED)


def is_done() -> Exists:
    """Whether anything was performed for a procedure; for a query of procedures."""
    return Exists(ScheduledProcedureStep.objects.filter(procedure=OuterRef("pk"), status__in=_DONE))


def is_readable(procedure: RequestedProcedure) -> bool:
    """Whether there is something to read: what was stopped half way left images as well."""
    if procedure.stage == Stage.CANCELED.value:
        return procedure.steps.filter(status=StepStatus.DISCONTINUED.value).exists()
    return procedure.stage in {Stage.PERFORMED.value, Stage.IN_PROGRESS.value}


def taken_away(report: Report) -> QuerySet[RequestedProcedure]:
    """Those whose exam was given to another order, or turned out to be somebody else's."""
    return RequestedProcedure.objects.filter(~is_done(), reports=report).order_by("id")


def orders_of(report: Report) -> list[Order]:
    """The orders of its exams, the one it began with first."""
    rows = Order.objects.filter(procedures__reports=report).exclude(pk=report.order_id)
    return [report.order, *rows.distinct().order_by("id")]


def beside(report: Report) -> QuerySet[RequestedProcedure]:
    """Exams of the same patient that wait to be read, and may be read together with these."""
    begun = Report.objects.filter(procedures=OuterRef("pk"), status__in=LIVE)
    return (
        RequestedProcedure.objects.select_related("order")
        .filter(
            ~Exists(begun),
            order__patient=report.order.patient_id,
            order__status__in=(OrderStatus.ACTIVE.value, OrderStatus.DISCONTINUED.value),
            stage__in=(Stage.PERFORMED.value, Stage.IN_PROGRESS.value),
        )
        .order_by("-performed_at", "-id")
    )


def words_of(procedure: RequestedProcedure) -> str:
    return procedure.description or procedure.code_meaning or procedure.code_value


def first_report(public_id: str) -> str:
    """The first report on the exams of this one, by way of those between; itself, if it is that.

    An exam whose report was withdrawn is read again under another one. A receiver files both under
    the same order numbers, so whatever is told of them is told in one order.
    """
    key = Report.objects.values_list("pk", flat=True).get(public_id=public_id)
    exams: set[int] = set()
    while True:
        exams |= set(RequestedProcedure.objects.filter(reports=key).values_list("pk", flat=True))
        first = Report.objects.filter(procedures__in=exams).order_by("pk").first()
        if first is None or first.pk >= key:
            return str(first.public_id if first is not None else public_id)
        key = first.pk
