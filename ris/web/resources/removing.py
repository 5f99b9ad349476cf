"""Removing a closure, a holiday or kept time: asked about what lies behind it, and undone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from ris.domain.resources import BeginDowntime, KeptFor, ReserveBlock, SetHoliday
from ris.domain.scheduling import AddClosure, ClosureKind
from ris.models import Block, Closure, Holiday
from ris.selectors.freeing import Span, behind, of_block, of_closure, of_holiday
from ris.selectors.resources import kept_for
from ris.web import undo
from ris.web.access import PageRequest, do, show
from ris.web.asking import said
from ris.web.undo import Way

_BACK = "/resources/holidays/"


def ask_about_closure(request: PageRequest, row: Closure) -> HttpResponse | None:
    """The question, unless it was answered or nobody has to do with it."""
    spans = of_closure(row, timezone.now())
    return _ask(request, spans, row.reason or _("Closure"), f"/resources/{row.resource.public_id}/")


def ask_about_holiday(request: PageRequest, row: Holiday) -> HttpResponse | None:
    return _ask(request, of_holiday(row, timezone.now()), row.name, _BACK)


def ask_about_block(request: PageRequest, row: Block) -> HttpResponse | None:
    spans = of_block(row, timezone.now())
    return _ask(request, spans, row.label, f"/resources/{row.resource.public_id}/#blocks")


def _ask(request: PageRequest, spans: list[Span], name: str, back: str) -> HttpResponse | None:
    if said(request, "sure", 1) == "1":
        return None
    found = behind(spans)
    if not found:
        return None
    return show(request, "resources/sure.html", {"behind": found, "name": name, "back": back})


# --- the rows


def closure(resource: UUID, key: int) -> Closure | None:
    rows = Closure.objects.select_related("resource")
    return rows.filter(resource__public_id=resource, pk=key).first()


def holiday(key: UUID) -> Holiday | None:
    return Holiday.objects.select_related("site").filter(public_id=key).first()


def block(key: UUID) -> Block | None:
    return Block.objects.select_related("resource__site").filter(public_id=key).first()


# --- the way back: it is said again, as it was


def of_closing(row: Closure) -> Way:
    return Way(
        "closure",
        str(row.resource.public_id),
        {
            "start": row.start_at.isoformat(),
            "end": "" if row.open_ended else row.end_at.isoformat(),
            "reason": row.reason,
            "down": row.kind == ClosureKind.DOWNTIME.value,
        },
    )


def of_naming(row: Holiday) -> Way:
    return Way(
        "holiday",
        f"{row.date.isoformat()}/{row.site.name if row.site else ''}",
        {"name": row.name},
    )


def of_reserving(row: Block) -> Way | None:
    """None for what was released in part: it would be kept again as a whole."""
    if row.released_at is not None or row.released_days:
        return None
    wanted = kept_for(row)
    times = {
        name: value.isoformat()
        for name in (*_CLOCKS, *_DAYS, *_MOMENTS)
        if (value := getattr(row, name)) is not None
    }
    return Way(
        "block",
        str(row.resource.public_id),
        {
            "times": times,
            "label": row.label,
            "weekday": row.weekday,
            "hours": row.release_hours_before,
            "kept_for": [
                list(wanted.procedures),
                list(wanted.modalities),
                list(wanted.priorities),
                list(wanted.groups),
            ],
        },
    )


_CLOCKS = ("opens", "closes")
_DAYS = ("valid_from", "valid_until")
_MOMENTS = ("start_at", "end_at")


def _close_again(request: PageRequest, key: str, _version: int, before: Mapping[str, Any]) -> str:
    start_at = datetime.fromisoformat(str(before["start"]))
    end_at = datetime.fromisoformat(str(before["end"])) if before["end"] else None
    if before["down"] or end_at is None:
        do(
            request,
            BeginDowntime(
                resource=key, reason=str(before["reason"]), start_at=start_at, end_at=end_at
            ),
        )
    else:
        do(
            request,
            AddClosure(
                resource=key, reason=str(before["reason"]), start_at=start_at, end_at=end_at
            ),
        )
    return _("It is closed again, as it was.")


def _name_again(request: PageRequest, key: str, _version: int, before: Mapping[str, Any]) -> str:
    day, _slash, site = key.partition("/")
    do(request, SetHoliday(date=date.fromisoformat(day), name=str(before["name"]), site=site))
    return _("%(name)s is saved.") % {"name": before["name"]}


def _reserve_again(request: PageRequest, key: str, _version: int, before: Mapping[str, Any]) -> str:
    times: Mapping[str, str] = before["times"]
    clocks = {name: time.fromisoformat(times[name]) for name in _CLOCKS if name in times}
    days = {name: date.fromisoformat(times[name]) for name in _DAYS if name in times}
    moments = {name: datetime.fromisoformat(times[name]) for name in _MOMENTS if name in times}
    procedures, modalities, priorities, groups = (tuple(each) for each in before["kept_for"])
    do(
        request,
        ReserveBlock(
            resource=key,
            label=str(before["label"]),
            weekday=before["weekday"],
            opens=clocks.get("opens"),
            closes=clocks.get("closes"),
            valid_from=days.get("valid_from"),
            valid_until=days.get("valid_until"),
            start_at=moments.get("start_at"),
            end_at=moments.get("end_at"),
            release_hours_before=before["hours"],
            kept_for=KeptFor(
                procedures=procedures, modalities=modalities, priorities=priorities, groups=groups
            ),
        ),
    )
    return _("%(label)s is reserved.") % {"label": before["label"]}


def _closures(key: str) -> int | None:
    """How many there are: another than when it was taken back, and it is closed again already."""
    return Closure.objects.filter(resource__public_id=key).count()


def _blocks(key: str) -> int | None:
    return Block.objects.filter(resource__public_id=key).count()


def _unnamed(key: str) -> int | None:
    day, _slash, site = key.partition("/")
    rows = Holiday.objects.filter(date=day)
    rows = rows.filter(site__name=site) if site else rows.filter(site=None)
    return None if rows.exists() else 0


undo.register("closure", AddClosure, _closures, _close_again)
undo.register("holiday", SetHoliday, _unnamed, _name_again)
undo.register("block", ReserveBlock, _blocks, _reserve_again)
