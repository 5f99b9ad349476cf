"""What became of a report: how two versions differ, and who read it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.domain.report_differences import counted, differences
from ris.selectors.orders import covered
from ris.selectors.report_readers import MOST, readers_of
from ris.selectors.views import OrderView, ReportView
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.navigation import READERS


def _seen(request: PageRequest, key: UUID, action: str) -> tuple[ReportView, OrderView]:
    view, covers = covered(str(key))
    if not covers:
        raise UnknownKeyError("no such report")
    order = covers[0][0]
    saw(
        request,
        action,
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key}",
    )
    return view, order


def _number(request: PageRequest, name: str, view: ReportView, default: int) -> int:
    """A version that there is; the default for anything else."""
    text = asked(request, name, 6)
    number = int(text) if text.isascii() and text.isdigit() else default
    return number if 1 <= number <= len(view.versions) else default


@require_GET
@page()
def compared(request: PageRequest, key: UUID) -> HttpResponse:
    """Two versions word by word; the last two unless others are named."""
    view, order = _seen(request, key, "CompareReport")
    if len(view.versions) < 2:
        raise UnknownKeyError("there are no two versions to compare")
    last = len(view.versions)
    after = _number(request, "to", view, last)
    before = _number(request, "from", view, max(after - 1, 1))
    sections = differences(view.version(before).sections, view.version(after).sections)
    added, removed = counted(sections)
    context = {
        "report": view,
        "order": order,
        "patient": order.patient,
        "versions": view.versions,
        "before": view.version(before),
        "after": view.version(after),
        "sections": sections,
        "added": added,
        "removed": removed,
    }
    return show(request, "reporting/differences.html", context)


@require_GET
@page(*READERS)
def readers(request: PageRequest, key: UUID) -> HttpResponse:
    """Who looked at the report, when, and how: page, print, another system."""
    view, order = _seen(request, key, "ReadReportReaders")
    context = {
        "report": view,
        "order": order,
        "patient": order.patient,
        "lines": readers_of(str(key), order),
        "most": MOST,
    }
    return show(request, "reporting/readers.html", context)
