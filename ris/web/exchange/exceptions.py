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
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris import config
from ris.domain.commands import Command
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
from ris.domain.orders import DiscontinueOrder, RepeatStep
from ris.domain.performing import PerformedStatus, RelinkPerformedStep
from ris.selectors import corrections, patient_lists, worklist_quality
from ris.selectors import exceptions as lists
from ris.selectors import messages as message_lists
from ris.selectors.corrections import FollowUpLine
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.critical.parts import exceptions_context as critical_context
from ris.web.dose.views import exceptions_context
from ris.web.navigation import MENDING
from ris.web.patients.records import exceptions_context as patients_context

SHOWN = 50


@require_GET
@page(*MENDING)
def exception_list(request: PageRequest) -> HttpResponse:
    rows = lists.performed_rows(lists.unmatched(), SHOWN)
    proposed = corrections.proposals(rows, config.load().performing.rematch_minutes)
    performed = [(lists.performed_line(row), proposed[str(row.public_id)]) for row in rows]
    stuck = lists.performed_lines(lists.stuck(), SHOWN)
    follow_ups = corrections.follow_up_lines(corrections.open_follow_ups(), SHOWN)
    double = lists.double_booked()
    not_offered = worklist_quality.lines()
    inbound = message_lists.inbound_lines(
        message_lists.with_inbound_lines(lists.stuck_messages())[:SHOWN]
    )
    outbound = message_lists.outbound_lines(
        message_lists.with_outbound_lines(lists.stuck_deliveries())[:SHOWN]
    )
    records, of_records = patients_context(SHOWN)
    untold, of_untold = critical_context(SHOWN)
    unclear = exceptions_context(SHOWN) | records | untold
    known = (
        *(line.patient for line, _ in performed),
        *(line.patient for line in stuck),
        *(line.patient for line in follow_ups),
        *(line.patient for line in not_offered),
    )
    patients = [*of_records, *of_untold, *(patient.public_id for patient in known if patient)]
    saw(request, "ListExceptions", [*patients, *(line.patient.public_id for line in double)])
    context = {
        "counts": lists.counts(),
        "performed": performed,
        "stuck": stuck,
        "follow_ups": [(line, _open_to(request, line)) for line in follow_ups],
        "double": double,
        "not_offered": not_offered,
        "inbound": inbound,
        "outbound": outbound,
        **unclear,
        "nothing": not (
            performed or stuck or follow_ups or double or not_offered or inbound or outbound
        )
        and not any(
            unclear[kind]
            for kind in ("doses", "images_differ", "reviews", "ended_visits", "critical_late")
        ),
    }
    return show(request, "exchange/exceptions.html", context, fragment="exchange/_exceptions.html")


# What each answer to a follow-up does, besides settling it.
_DOES: Mapping[FollowUpAction, type[Command[Any]]] = {
    FollowUpAction.PLAN_AGAIN: RepeatStep,
    FollowUpAction.CANCEL_ORDER: DiscontinueOrder,
    FollowUpAction.WAS_COMPLETED: RevisePerformedStep,
}


def _open_to(request: PageRequest, line: FollowUpLine) -> list[FollowUpAction]:
    """The answers this person may give, the proposed one first; DONE has a form of its own."""
    return [
        action for action in line.actions if action in _DOES and may(request.actor, _DOES[action])
    ]


# --- one exam


@require_http_methods(["GET", "POST"])
@page(*MENDING)
def relink(request: PageRequest, key: UUID) -> HttpResponse:
    """One exam: what the device said of it, what people mended, and the ways to mend it."""
    row = lists.find_performed(str(key))
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
        "end": timezone.localtime(row.effective_end) if row.effective_end else None,
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
            ended_at=_moment(said(request, "ended_at")),
            reason=_reason(request),
        ),
    )
    return "Set right. What the device said stays beside it."


def _moment(text: str) -> datetime | None:
    """A local time as a page's field gives it."""
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidValueError("this is no date and time", path="ended_at")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


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
    do(
        request,
        ResolveException(
            kind=said(request, "kind"),
            key=said(request, "key"),
            note=said(request, "note", 500),
        ),
    )
    messages.success(request, _("Marked as dealt with."))
    return redirect_back(request, "/exceptions/")
