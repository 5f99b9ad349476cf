"""The report: its page, its print; sign, amend, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import (
    DeniedError,
    MissingValueError,
    RisError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    ReportStatus,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.results import Particulars
from ris.models import Report
from ris.selectors import documents
from ris.selectors import receipts as receipt_lists
from ris.selectors.orders import covered, order_view
from ris.selectors.reports import person_name, report_view
from ris.services import may
from ris.services.report_documents import report_document
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, number, said
from ris.web.critical.parts import report_context as critical_context
from ris.web.dose.views import modalities_of, order_context
from ris.web.errors import STATUS
from ris.web.reporting.editor_views import sections_of, typed_in
from ris.web.reporting.report_reading import reading_context


def _stored(key: UUID) -> Report:
    row = (
        Report.objects.select_related("author__practitioner", "order").filter(public_id=key).first()
    )
    if row is None:
        raise UnknownKeyError("no such report")
    return row


@require_GET
@page()
def report(request: PageRequest, key: UUID) -> HttpResponse:
    return _page(request, key)


def _page(
    request: PageRequest,
    key: UUID,
    *,
    error: RisError | None = None,
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    stored = _stored(key)
    view = report_view(str(key))
    order = order_view(str(stored.order.public_id))
    saw(
        request,
        "ViewReport",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key}",
    )
    covered_here = [
        procedure for procedure in order.procedures if procedure.public_id in view.procedures
    ]
    context = {
        "report": view,
        "stored": stored,
        "order": order,
        "patient": order.patient,
        "procedures": covered_here,
        **order_context(order.public_id, modalities_of(order)),
        **reading_context(
            request, view, order, covered_here, can_write=may(request.actor, SaveDraft)
        ),
        "amendable": view.status in {ReportStatus.FINAL, ReportStatus.AMENDED}
        and may(request.actor, AmendReport),
        "retractable": view.status
        in {ReportStatus.PRELIMINARY, ReportStatus.FINAL, ReportStatus.AMENDED}
        and may(request.actor, RetractReport),
        "may_tell": may(request.actor, CommunicateCriticalResult),
        "sections": sections_of(view, stored, order, typed),
        "author": person_name(stored.author).display,
        "is_mine": stored.author_id == request.user.pk,
        "versions": tuple(reversed(view.versions)),
        "deliveries": receipt_lists.of_report(str(key)),
        **critical_context(request.actor, stored, view),
        "documents": documents.of_order(order.public_id),
        "draft_origin": Particulars.from_json(stored.particulars),
        "error": error,
    }
    if typed is not None and context["shut"]:
        context |= {"editable": True}  # what was typed and refused is on the page
    status = STATUS[error.code] if error else 200
    return show(request, "reporting/report.html", context, status=status)


@require_GET
@page()
def printed(request: PageRequest, key: UUID) -> HttpResponse:
    """A signed version as PDF, the newest unless ``version`` is said."""
    view, covers = covered(str(key))
    wanted = asked(request, "version")
    number_of = int(wanted) if wanted.isdecimal() and len(wanted) < 6 else len(view.versions)
    if not covers or not 1 <= number_of <= len(view.versions):
        raise UnknownKeyError("there is no such signed version to print")
    order = covers[0][0]
    saw(
        request,
        "PrintReport",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key} version {number_of}",
    )
    name = f"report {order.accession.value or key} v{number_of}.pdf"
    return HttpResponse(
        report_document(str(key), number_of).content,
        content_type="application/pdf",
        headers={
            "Content-Disposition": content_disposition_header(False, name) or "",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


@require_POST
@page()
def sign(request: PageRequest, key: UUID) -> HttpResponse:
    """Sign what is on the page, as preliminary or final."""
    sections = typed_in(request)
    revision = number(request, "revision")
    try:
        if said(request, "as") == "preliminary":
            do(
                request,
                SignPreliminary(report=str(key), sections=sections, expected_revision=revision),
            )
            messages.success(
                request, _("Signed as preliminary. It is on its way to the receivers.")
            )
        else:
            do(
                request,
                FinalizeReport(report=str(key), sections=sections, expected_revision=revision),
            )
            messages.success(request, _("Signed. The report is on its way to the receivers."))
    except DeniedError:
        raise
    except (MissingValueError, StateConflictError) as error:
        return _page(request, key, error=error, typed=sections)
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def discard(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DiscardDraft(report=str(key)))
    messages.success(request, _("The draft is thrown away; the exam waits to be read again."))
    return redirect_back(request, "/reading/")


def _amend(request: PageRequest, key: UUID, kind: VersionKind, done: str) -> HttpResponse:
    do(
        request,
        AmendReport(
            report=str(key),
            kind=kind,
            sections=typed_in(request),
            reason=said(request, "reason", 500),
            expected_version=number(request, "version"),
        ),
    )
    messages.success(request, done)
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def addendum(request: PageRequest, key: UUID) -> HttpResponse:
    return _amend(request, key, VersionKind.ADDENDUM, "The addendum is signed and on its way.")


@require_POST
@page()
def correct(request: PageRequest, key: UUID) -> HttpResponse:
    if not said(request, "reason"):
        raise MissingValueError("a correction needs a reason", path="reason")
    return _amend(request, key, VersionKind.CORRECTION, "The correction is signed and on its way.")


@require_POST
@page()
def retract(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RetractReport(report=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("The report is withdrawn; the exam waits to be read again."))
    return redirect_back(request, f"/reports/{key}/")
