"""The receipts of a report, which the page asks for again while anything is on its way."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ris.selectors import receipts
from ris.web.access import PageRequest, page


@require_GET
@page()
def receipts_part(request: PageRequest, key: UUID) -> HttpResponse:
    """Names no patient: who was sent what, and what came back."""
    return render(
        request,
        "reporting/_deliveries.html",
        {"deliveries": receipts.of_report(str(key)), "report": {"public_id": key}},
    )
