"""What needs a person, each with its remedy beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris import config
from ris.domain.corrections import (
    MovePerformedStep,
    OrderPerformedStep,
    RevisePerformedStep,
    SettleFollowUp,
    UndoCorrection,
)
from ris.domain.discontinuation import FollowUpAction
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.exchange import ResolveException
from ris.domain.performing import PerformedStatus, RelinkPerformedStep
from ris.domain.saved_views import ViewedPage
from ris.models import PerformedProcedureStep
from ris.selectors import corrections, patient_lists
from ris.selectors import exceptions as lists
from ris.selectors.resources import zone_of_device
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.exchange.exception_kinds import KINDS, SHOWN
from ris.web.navigation import MENDING
from ris.web.views_saved import saved_views
from ris.web.wall_clock import Turn, moment, turns


@require_GET
@page(*MENDING)
def exception_list(request: PageRequest) -> HttpResponse:
    """All that needs a person, or what is of one kind (``?kind=``)."""
    saved = saved_views(request, ViewedPage.EXCEPTIONS)
    if saved.opens_with:
        return saved.redirect()
    chosen = asked(request, "kind", 10)
    kinds = [kind for kind in KINDS if kind.name == chosen] or KINDS
    found: dict[str, Any] = {}
    patients: list[str] = []
    for kind in kinds:
        part, shown = kind.part(request)
        found |= part
        patients += shown
    saw(request, "ListExceptions", patients)
    context = {
        **found,
        **saved.context(),
        "counts": lists.counts(),
        "kinds": KINDS,
        "chosen": chosen,
        "nothing": not any(found[name] for kind in kinds for name in kind.lists),
    }
    return show(request, "exchange/exceptions.html", context, fragment="exchange/_exceptions.html")


# --- one exam


@require_http_methods(["GET", "POST"])
@page(*MENDING)
def relink(request: PageRequest, key: UUID) -> HttpResponse:
    """One exam: what the device said of it, what people mended, and the ways to mend it."""
    row = lists.find_performed(str(key))
    with timezone.override(zone_of_device(row.station_ae_title)):
        return _relink(request, key, row)


def _relink(request: PageRequest, key: UUID, row: PerformedProcedureStep) -> HttpResponse:
    if request.method == "POST":
        action = said(request, "action") or "link"
        if action not in _MENDING:
            raise InvalidValueError("this is nothing that can be done with an exam", path="action")
        messages.success(request, _MENDING[action](request, str(key)))
        return redirect_back(request, f"/exceptions/performed/{key}/")
    line = lists.performed_line(row)
    text, whose = asked(request, "q"), asked(request, "patient")
    found = lists.candidates(row, text)
    others = [one for one in patient_lists.find(whose, 20) if not one.merged_into]
    patients = {candidate.patient.public_id for candidate in found}
    patients |= {one.public_id for one in others}
    if line.patient:
        patients.add(line.patient.public_id)
    saw(request, "RelinkPerformedStep", patients, subject=f"PerformedProcedureStep {key}")
    minutes = config.load().performing.rematch_minutes
    context = {
        "line": line,
        "proposal": corrections.proposals([row], minutes)[str(key)] if not line.steps else None,
        "candidates": found,
        "text": text,
        "whose": whose,
        "others": others,
        "corrections": corrections.corrections_of(row),
        "ended": row.status != PerformedStatus.IN_PROGRESS.value,
        "end": row.effective_end,
        "statuses": (PerformedStatus.COMPLETED, PerformedStatus.DISCONTINUED),
        "allowed": may(request.actor, RelinkPerformedStep),
    }
    return show(request, "exchange/relink.html", context)


def _reason(request: PageRequest) -> str:
    reason = said(request, "reason", 500)
    if not reason:
        raise MissingValueError("say why", path="reason")
    return reason


def _link(request: PageRequest, key: str) -> str:
    steps = tuple(request.POST.getlist("step"))
    if not steps:
        raise MissingValueError("choose a step", path="step")
    do(request, RelinkPerformedStep(performed=key, steps=steps, reason=_reason(request)))
    return "Tied. The exam and its steps agree now."


def _unlink(request: PageRequest, key: str) -> str:
    do(request, RelinkPerformedStep(performed=key, steps=(), reason=_reason(request)))
    return "Untied. The steps are as they were before the exam."


def _order(request: PageRequest, key: str) -> str:
    placed = do(
        request,
        OrderPerformedStep(
            performed=key, reason=_reason(request), description=said(request, "description", 200)
        ),
    )
    return f"Order {placed.accession_number} was made of the exam."


def _move(request: PageRequest, key: str) -> str:
    patient = said(request, "patient")
    if not patient:
        raise MissingValueError("choose a patient", path="patient")
    do(request, MovePerformedStep(performed=key, patient=patient, reason=_reason(request)))
    return "The exam is this patient's now."


def _register(request: PageRequest, key: str) -> str:
    do(request, MovePerformedStep(performed=key, reason=_reason(request)))
    return "Registered as the device named the patient. A merge makes the records one."


def _revise(request: PageRequest, key: str) -> str:
    status = said(request, "status")
    if status and status not in set(PerformedStatus):
        raise InvalidValueError("this is no state of an exam", path="status")
    do(
        request,
        RevisePerformedStep(
            performed=key,
            status=PerformedStatus(status) if status else None,
            ended_at=_end(said(request, "ended_at"), lists.find_performed(key)),
            reason=_reason(request),
        ),
    )
    return "Set right. What the device said stays beside it."


def _end(text: str, row: PerformedProcedureStep) -> datetime | None:
    """A time on the wall of the site; of one that comes twice, what it was, or the next."""
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidValueError("this is no date and time", path="ended_at")
    if found.tzinfo is not None:
        return found
    known = row.effective_end
    if known and timezone.make_naive(known).replace(microsecond=0) == found:
        return known
    offered = [each.at for each in turns(found.date(), found.time())]
    return next((at for at in offered if at >= row.started_at), None) or moment(
        found.date(), found.time(), turn=Turn.SECOND
    )


_MENDING: Mapping[str, Callable[[PageRequest, str], str]] = {
    "link": _link,
    "unlink": _unlink,
    "order": _order,
    "move": _move,
    "register": _register,
    "revise": _revise,
}


@require_POST
@page(*MENDING)
def undo(request: PageRequest, key: UUID) -> HttpResponse:
    """Take a correction back."""
    do(request, UndoCorrection(correction=str(key), reason=_reason(request)))
    messages.success(request, _("Taken back. The exam is as it was before."))
    return redirect_back(request, "/exceptions/")


@require_POST
@page(*MENDING)
def settle(request: PageRequest, key: UUID) -> HttpResponse:
    """Do what a follow-up proposes."""
    try:
        action = FollowUpAction(said(request, "action"))
    except ValueError:
        raise InvalidValueError("this is no answer to it", path="action") from None
    do(request, SettleFollowUp(follow_up=str(key), action=action, note=said(request, "note", 500)))
    messages.success(request, _("Settled."))
    return redirect_back(request, "/exceptions/")


@require_POST
@page()
def resolve(request: PageRequest) -> HttpResponse:
    """One exception, or those that were selected, with one note."""
    keys = request.POST.getlist("key")[:SHOWN]
    if not keys:
        raise MissingValueError(_("select what was dealt with"), path="key")
    kind, note = said(request, "kind"), said(request, "note", 500)
    for key in keys:
        do(request, ResolveException(kind=kind, key=key, note=note))
    words = ngettext("Marked as dealt with.", "{count} were marked as dealt with.", len(keys))
    messages.success(request, words.format(count=len(keys)))
    return redirect_back(request, "/exceptions/")
