"""A room runs late: from an exam of the board on, everything of its day goes later."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from ris.domain.errors import InvalidValueError, RequestError, RisError, StateConflictError
from ris.domain.relocating import RelocateAppointments
from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment
from ris.selectors import board as boards
from ris.selectors import schedule
from ris.selectors.postponing import LEAST, MOST, Postponed, postponed
from ris.selectors.relocation import Proposal, relocations
from ris.selectors.schedule import AppointmentLine
from ris.services import may
from ris.web.access import PageRequest, back_to, page, redirect_back, saw, show
from ris.web.errors import STATUS
from ris.web.forms import PageForm
from ris.web.scheduling.board_desk import carry_out, require_relocating

OFFERED = (15, 30, 45)  # minutes; the one in the middle is shown first


class LaterForm(PageForm):
    by = forms.IntegerField(label=gettext_lazy("Minutes"), min_value=LEAST, max_value=MOST)
    needed = forms.BooleanField(
        label=gettext_lazy("Only as far as needed: gaps take up the delay"), required=False
    )


@require_http_methods(["GET", "POST"])
@page()
def later(request: PageRequest, key: UUID) -> HttpResponse:
    """Who would move from when to when, and who cannot; then all of them, or none."""
    line = schedule.appointment(str(key))
    asked = request.GET if "by" in request.GET else {"by": str(OFFERED[1]), "needed": "1"}
    form = LaterForm(asked)
    with timezone.override(line.zone):
        error: RisError | None = None
        if line.status != AppointmentStatus.BOOKED.value:
            error = StateConflictError(_("only what is booked and not begun can be moved"))
        found = _found(line, form) if error is None else Postponed()
        if error is None and request.method == "POST":
            try:
                return _move(request, line, found)
            except RequestError as refused:
                error = refused
                found = _found(line, form)
        return _show(request, line, form, found, error)


def _found(line: AppointmentLine, form: LaterForm) -> Postponed:
    if not form.is_valid():
        return Postponed()
    return postponed(
        Appointment.objects.get(public_id=line.public_id),
        boards.devices(),
        form.cleaned_data["by"],
        needed_only=form.cleaned_data["needed"],
        now=timezone.now(),
    )


def _as_shown(each: Proposal) -> str:
    """What the page proposed, so that nothing else is moved than what was looked at."""
    assert each.start_at is not None  # noqa: S101 - what moves has a new time
    return f"{each.line.public_id} {each.start_at.isoformat()} {each.line.version}"


def _move(request: PageRequest, line: AppointmentLine, found: Postponed) -> HttpResponse:
    require_relocating(request)
    if not found.moves or request.POST.getlist("to") != [_as_shown(each) for each in found.moves]:
        raise StateConflictError(_("the list has changed: look at it again"))
    if found.cannot:
        raise InvalidValueError(_("not all of them can be moved"), path="to")
    # The last one first: each makes way for the one before, also in the day of one patient.
    carry_out(request, relocations(reversed(found.moves)))
    return redirect_back(request, _board(line))


def _board(line: AppointmentLine) -> str:
    day = line.start_at.astimezone(line.zone).date().isoformat()
    return f"/board/?day={day}&focus={line.public_id}"


def _show(
    request: PageRequest,
    line: AppointmentLine,
    form: LaterForm,
    found: Postponed,
    error: RisError | None,
) -> HttpResponse:
    listed = [line, *(each.line for each in (*found.moves, *found.unmoved, *found.stay))]
    saw(request, "RelocateAppointments", (each.patient.public_id for each in listed))
    context: dict[str, Any] = {
        "line": line,
        "form": form,
        "offered": OFFERED,
        "by": form["by"].value(),
        "needed": bool(form["needed"].value()),
        "found": found,
        "proposed": [(each, _as_shown(each)) for each in found.moves],
        "error": error,
        "allowed": may(request.actor, RelocateAppointments),
        "next": back_to(request, _board(line)),
    }
    status = STATUS[error.code] if error else 422 if form.errors else 200
    return show(request, "scheduling/board_later.html", context, status=status)
