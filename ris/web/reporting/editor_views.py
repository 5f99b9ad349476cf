"""The editor: its sections, what was typed in them, the draft kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.reporting import (
    ADDED,
    SECTIONS,
    SaveDraft,
)
from ris.models import Report
from ris.selectors.views import OrderView, ReportView
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import number, said

SECTION = 100_000  # characters of one section; beyond this it is no text of a person
WRITTEN = tuple((key, title) for key, title in SECTIONS if key not in ADDED)


@dataclass(frozen=True, slots=True)
class Writing:
    """A section of the editor."""

    key: str
    title: str
    text: str
    rows: int


_ROWS = {"findings": 10, "impression": 5}


def sections_of(
    view: ReportView, stored: Report, order: OrderView, typed: Mapping[str, str] | None
) -> list[Writing]:
    """What the editor starts from: what was just typed, else the draft, else the last version."""
    current: Mapping[str, str] = view.current.sections if view.current else {}
    known = typed if typed is not None else stored.draft or current
    if not known:
        known = {"indication": order.reason}
    return [Writing(key, title, known.get(key, ""), _ROWS.get(key, 2)) for key, title in WRITTEN]


def typed_in(request: HttpRequest) -> dict[str, str]:
    """What stands in the editor; a section is as long as the radiologist likes."""
    return {key: said(request, key, SECTION) for key, _ in SECTIONS if key in request.POST}


@require_POST
@page()
def autosave(request: PageRequest, key: UUID) -> HttpResponse:
    """Keep the draft; the answer brings the new revision and the time."""
    revision = do(
        request,
        SaveDraft(
            report=str(key),
            sections=typed_in(request),
            expected_revision=number(request, "revision"),
        ),
    )
    if "HX-Request" not in request.headers:
        messages.success(request, _("Draft saved."))
        return redirect_back(request, f"/reports/{key}/")
    context = {"revision": revision, "saved_at": timezone.now()}
    return HttpResponse(render_to_string("reporting/_saved.html", context, request))
