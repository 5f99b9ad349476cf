"""Who is at a report: its open page says so, and hears when somebody else is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.reading import ClaimReading, ReleaseReading, TakeOverReading
from ris.domain.reporting import EDITED
from ris.models import Report
from ris.selectors import reading_leases
from ris.selectors.reading_leases import LeaseView
from ris.services import may
from ris.services.reading_leases import keep_reading
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import asked, carried, number, said


def presence_context(
    request: PageRequest, lease: LeaseView | None, *, unsigned: bool
) -> dict[str, Any]:
    """Who reads a report, as its page shows it."""
    mine = lease is not None and lease.reader_id == request.user.pk
    return {
        "opened": _now(),
        "unsigned": unsigned,
        "lease": lease,
        "is_reading": mine,
        "held": lease if lease is not None and not mine else None,
        "may_read": may(request.actor, ClaimReading),
    }


_A_GLANCE = 55  # seconds; the page asks every minute, and whenever it hears of something


def _now() -> int:
    return int(timezone.now().timestamp())


@require_POST
@page()
def presence(request: PageRequest, key: UUID) -> HttpResponse:
    """The page is still open; the answer shows who reads.

    ``editor``: it shows one. ``reading``: for its reader, who may have been taken it from.
    ``opened`` is when it was rendered, ``revision`` the draft that its editor holds.
    """
    kept = keep_reading(str(key), request.user.pk)
    has_editor, was_reading = "editor" in request.POST, "reading" in request.POST
    opened = number(request, "opened") or _now()
    if (
        was_reading
        and not kept
        and _now() - opened >= _A_GLANCE
        and may(request.actor, ClaimReading)
    ):
        # An editor that has been open for a minute is read, also one that was asleep; not one that
        # holds what was written or signed over since, as after its own reader's signature.
        revision = carried(request, "revision")
        report = Report.objects.filter(public_id=key, draft_revision=revision).first()
        if report is not None and reading_leases.is_being_written(report):
            with suppress(StateConflictError):
                do(request, ClaimReading(report=str(key)))
    lease = reading_leases.of_report(str(key))
    context = presence_context(request, lease, unsigned=True)
    held: LeaseView | None = context["held"]
    is_waiting = lease is None and not has_editor and not was_reading and context["may_read"]
    context |= {
        "report_key": str(key),
        "opened": opened,
        "editable": has_editor,
        "was_reading": was_reading or (kept and has_editor),
        "freed": is_waiting and Report.objects.filter(public_id=key, status__in=EDITED).exists(),
        "ousted": reading_leases.ousted(str(key), request.user.pk)
        if was_reading and held is not None
        else None,
    }
    return render(request, "reporting/_presence.html", context)


@require_GET
@page()
def changed(request: PageRequest, key: UUID) -> HttpResponse:
    """Whether the page that shows ``version`` is out of date: who acts on it must know."""
    report = Report.objects.filter(public_id=key).annotate(newest=Max("versions__number")).first()
    if report is None:
        raise UnknownKeyError("no such report")
    seen = asked(request, "version", 6)
    context = {
        "report_key": str(key),
        "seen": seen,
        "report": report,
        "is_newer": str(report.newest or 0) != seen,
    }
    return render(request, "reporting/_changed.html", context)


@require_POST
@page()
def take_over(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, TakeOverReading(report=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("You are reading this report now; the other reader is told."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def release(request: PageRequest, key: UUID) -> HttpResponse:
    """Leave a report to others; what was written is kept."""
    do(request, ReleaseReading(report=str(key)))
    messages.success(request, _("The report is free for others; your draft is kept."))
    return redirect_back(request, "/reading/")
