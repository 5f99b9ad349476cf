"""The assessment beside the report: noted while it is written, changed by an addendum after."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.mammography import AssessBreast, Assessed, ReassessBreast
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import number, said
from ris.web.reporting.proof import proof_of


def assessed_said(request: HttpRequest) -> Assessed:
    """What the form says; the door looks whether it is whole."""
    return Assessed(
        right=said(request, "right", 4),
        left=said(request, "left", 4),
        overall=said(request, "overall", 4),
        density=said(request, "density", 4),
    )


@require_POST
@page()
def assess(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AssessBreast(report=str(key), assessed=assessed_said(request)))
    messages.success(request, _("The assessment is noted. It is signed with the report."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def reassess(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        ReassessBreast(
            report=str(key),
            assessed=assessed_said(request),
            reason=said(request, "reason", 500),
            expected_version=number(request, "version"),
            proof=proof_of(request, f"Report {key}"),
        ),
    )
    messages.success(
        request, _("The assessment is changed by an addendum; recall and letter follow it.")
    )
    return redirect_back(request, f"/reports/{key}/")
