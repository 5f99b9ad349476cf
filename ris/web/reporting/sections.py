"""Parts that a report's page fetches once it stands; without script, pages of their own.

Nothing that signing waits for is only here: the door asks for it, and the page itself says that a
critical finding is not acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.domain.reporting import EDITED
from ris.domain.values import PersonName
from ris.models import PerformedProcedureStep, Report
from ris.selectors import availability, documents, dose, receipts
from ris.selectors.patients import to_view as patient_to_view
from ris.selectors.performing import to_view as performed_to_view
from ris.selectors.report_exams import orders_of
from ris.selectors.reports import rows as report_rows
from ris.selectors.reports import to_view as report_to_view
from ris.web.access import PageRequest, page, saw
from ris.web.critical.parts import report_context as critical_context
from ris.web.reporting.proof import proof_context
from ris.web.reporting.views import amendable


@require_GET
@page()
def exam(request: PageRequest, key: UUID) -> HttpResponse:
    """What the exam left: how it was done, documents, contrast and material, images, dose."""
    report = _report(key, Report.objects.all())
    orders = {str(order.public_id): order for order in orders_of(report)}
    performed = (
        PerformedProcedureStep.objects.filter(steps__procedure__reports=report)
        .prefetch_related("series")
        .distinct()
        .order_by("id")
    )
    context = {
        "performed": [performed_to_view(row, ()) for row in performed],
        "each_order": [(order, dose.of_order(key)) for key, order in orders.items()],
        # Those of the report itself are every order's.
        "documents": list(
            {one.public_id: one for key in orders for one in documents.of_order(key)}.values()
        ),
        "studies": [line for key in orders for line in availability.of_order(key)],
    }
    return show_part(request, report, "_exam", _("Results of the exam"), context)


@require_GET
@page()
def deliveries(request: PageRequest, key: UUID) -> HttpResponse:
    """Who was sent what, and what came back; the part asks again while anything is on its way."""
    report = _report(key, Report.objects.all())
    is_unsigned = report.status in EDITED
    context = {
        "deliveries": receipts.of_report(str(key)),
        "is_leaving": receipts.is_leaving(str(key)),
        "is_unsigned": is_unsigned,
        "receivers": receipts.receivers() if is_unsigned else [],
        "report": report,
    }
    return show_part(request, report, "_deliveries", _("Sent to"), context)


@require_GET
@page()
def critical_findings(request: PageRequest, key: UUID) -> HttpResponse:
    """Critical findings with the calls about them, and the forms to flag one."""
    report = _report(key, report_rows())
    view = report_to_view(report)
    context: dict[str, Any] = {
        "report": view,
        "requester": PersonName.parse(report.order.requester),
        "callback_phone": report.order.callback_phone,
        "amendable": amendable(request.actor, view),
        **critical_context(request.actor, report, view),
    }
    if context["critical_after"] and context["amendable"]:
        context |= proof_context(request)
    return show_part(request, report, "_critical", _("Critical results"), context)


def _report(key: UUID, rows: QuerySet[Report]) -> Report:
    report = rows.select_related("order__patient__merged_into").filter(public_id=key).first()
    if report is None:
        raise UnknownKeyError("no such report")
    return report


def show_part(
    request: PageRequest, report: Report, name: str, title: str, context: Mapping[str, Any]
) -> HttpResponse:
    """The part alone for the report's page, which was audited already; else with a page around."""
    order, home = report.order, f"/reports/{report.public_id}/"
    saw(
        request,
        "ViewReport",
        [str(order.patient.public_id)],
        order=str(order.public_id),
        subject=f"Report {report.public_id}",
        part_of=home,
    )
    said = {**context, "home": home, "part": f"reporting/{name}.html"}
    if "HX-Request" in request.headers:
        return render(request, said["part"], said)
    said |= {
        "title": title,
        "number": order.accession_number,
        "patient": patient_to_view(order.patient),
    }
    return render(request, "orders/section.html", said)
