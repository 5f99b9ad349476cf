"""The audit trail, for those who answer for it."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from ris.selectors import audit
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.navigation import SYSTEM
from ris.web.paging import slice_of

OUTCOMES = [("success", _("Carried out")), ("refused", _("Refused"))]


@require_GET
@page(*SYSTEM)
def audit_list(request: PageRequest) -> HttpResponse:
    wanted = {name: asked(request, name) for name in ("actor", "action", "outcome", "patient")}
    rows = audit.events(**wanted).select_related("order")
    page_of = slice_of(rows, request)
    lines = audit.lines(page_of.rows)
    saw(
        request,
        "ReadAudit",
        (patient.public_id for line in lines for patient in line.patients),
    )
    context = {"lines": lines, "page": page_of, "outcomes": OUTCOMES, "wanted": wanted}
    return show(request, "journal/audit.html", context)
