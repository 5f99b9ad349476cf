"""Dose over time: the trend of devices, and tables to take elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_GET

from ris.domain.actors import Role
from ris.domain.errors import DeniedError
from ris.domain.measures import MEASURES, Measure, plain
from ris.selectors import dose_history
from ris.selectors.dose_history import TrendLine, Wanted
from ris.services.audit import record_access
from ris.web.access import PageRequest, page, show
from ris.web.analytics import charts
from ris.web.asking import as_day, asked
from ris.web.dose.forms import LEVEL_MEASURES
from ris.web.navigation import DOSE
from ris.web.sheets import guarded

LONGEST = 400  # days of one table
_USUAL = {"CT": Measure.DLP, "MG": Measure.GLANDULAR_DOSE, "NM": Measure.ACTIVITY,
          "PT": Measure.ACTIVITY}  # fmt: skip


@require_GET
@page(*DOSE)
def trend(request: PageRequest) -> HttpResponse:
    """Month by month what each device gave for a procedure."""
    choices = dose_history.trend_choices()
    wanted = asked(request, "procedure", 40)
    chosen = next((one for one in choices if str(one.public_id) == wanted), None)
    chosen = chosen or (choices[0] if choices else None)
    measure = _measure(asked(request, "measure", 30), chosen.modality if chosen else "")
    today = timezone.localdate()
    lines = dose_history.trend(str(chosen.public_id), measure, today) if chosen is not None else []
    info = MEASURES[measure]
    context = {
        "choices": choices,
        "chosen": chosen,
        "measure": measure.value,
        "measures": LEVEL_MEASURES,
        "words": info.words,
        "unit": info.dimension.value,
        "year": [(line.device, plain(_rounded(line.median)), line.count) for line in lines],
        "months": _months(lines),
        "chart": _chart(lines, info.dimension.value),
    }
    return show(request, "dose/trend.html", context)


def _measure(text: str, modality: str) -> Measure:
    if text in dict(LEVEL_MEASURES):
        return Measure(text)
    return _USUAL.get(modality, Measure.DAP)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def _months(lines: Sequence[TrendLine]) -> list[tuple[date, list[tuple[str, str, int]]]]:
    """The months with exams, the latest first; of each the device, its median and how many."""
    found = []
    for number in reversed(range(len(lines[0].cells) if lines else 0)):
        cells = [(line.device, line.cells[number]) for line in lines]
        if any(cell.count for _, cell in cells):
            values = [
                (name, plain(_rounded(cell.median)) if cell.median is not None else "", cell.count)
                for name, cell in cells
            ]
            found.append((cells[0][1].month, values))
    return found


def _chart(lines: Sequence[TrendLine], unit: str) -> charts.Chart:
    """A row for each device and month with exams, the latest six."""
    return charts.rows(
        [
            charts.Line(
                name=f"{line.device} {date_format(cell.month, 'M Y')}",
                value=float(cell.median),
                text=f"{plain(_rounded(cell.median))} {unit}",
            )
            for line in lines
            for cell in line.cells[-6:]
            if cell.median is not None
        ]
    )


# --- tables


@require_GET
@page(*DOSE)
def export(request: PageRequest) -> HttpResponse:
    wanted = _wanted(request)
    query = {"from": wanted.first.isoformat(), "until": wanted.last.isoformat()}
    context = {
        "wanted": wanted,
        "query": urlencode({**query, **({"named": "1"} if wanted.plain else {})}),
        "may_name": _may_name(request),
        "most": dose_history.MOST,
        "longest": LONGEST,
    }
    return show(request, "dose/export.html", context)


@require_GET
@page(*DOSE)
def exams_csv(request: PageRequest) -> HttpResponse:
    """Dose of each exam, with device and protocol."""
    wanted = _wanted(request)
    rows, patients = dose_history.exam_rows(wanted)
    _audit(request, wanted, len(rows), patients if wanted.plain else [])
    return _csv("dose-exams", wanted, dose_history.EXAM_COLUMNS, rows)


@require_GET
@page(*DOSE)
def documents_csv(request: PageRequest) -> HttpResponse:
    """The dose reports (RDSR) that devices sent."""
    wanted = _wanted(request)
    rows = list(dose_history.document_rows(wanted))
    _audit(request, wanted, len(rows), [])
    return _csv("dose-reports", wanted, dose_history.DOCUMENT_COLUMNS, rows)


def _may_name(request: PageRequest) -> bool:
    return request.actor.has(Role.MANAGER, Role.ADMIN)


def _wanted(request: PageRequest) -> Wanted:
    """The days that were asked for, at most :data:`LONGEST`; of last month without any."""
    today = timezone.localdate()
    last = as_day(asked(request, "until", 10)) or today
    first = as_day(asked(request, "from", 10)) or last - timedelta(days=30)
    if first > last:
        first, last = last, first
    named = asked(request, "named", 1) == "1"
    if named and not _may_name(request):
        raise DeniedError("only managers take a table with names out of the system")
    return Wanted(first=max(first, last - timedelta(days=LONGEST)), last=last, plain=named)


def _audit(request: PageRequest, wanted: Wanted, count: int, patients: Sequence[str]) -> None:
    record_access(
        request.actor,
        action="ExportDose",
        patients=patients,
        detail={
            "from": wanted.first.isoformat(),
            "until": wanted.last.isoformat(),
            "rows": count,
            "pseudonyms": not wanted.plain,
        },
    )


def _csv(
    name: str, wanted: Wanted, head: Sequence[str], rows: Iterable[Sequence[Any]]
) -> HttpResponse:
    out = StringIO()
    out.write("\ufeff")  # spreadsheets then read it as UTF-8
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([guarded(value) for value in row])
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    days = f"{wanted.first.isoformat()}-{wanted.last.isoformat()}"
    response["Content-Disposition"] = f'attachment; filename="{name}-{days}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response
