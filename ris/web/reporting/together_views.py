"""Exams read together: what a report is about, and what else of the patient waits to be read."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.reporting import CoverExams, ReportStatus, SaveDraft
from ris.selectors import report_exams
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import asked, said
from ris.web.reporting.editor_views import keep_text, written
from ris.web.reporting.sections import show_part

MOST = 20


@require_GET
@page()
def together(request: PageRequest, key: UUID) -> HttpResponse:
    """The exams of a draft, each to be left out again, and those that may be read with them."""
    report = written(request, key)
    changeable = report.status == ReportStatus.DRAFT.value and may(request.actor, CoverExams)
    context = {
        "report": report,
        "covered": report.procedures.select_related("order").order_by("id"),
        "beside": report_exams.beside(report)[:MOST] if changeable else [],
        "changeable": changeable,
        # Beside an editor its text goes along: nothing that was just typed is lost.
        "editor": asked(request, "editor") == "yes",
    }
    return show_part(request, report, "_together", _("Exams of this report"), context)


@require_POST
@page()
def cover(request: PageRequest, key: UUID) -> HttpResponse:
    """Take an exam in, or leave one out; what stands in the editor is kept first."""
    if "revision" in request.POST and may(request.actor, SaveDraft):
        keep_text(request, key)
    also, without = said(request, "also"), said(request, "without")
    do(
        request,
        CoverExams(
            report=str(key),
            also=(also,) if also else (),
            without=(without,) if without else (),
        ),
    )
    messages.success(
        request,
        _("This exam is read in the same report.") if also else _("This exam is left out."),
    )
    return redirect_back(request, f"/reports/{key}/")
