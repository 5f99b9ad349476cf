"""The slot finder: a time for an exam is found, held while somebody looks at it, and booked.

One page for everything a scheduler asks: the first openings, days by rooms, any other time with
what stands against it, the patient's other exams on the same day, series, the waiting list, and
booking over with a reason. Every form works without script and without a mouse.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.dateparse import parse_time
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    RequestError,
    RisError,
    StateConflictError,
)
from ris.domain.orders import StepStatus
from ris.domain.safety import NotReadyError
from ris.domain.scheduling import (
    AppointmentStatus,
    BookAppointment,
    CancelAppointment,
    HoldSlot,
    RescheduleAppointment,
)
from ris.domain.waiting import DAY_PARTS, DayPart
from ris.models import Appointment, ScheduledProcedureStep
from ris.selectors import finder, schedule
from ris.selectors.accounts import person_behind
from ris.selectors.openings import Wish
from ris.selectors.patients import to_view
from ris.selectors.resources import zone_at, zone_of_device
from ris.selectors.schedule import Told
from ris.selectors.sets import beside, proposed_sets
from ris.selectors.told_allergies import told_of
from ris.selectors.waiting import waiting_lines
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import asked, number, said
from ris.web.errors import STATUS
from ris.web.scheduling import reasons
from ris.web.scheduling.forms import SeriesForm, TimeForm, WaitForm, day_in, slot_in
from ris.web.templatetags.ris_web import day_words
from ris.web.wall_clock import hour, moment, twice

DAYS = 5
SET_DAYS = 21
HOLD_MINUTES = 5
BOOKABLE = frozenset(
    {StepStatus.PENDING.value, StepStatus.NO_SHOW.value, StepStatus.SCHEDULED.value}
)


@require_http_methods(["GET", "POST"])
@page()
def book(request: PageRequest, key: UUID) -> HttpResponse:
    step = open_step(request, key)
    with at_site(step):
        return _finder(request, step)


def at_site(step: ScheduledProcedureStep) -> AbstractContextManager[Any]:
    """The clock of the site where the exam is booked; of one that waits, that of the settings."""
    return timezone.override(zone_at(step.device))


def _finder(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    if request.method == "GET":
        return finder_page(request, step)
    if "ask" in request.POST:
        form = TimeForm(request.POST, step=step)
        if "at" in form.errors:
            return finder_page(request, step, filled=Filled(time=form))
        asked_for = {name: said(request, name, 40) for name in ("day", "at", "device")}
        if turn := said(request, "at-turn", 10):
            asked_for["at-turn"] = turn
        return _again(request, step, asked_for, "#any-time")
    if "hold" in request.POST:
        return _hold(request, step)
    if "confirm" in request.POST:
        return _confirm(request, step)
    if "release" in request.POST:
        do(request, CancelAppointment(appointment=said(request, "release"), reason="let go"))
        return _again(request, step)
    return _book(request, step)


def open_step(request: PageRequest, key: UUID) -> ScheduledProcedureStep:
    step = schedule.find_step(str(key))
    order = step.procedure.order
    patients = [str(order.patient.public_id)]
    saw(request, "BookStep", patients, order=str(order.public_id))
    return step


def _again(
    request: PageRequest,
    step: ScheduledProcedureStep,
    more: Mapping[str, str] | None = None,
    place: str = "",
) -> HttpResponse:
    """The page anew, as it was filtered."""
    names = ("from", "where", "part", "gaps")
    kept = {name: asked(request, name) for name in names if asked(request, name)}
    if back_to(request, ""):
        kept["next"] = back_to(request, "")
    kept |= more or {}
    query = f"?{urlencode(kept)}" if kept else ""
    return HttpResponseRedirect(f"/book/{step.public_id}/{query}{place}", status=303)


# --- what the page shows


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something was refused, and the time that was wanted."""

    error: RisError
    wanted: datetime | None = None
    told: Told | None = None  # booked meanwhile, by whom: no other time is offered then

    @property
    def safety(self) -> bool:
        return isinstance(self.error, NotReadyError)


@dataclass(frozen=True, slots=True)
class Filled:
    """The forms as somebody filled them in."""

    time: TimeForm | None = None
    series: SeriesForm | None = None
    wait: WaitForm | None = None

    @property
    def is_bound(self) -> bool:
        return any(form.is_bound for form in (self.time, self.series, self.wait) if form)


def finder_page(
    request: PageRequest,
    step: ScheduledProcedureStep,
    *,
    trouble: Trouble | None = None,
    filled: Filled | None = None,
) -> HttpResponse:
    filled = filled or Filled()
    first = _first_day(request, step)
    where = asked(request, "where", 60)
    parts = [part for part in request.GET.getlist("part") if part in DAY_PARTS]
    privileged = request.actor.has(Role.SCHEDULER, Role.MANAGER)
    with_gaps = privileged and asked(request, "gaps") == "1"
    ask = _asked_time(request)
    found = finder.find(
        step,
        first,
        DAYS,
        where=where,
        wish=Wish(hours=[DAY_PARTS[DayPart(part)] for part in parts], with_gaps=with_gaps),
        near=trouble.wanted if trouble else None,
        ask=ask,
    )
    is_over = trouble is not None and trouble.told is not None  # nothing is left to be done here
    moves = step.status == StepStatus.SCHEDULED.value and not is_over
    order = step.procedure.order
    others, is_waiting = beside(step)
    chosen = [other for other in others if str(other.public_id) in request.GET.getlist("with")]
    waiting = next(iter(waiting_lines(step=str(step.public_id)) if is_waiting else ()), None)
    held = _held(step)
    initial = _initial(step, found.minutes, ask)
    known: dict[str, Any] = {
        "step": step,
        "devices": found.devices,
        "start_at": ask[1] if ask else step.start_at or step.wished_at,
    }
    context = {
        "step": step,
        "order": order,
        "patient": to_view(order.patient, told_allergies=told_of(step)),
        "found": found,
        "days": found.days,
        "held": held,
        "held_by": person_behind(held.held_by) if held else "",
        "trouble": trouble,
        "error": trouble.error if trouble else None,
        "form": filled.time or TimeForm(initial=initial, **known),
        "series_form": filled.series
        or SeriesForm(initial={**initial, "visits": 4, "every": 7}, **known),
        "wait_form": filled.wait or WaitForm(initial={"notice_hours": 24}),
        "filled": filled,
        "against": [(reasons.words(each.refusal), each.until) for each in found.against or ()],
        "ask": ask,
        "others": [(other, zone_at(other.device)) for other in others],
        "chosen": chosen,
        "sets": _sets([step, *chosen], first) if chosen else [],
        "waiting": waiting,
        "where": where,
        "parts": parts,
        "day_parts": _day_parts(),
        "gaps": with_gaps,
        "moves": moves,
        "version": step.appointment.version if moves and step.appointment else step.version,
        "allowed": may(request.actor, RescheduleAppointment if moves else BookAppointment),
        "bookable": step.status in BOOKABLE,
        "may_overbook": privileged,
        "first": first,
        "earlier": max(first - timedelta(days=DAYS), timezone.localdate())
        if first > timezone.localdate()
        else None,
        "following": first + timedelta(days=DAYS),
        "kept": _kept(request),
        "next": back_to(request, ""),
    }
    status = STATUS[trouble.error.code] if trouble else 422 if filled.is_bound else 200
    return show(request, "scheduling/book.html", context, status=status)


def _sets(steps: list[ScheduledProcedureStep], first: date) -> list[dict[str, object]]:
    """Times for all exams of a day: lines in order of time, and what a button sends."""
    found: list[dict[str, object]] = []
    for proposed in proposed_sets(steps, first, SET_DAYS):
        pairs = list(zip(proposed.slots, steps, strict=True))
        value = "|".join(
            f"{step.public_id} {slot.device} {slot.start_at.isoformat()}" for slot, step in pairs
        )
        lines = sorted(pairs, key=lambda pair: pair[0].start_at)
        found.append({"lines": lines, "value": value})
    return found


def _first_day(request: PageRequest, step: ScheduledProcedureStep) -> date:
    first = day_in(asked(request, "from"))
    if step.wished_at and "from" not in request.GET:
        first = timezone.localdate(step.wished_at)
    return max(first, timezone.localdate())


def _initial(
    step: ScheduledProcedureStep, minutes: int, ask: tuple[str, datetime] | None
) -> dict[str, object]:
    return {
        "device": ask[0] if ask else str(step.device.public_id) if step.device else "",
        "minutes": minutes,
    }


def _asked_time(request: PageRequest) -> tuple[str, datetime] | None:
    """The time whose reasons are asked for (``?day=…&at=…&device=…``)."""
    try:
        clock = parse_time(asked(request, "at", 10))
        day = date.fromisoformat(asked(request, "day", 10))
    except ValueError:
        return None
    device = asked(request, "device", 40)
    if clock is None or not device:
        return None
    try:
        turn = asked(request, "at-turn", 10)
        return device, moment(day, clock, zone_of_device(device), turn=turn)
    except InvalidValueError:
        return None


def _held(step: ScheduledProcedureStep) -> Appointment | None:
    held = step.appointment
    if held is None or held.status != AppointmentStatus.HELD.value:
        return None
    over = held.expires_at is not None and held.expires_at <= timezone.now()
    return None if over else held


def _day_parts() -> list[tuple[str, str]]:
    return [
        (DayPart.MORNING.value, _("Morning")),
        (DayPart.AFTERNOON.value, _("Afternoon")),
        (DayPart.EVENING.value, _("Evening")),
    ]


def _kept(request: PageRequest) -> str:
    """The filters as part of an address, so that leafing through days keeps them."""
    names = ("where", "part", "gaps", "next", "with")
    pairs = [(name, value) for name in names for value in request.GET.getlist(name) if value]
    return f"&{urlencode(pairs)}" if pairs else ""


# --- holding and booking


def _hold(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    """Keep the time while the person looks at it."""
    start_at = None
    try:
        device, start_at = slot_in(said(request, "hold"))
        do(
            request,
            HoldSlot(
                step=str(step.public_id), device=device, start_at=start_at, minutes=HOLD_MINUTES
            ),
        )
    except RequestError as error:
        return _refused(request, step, error, start_at)
    return _again(request, step)


def _confirm(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    held = step.appointment
    wanted = held.start_at if held is not None else None
    command = BookAppointment(
        appointment=said(request, "confirm"), comment=said(request, "comment", 500)
    )
    try:
        do(request, command)
    except RequestError as error:
        return _refused(request, step, error, wanted)
    return _done(request, schedule.find_step(str(step.public_id)))


def _book(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    """Book or move at once: a slot that was clicked, or any time of the form."""
    form: TimeForm | None = None
    overbook, reason, minutes = False, "", None
    if "slot" in request.POST:
        try:
            device, start_at = slot_in(said(request, "slot"))
        except InvalidValueError as error:
            return _refused(request, step, error, None)
    else:
        form = TimeForm(request.POST, step=step)
        if not form.is_valid():
            return finder_page(request, step, filled=Filled(time=form))
        device, start_at = form.cleaned_data["device"], form.start_at
        minutes = form.cleaned_data["minutes"]
        overbook, reason = form.cleaned_data["overbook"], form.cleaned_data["reason"]
    try:
        _place(
            request,
            step,
            device=device,
            start_at=start_at,
            minutes=minutes,
            overbook=overbook,
            reason=reason,
        )
    except StateConflictError as error:
        filled = Filled(time=form) if form is not None else None
        return _refused(request, step, error, start_at, filled)
    return _done(request, schedule.find_step(str(step.public_id)))


def _place(
    request: PageRequest,
    step: ScheduledProcedureStep,
    *,
    device: str,
    start_at: datetime,
    minutes: int | None,
    overbook: bool,
    reason: str,
) -> None:
    """Book the step, or move the appointment it has."""
    version = number(request, "version")
    if _is_booked_meanwhile(request, step):
        raise StateConflictError("this step is scheduled already")
    if step.status == StepStatus.SCHEDULED.value and step.appointment is not None:
        do(
            request,
            RescheduleAppointment(
                appointment=str(step.appointment.public_id),
                start_at=start_at,
                device=device,
                duration_minutes=minutes,
                overbook=overbook,
                reason=reason,
                expected_version=version,
            ),
        )
        return
    do(
        request,
        BookAppointment(
            step=str(step.public_id),
            device=device,
            start_at=start_at,
            duration_minutes=minutes,
            overbook=overbook,
            reason=reason,
            expected_version=version,
        ),
    )


def _refused(
    request: PageRequest,
    step: ScheduledProcedureStep,
    error: RisError,
    wanted: datetime | None,
    filled: Filled | None = None,
) -> HttpResponse:
    """The page with what was typed, why not, and the next three times."""
    fresh = schedule.find_step(str(step.public_id))
    told = None
    if fresh.appointment is not None and _is_booked_meanwhile(request, fresh):
        told = schedule.last_told(fresh.appointment)
    return finder_page(request, fresh, trouble=Trouble(error, wanted, told), filled=filled)


def _is_booked_meanwhile(request: PageRequest, step: ScheduledProcedureStep) -> bool:
    """Whether the page was made before the step had the time that it has now.

    Its buttons were to book it; now they would move what a colleague agreed with the patient.
    """
    if step.status != StepStatus.SCHEDULED.value or step.appointment is None:
        return False
    return said(request, "moves") != str(step.appointment.public_id)


def _done(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    with at_site(step):
        local = timezone.localtime(step.start_at)
        told = _("Booked: {day}, {time}.").format(day=day_words(local.date()), time=hour(local))
        messages.success(request, f"{told} {twice(local)}".strip())
    return redirect_back(request, f"/orders/{step.procedure.order.public_id}/")
