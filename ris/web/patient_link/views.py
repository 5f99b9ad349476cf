"""The page of one appointment for its patient: no login, no name, made for a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris import config
from ris.domain.calendar_file import Entry, ics
from ris.domain.errors import InvalidValueError, RisError, StateConflictError
from ris.domain.patient_links import MISSES, OpenPatientLink, can_be_asked
from ris.domain.patient_messages import Channel, SetContactChoice
from ris.domain.scheduling import (
    Answer,
    AnswerAppointment,
    AppointmentStatus,
    CancelAppointment,
    Participant,
    RescheduleAppointment,
    Slot,
)
from ris.models import Device
from ris.selectors import linked, patient_messages, schedule
from ris.selectors.resources import site_of
from ris.selectors.safety_declared import asked_at
from ris.services import execute
from ris.web.asking import as_day, as_moment, asked, said
from ris.web.errors import STATUS
from ris.web.patient_link.gate import VisitRequest, of_a_patient, remember
from ris.web.patients.forms import born

DAYS = 7
FURTHER = 8 * DAYS  # looked through for the first week that has a free time
A_DAY = 16  # more times of one day than this help nobody choose


def show_page(
    request: VisitRequest, template: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    shared = {"visit": request.visit, "token": request.token}
    return render(request, f"patient_link/{template}.html", {**shared, **context}, status=status)


def back(request: VisitRequest, done: str = "") -> HttpResponseRedirect:
    response = HttpResponseRedirect(f"/p/{request.token}/{f'?done={done}' if done else ''}")
    response.status_code = 303
    return response


@require_http_methods(["GET", "POST"])
@of_a_patient
def visit(request: VisitRequest) -> HttpResponse:
    """Time and place, what to do before; first the birth date."""
    if request.method == "POST":
        return _open(request)
    if not request.is_open:
        return show_page(request, "birth_date", {})
    patient = request.link.appointment.patient
    declined = patient_messages.declined(patient) if patient else frozenset()
    context = {
        "done": asked(request, "done", 20),
        "channels": [
            (channel.value, channel not in declined)
            for channel in patient_messages.carriers()
            if patient and patient_messages.address(patient, channel)
        ],
        "questions": asked_at(request.link.appointment) if request.visit.is_ahead else [],
        "canceled": request.visit.status is AppointmentStatus.CANCELED,
        "missed": request.visit.status is AppointmentStatus.NO_SHOW,
    }
    return show_page(request, "visit", context)


def _open(request: VisitRequest) -> HttpResponse:
    birth_date = _birth_date(said(request, "born", 10))
    if not birth_date:
        error = _("Write the whole date: day, month and year.")
        return show_page(request, "birth_date", {"error": error}, status=422)
    right = execute(
        OpenPatientLink(link=str(request.link.public_id), birth_date=birth_date),
        actor=request.actor,
    )
    if right:
        response = back(request)
        remember(response, request)
        return response
    left = MISSES - request.link.misses - 1
    if left <= 0:
        return back(request)  # the page says that the link is closed, and whom to call
    error = _("This is not the date we know.")
    return show_page(request, "birth_date", {"error": error, "left": left}, status=422)


def _birth_date(text: str) -> str:
    """The whole of it, also typed as 3.5.1970 where a browser has no field for dates."""
    try:
        found = born(text).text
    except InvalidValueError:
        return ""
    return found if can_be_asked(found) else ""


def _refused(request: VisitRequest, template: str, error: RisError, **more: Any) -> HttpResponse:
    context = {"error": error.message, **more}
    return show_page(request, template, context, status=STATUS[error.code])


@require_POST
@of_a_patient
def confirm(request: VisitRequest) -> HttpResponse:
    if not request.is_open:
        return back(request)
    try:
        execute(
            AnswerAppointment(
                appointment=request.visit.public_id,
                participant=Participant.PATIENT,
                key=request.visit.patient,
                answer=Answer.ACCEPTED,
            ),
            actor=request.actor,
        )
    except RisError as error:
        return _refused(request, "visit", error)
    return back(request, "confirmed")


@require_http_methods(["GET", "POST"])
@of_a_patient
def cancel(request: VisitRequest) -> HttpResponse:
    if not request.is_open:
        return back(request)
    if request.method == "GET":
        return show_page(request, "cancel", {})
    words = said(request, "reason", 150)
    try:
        execute(
            CancelAppointment(
                appointment=request.visit.public_id,
                reason=f"by the patient: {words}" if words else "by the patient",
            ),
            actor=request.actor,
        )
    except RisError as error:
        return _refused(request, "cancel", error)
    return back(request, "canceled")


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    slots: tuple[Slot, ...]
    more: int


@require_http_methods(["GET", "POST"])
@of_a_patient
def move(request: VisitRequest) -> HttpResponse:
    """Free times of a week, or of the next that has any.

    One tap takes one, and nothing is given up before it is taken.
    """
    if not request.is_open:
        return back(request)
    if not request.visit.can_move:
        return show_page(request, "move", {"days": []})
    if request.method == "POST":
        return _move(request)
    return _times(request)


def _times(request: VisitRequest, error: str = "", status: int = 200) -> HttpResponse:
    today = timezone.localdate()
    last = today + timedelta(days=request.visit.policy.days_ahead)
    wanted = as_day(asked(request, "from", 10)) or today
    first = min(max(wanted, today), last)
    searched = min(first + timedelta(days=FURTHER), last + timedelta(days=1))
    free = _free_days(request, first, searched)
    is_further = bool(free) and free[0].day >= first + timedelta(days=DAYS)
    shown = free[0].day if is_further else first
    following = min(shown + timedelta(days=DAYS), searched) if free else searched
    context = {
        "days": [day for day in free if day.day < following],
        "is_further": is_further,
        "error": error,
        "earlier": max(first - timedelta(days=DAYS), today) if first > today else None,
        "later": following if following <= last else None,
    }
    return show_page(request, "move", context, status=status)


def _free_days(request: VisitRequest, first: date, end: date) -> list[Day]:
    """The days from ``first`` to before ``end`` that have another time than the present one."""
    step = schedule.find_step(request.visit.step)
    near = timezone.now() + timedelta(hours=request.visit.policy.notice_hours)
    here = _devices_here(request, step.modality)
    days = []
    for found in linked.free_slots(step, first, (end - first).days, devices=here):
        slots = _distinct(slot for each in found.devices for slot in each.slots)
        slots = [
            slot
            for slot in slots
            if slot.start_at != request.visit.start_at and slot.start_at > near
        ]
        if slots:
            days.append(Day(found.day, tuple(slots[:A_DAY]), max(0, len(slots) - A_DAY)))
    return days


def _devices_here(request: VisitRequest, modality: str) -> list[Device]:
    """The devices of the site; where it is not known which, all."""
    known = request.visit.site_id
    rows = schedule.suitable_devices(modality)
    return [
        row for row in rows if known is None or (site := site_of(row)) is None or site.pk == known
    ]


def _distinct(slots: Any) -> list[Slot]:
    """One time once, whichever room it is in."""
    found: dict[datetime, Slot] = {}
    for slot in slots:
        found.setdefault(slot.start_at, slot)
    return [found[at] for at in sorted(found)]


def _move(request: VisitRequest) -> HttpResponse:
    device, _sep, text = said(request, "slot", 100).partition("|")
    try:
        start_at = as_moment(text)
        if start_at is None or start_at.tzinfo is None:
            raise InvalidValueError("choose one of the times", path="slot")
        execute(
            RescheduleAppointment(
                appointment=request.visit.public_id,
                start_at=start_at,
                device=device,
                open_only=True,
                expected_version=request.visit.version,
                reason="by the patient",
            ),
            actor=request.actor,
        )
    except StateConflictError:
        words = _("That time was taken a moment ago. You still have your present one.")
        return _times(request, words, status=409)
    except RisError as error:
        return _times(request, error.message, status=STATUS[error.code])
    return back(request, "moved")


@require_POST
@of_a_patient
def choose(request: VisitRequest) -> HttpResponse:
    """Messages wanted by a channel, or not."""
    channel = said(request, "channel", 8)
    if request.is_open and channel in set(Channel):
        execute(
            SetContactChoice(
                patient=request.visit.patient,
                channel=Channel(channel),
                wanted=said(request, "wanted", 3) == "yes",
                appointment=request.visit.public_id,
            ),
            actor=request.actor,
        )
    return back(request, "choice")


@require_GET
@of_a_patient
def calendar(request: VisitRequest) -> HttpResponse:
    """The appointment for a calendar; it says where and when, not what for."""
    if not request.is_open:
        return back(request)
    found = request.visit
    site = found.site or settings.SITE_NAME
    lines: Sequence[str] = (
        _("Phone: %(phone)s") % {"phone": found.policy.phone} if found.policy.phone else "",
        found.policy.bring,
    )
    entry = Entry(
        uid=f"{found.public_id}@{_host()}",
        sequence=found.version,
        start=found.start_at,
        end=found.end_at,
        summary=_("Appointment: %(site)s") % {"site": site},
        location=", ".join(part for part in (site, " ".join(found.address.split())) if part),
        description="\n".join(line for line in lines if line),
        url="",
        organizer=site,
        stamp=timezone.now(),
        canceled=not found.is_booked and found.status is AppointmentStatus.CANCELED,
    )
    response = HttpResponse(
        ics(entry, str(found.zone)), content_type="text/calendar; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return response


def _host() -> str:
    return config.load().public_url.partition("//")[2].partition(":")[0] or "ris"
