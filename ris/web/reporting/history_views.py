"""What became of a report: how two versions differ, and who read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.domain.report_differences import counted, differences
from ris.models import Order
from ris.selectors.patients import to_view as patient_view
from ris.selectors.report_readers import MOST, readers_of
from ris.selectors.reports import rows, to_view
from ris.selectors.views import ReportView
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.navigation import READERS


@dataclass(frozen=True, slots=True)
class Seen:
    """A report with whom and which order it is about, in few queries."""

    report: ReportView
    order: Order

    @property
    def context(self) -> dict[str, Any]:
        return {
            "report": self.report,
            "order": self.order,
            "patient": patient_view(self.order.patient),
        }


def _seen(request: PageRequest, key: UUID, action: str) -> Seen:
    found = rows().select_related("order__patient__merged_into").filter(public_id=key).first()
    if found is None:
        raise UnknownKeyError("no such report")
    order = found.order
    saw(
        request,
        action,
        [str(order.patient.public_id)],
        order=str(order.public_id),
        subject=f"Report {key}",
    )
    return Seen(to_view(found), order)


def _number(request: PageRequest, name: str, view: ReportView, default: int) -> int:
    """A version that there is; the default for anything else."""
    text = asked(request, name, 6)
    number = int(text) if text.isascii() and text.isdigit() else default
    return number if 1 <= number <= len(view.versions) else default


@require_GET
@page()
def compared(request: PageRequest, key: UUID) -> HttpResponse:
    """Two versions word by word; the last two unless others are named."""
    seen = _seen(request, key, "CompareReport")
    view = seen.report
    if len(view.versions) < 2:
        raise UnknownKeyError("there are no two versions to compare")
    last = len(view.versions)
    after = _number(request, "to", view, last)
    before = _number(request, "from", view, max(after - 1, 1))
    sections = differences(view.version(before).sections, view.version(after).sections)
    added, removed = counted(sections)
    context = {
        **seen.context,
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
    seen = _seen(request, key, "ReadReportReaders")
    versions = seen.report.versions
    context = {
        **seen.context,
        "lines": readers_of(str(key), seen.order, versions[0].signed_at if versions else None),
        "most": MOST,
    }
    return show(request, "reporting/readers.html", context)
