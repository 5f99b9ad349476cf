"""Moving and canceling appointments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, RisError, StateConflictError
from ris.domain.scheduling import (
    CancelAppointment,
    RescheduleAppointment,
    Slot,
)
from ris.models import ScheduledProcedureStep
from ris.selectors import linked, schedule
from ris.selectors.schedule import AppointmentLine, DaySlots
from ris.services import may
from ris.web import undo
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import number, said
from ris.web.errors import STATUS
from ris.web.scheduling.forms import TimeForm, slot_in
from ris.web.wall_clock import twice

LOOK_AHEAD_DAYS = 14


# --- free times


def _shown(step: ScheduledProcedureStep) -> TimeForm:
    initial = {
        "device": str(step.device.public_id) if step.device else "",
        "minutes": step.duration_minutes,
    }
    return TimeForm(step=step, initial=initial, start_at=step.start_at or step.wished_at)


def _first_slots(days: Sequence[DaySlots], count: int, after: datetime) -> list[Slot]:
    slots = [slot for day in days for device in day.devices for slot in device.slots]
    later = [slot for slot in slots if slot.start_at > after]
    return sorted(later, key=lambda slot: slot.start_at)[:count]


def around(day: date) -> dict[str, object]:
    today = timezone.localdate()
    return {
        "day": day,
        "today": today,
        "is_today": day == today,
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1),
    }


@require_http_methods(["GET", "POST"])
@page()
def move(request: PageRequest, key: UUID) -> HttpResponse:
    """The Move dialog; without htmx it is a page of its own."""
    line = schedule.appointment(str(key))
    saw(request, "MoveAppointment", [line.patient.public_id], order=line.order)
    step = schedule.find_step(line.steps[0].public_id)
    with timezone.override(line.zone):
        return _move(request, line, step)


def _move(
    request: PageRequest, line: AppointmentLine, step: ScheduledProcedureStep
) -> HttpResponse:
    form = _shown(step)
    if request.method == "GET":
        return _move_form(request, line, form, step)
    if "slot" in request.POST:
        try:
            device, start_at = slot_in(said(request, "slot"))
        except InvalidValueError as error:
            return _move_form(request, line, form, step, error=error)
        overbook, reason, minutes = False, "", None
    else:
        form = TimeForm(request.POST, step=step)
        if not form.is_valid():
            return _move_form(request, line, form, step, status=422)
        device, start_at = form.cleaned_data["device"], form.start_at
        overbook, reason = form.cleaned_data["overbook"], form.cleaned_data["reason"]
        minutes = form.cleaned_data["minutes"]
    way = undo.of_move(line.public_id)
    try:
        do(
            request,
            RescheduleAppointment(
                appointment=line.public_id,
                start_at=start_at,
                device=device,
                duration_minutes=minutes,
                overbook=overbook,
                reason=reason,
                expected_version=number(request, "version"),
            ),
        )
    except (StateConflictError, InvalidValueError) as error:
        return _move_form(request, schedule.appointment(line.public_id), form, step, error=error)
    zone = schedule.appointment(line.public_id).zone
    undo.tell(request, f"{_('Moved.')} {twice(start_at, zone)}".strip(), way)
    return redirect_back(request, f"/board/?day={start_at.astimezone(zone).date().isoformat()}")


def _move_form(
    request: PageRequest,
    line: AppointmentLine,
    form: TimeForm,
    step: ScheduledProcedureStep,
    *,
    error: RisError | None = None,
    status: int = 200,
) -> HttpResponse:
    # What comes after its present time; of an exam that is past already, from now on. Who is here
    # goes anywhere, but not home.
    now = timezone.now()
    after = now if line.is_here else max(now, line.start_at)
    ahead = 1 if line.is_here else LOOK_AHEAD_DAYS
    ties = linked.Ties.of(step)
    days = linked.free_slots(step, timezone.localtime(after).date(), ahead, ties=ties)
    present = (line.start_at, line.ae_title)
    free = [
        slot for slot in _first_slots(days, 7, after) if (slot.start_at, slot.ae_title) != present
    ]
    context = {
        "line": line,
        "form": form,
        "free": free[:6],
        "tied": ties.exams,
        "step": step.public_id,
        "error": error,
        "allowed": may(request.actor, RescheduleAppointment),
        "may_overbook": request.actor.has(Role.SCHEDULER, Role.MANAGER),
        "next": back_to(request, ""),
    }
    in_dialog = "HX-Request" in request.headers
    template = "scheduling/_move.html" if in_dialog else "scheduling/move.html"
    return show(request, template, context, status=STATUS[error.code] if error else status)


# --- appointments


@require_POST
@page()
def cancel(request: PageRequest, key: UUID) -> HttpResponse:
    reason = said(request, "reason", 200)
    way = undo.of_cancel_appointment(str(key))
    do(request, CancelAppointment(appointment=str(key), reason=reason))
    undo.tell(request, _("The time is free again; the order waits under To schedule."), way)
    return redirect_back(request, "/orders/")
