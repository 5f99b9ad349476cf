"""Turnaround, use of rooms, who did not come, what waits; for a period, as charts and tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from io import StringIO
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from ris.domain.analytics import Leg
from ris.domain.errors import UnknownKeyError
from ris.domain.orders import Priority
from ris.selectors import analytics
from ris.selectors.analytics import Figures, LegLine, Wanted
from ris.web import labels
from ris.web.access import PageRequest, page, show
from ris.web.analytics import charts
from ris.web.analytics.charts import Line
from ris.web.analytics.durations import duration
from ris.web.asking import as_day, asked
from ris.web.navigation import SYSTEM
from ris.web.sheets import guarded

LEGS: Mapping[Leg, Promise] = {
    Leg.TO_SCHEDULED: gettext_lazy("Ordered to booked"),
    Leg.TO_ARRIVED: gettext_lazy("Booked to arrived"),
    Leg.WAIT: gettext_lazy("Waiting room"),
    Leg.EXAM: gettext_lazy("Exam"),
    Leg.TO_PRELIMINARY: gettext_lazy("Exam to first report"),
    Leg.TO_FINAL: gettext_lazy("Exam to final report"),
    Leg.TO_VERIFIED: gettext_lazy("Preliminary to final report"),
    Leg.WHOLE: gettext_lazy("Ordered to final report"),
}
GROUPS: Mapping[str, Promise] = {
    "modality": gettext_lazy("Modality"),
    "priority": gettext_lazy("Priority"),
    "site": gettext_lazy("Site"),
}
PERIODS = (7, 28, 91, 365)


@require_GET
@page(*SYSTEM)
def overview(request: PageRequest) -> HttpResponse:
    known = analytics.counted()
    if known is None:
        return show(request, "analytics/overview.html", {"known": None})
    wanted = wanted_of(request)
    found = analytics.figures(wanted)
    coming = analytics.third_next(wanted)
    context = {
        "known": known,
        "wanted": wanted,
        "found": found,
        "groups": list(GROUPS.items()),
        "group": GROUPS[wanted.by],
        "periods": [(days, since(request, days)) for days in PERIODS],
        "modalities": sorted(
            {room.modality for room in found.rooms} | {line.modality for line in coming}
        ),
        "priorities": [(each.value, labels.PRIORITY[each].words) for each in Priority],
        "sites": found.sites,
        "legs": [(LEGS[line.leg], line) for line in found.overall],
        "by_group": [(_name(line.group, wanted.by), LEGS[line.leg], line) for line in found.legs],
        "next": coming,
        "backlog": analytics.backlog(),
        "query": request.GET.urlencode(),
        "chart_legs": charts.rows([_leg(line) for line in found.overall]),
        "chart_rooms": charts.rows([_room(line) for line in found.rooms], most=100),
        "chart_misses": charts.rows(
            [
                Line(
                    name=line.group,
                    value=round(line.no_show_rate, 1),
                    second=round(line.cancel_rate, 1),
                    text=" / ".join(
                        number_format(round(rate, 1), 1)
                        for rate in (line.no_show_rate, line.cancel_rate)
                    )
                    + " %",
                )
                for line in found.misses
            ]
        ),
        "chart_days": _days(found),
        "chart_hours": charts.columns([(str(hour), count) for hour, count in found.hours], every=3),
    }
    return show(request, "analytics/overview.html", context)


def wanted_of(request: PageRequest) -> Wanted:
    """What the address asks for; the last four weeks without anything."""
    today = timezone.localdate()
    last = as_day(asked(request, "until", 10)) or today
    first = as_day(asked(request, "from", 10)) or last - timedelta(days=27)
    if first > last:
        first, last = last, first
    first = max(first, last - timedelta(days=analytics.LONGEST - 1))
    by = asked(request, "by", 10)
    return Wanted(
        first=first,
        last=last,
        by=by if by in GROUPS else "modality",
        modality=asked(request, "modality", 16),
        site=_key(asked(request, "site", 40)),
        priority=asked(request, "priority", 10),
    )


def _key(text: str) -> str:
    """A site's public id, if it can be one."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def since(request: PageRequest, days: int) -> str:
    """The address of this page for the last days, with the same filters."""
    today = timezone.localdate()
    said = {key: value for key, value in request.GET.items() if key not in {"from", "until"}}
    said["from"] = (today - timedelta(days=days - 1)).isoformat()
    return urlencode(said)


def _name(group: str, by: str) -> str:
    if by == "priority" and group in set(Priority):
        return labels.PRIORITY[Priority(group)].words
    return group


def _leg(line: LegLine) -> Line:
    """On a scale of hours: the exam takes minutes, a report days; so by their square root."""
    marks = [("p90", _scaled(line.p90), _("nine of ten within %s") % duration(line.p90))]
    if line.target is not None:
        marks.append(("target", _scaled(line.target), _("target %s") % duration(line.target)))
    return Line(
        name=str(LEGS[line.leg]),
        value=_scaled(line.median),
        text=duration(line.median),
        marks=tuple(marks),
    )


def _scaled(minutes: float) -> float:
    return math.sqrt(minutes)


def _room(line: analytics.RoomLine) -> Line:
    booked, used = line.booked_share or 0, line.used_share or 0
    return Line(name=line.name, value=booked, second=used, text=f"{booked} / {used} %")


def _days(found: Figures) -> charts.Chart:
    values = [(date_format(day, "j M"), count) for day, count in found.days]
    return charts.columns(values, every=max(1, -(-len(values) // 6)))


# --- as a file

Row = Iterable[object]
Table = tuple[list[str], Callable[[Figures, Wanted], Iterable[Row]]]


def _turnaround(found: Figures, wanted: Wanted) -> Iterable[Row]:
    for line in found.legs:
        target = "" if line.target is None else line.target
        yield line.group, line.leg.value, line.count, line.median, line.p90, target


def _use(found: Figures, wanted: Wanted) -> Iterable[Row]:
    for line in found.rooms:
        yield (
            line.name, line.room, line.modality, line.open_minutes, line.booked_minutes,
            line.used_minutes, line.appointments, line.no_shows, line.canceled,
        )  # fmt: skip


def _volume(found: Figures, wanted: Wanted) -> Iterable[Row]:
    return ((day.isoformat(), count) for day, count in found.days)


def _hours(found: Figures, wanted: Wanted) -> Iterable[Row]:
    return found.hours


TABLES: Mapping[str, Table] = {
    "turnaround": (
        ["group", "leg", "exams", "median_minutes", "p90_minutes", "target_minutes"],
        _turnaround,
    ),
    "use": (
        [
            "device", "room", "modality", "open_minutes", "booked_minutes", "used_minutes",
            "appointments", "no_shows", "canceled",
        ],
        _use,
    ),
    "volume": (["day", "exams"], _volume),
    "hours": (["hour", "exams_begun"], _hours),
}  # fmt: skip


@require_GET
@page(*SYSTEM)
def download(request: PageRequest, table: str) -> HttpResponse:
    """One of the tables as CSV, with the filters of the page."""
    if table not in TABLES:
        raise UnknownKeyError("no such table")
    wanted = wanted_of(request)
    head, rows = TABLES[table]
    out = StringIO()
    out.write("\ufeff")  # spreadsheets then read it as UTF-8
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows(analytics.figures(wanted), wanted):
        writer.writerow([guarded(value) for value in row])
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"{table}-{wanted.first.isoformat()}-{wanted.last.isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
