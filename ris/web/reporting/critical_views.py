"""Critical results: who was told, and who said so."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    CommunicateCriticalResult,
)
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import said


@require_POST
@page()
def critical(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        CommunicateCriticalResult(
            report=str(key),
            finding=said(request, "finding", 2000),
            told=said(request, "told"),
            by=said(request, "by", 30) or "phone",
            read_back="read_back" in request.POST,
        ),
    )
    messages.success(request, _("Noted who was told."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        AcknowledgeCriticalResult(
            critical_result=str(key),
            acknowledged_by=said(request, "acknowledged_by") or request.actor.display,
        ),
    )
    messages.success(request, _("Acknowledged."))
    return redirect_back(request, "/reading/")
