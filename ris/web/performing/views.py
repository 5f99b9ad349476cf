"""The technologist's room: who is next, begin, end.

For devices that send MPPS the same list follows the device by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.arrivals import CallPatient
from ris.domain.errors import MissingValueError, StateConflictError
from ris.domain.orders import OFFERED, StepStatus
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Origin,
    PerformedDetails,
    StartPerformedStep,
)
from ris.domain.scheduling import PrepareStep
from ris.domain.values import PersonName
from ris.models import Device, ScheduledProcedureStep
from ris.selectors import arrivals, dose, protocoling, supplies
from ris.selectors import rooms as room_lists
from ris.selectors.orders import order_view
from ris.selectors.resources import zone_at
from ris.selectors.rooms import RoomExam, Running
from ris.selectors.schedule import find_step
from ris.selectors.viewers import viewers
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import FLOOR
from ris.web.performing.forms import REASONS, reason_in
from ris.web.scheduling.forms import day_in
from ris.web.scheduling.views import around
from ris.web.templatetags.ris_web import person
from ris.web.viewing import to_images


@require_GET
@page(*FLOOR)
def rooms(request: PageRequest) -> HttpResponse:
    context = {"rooms": room_lists.room_devices()}
    return show(request, "performing/rooms.html", context, fragment="performing/_rooms.html")


@require_GET
@page(*FLOOR)
def room(request: PageRequest, key: str) -> HttpResponse:
    """A room's day on one page: who is next or in the room, large; the others in lists."""
    known = room_lists.devices_of_rooms()
    device = room_lists.device_named(key, known)
    with timezone.override(zone_at(device)):
        return _room(request, device, known)


def _room(request: PageRequest, device: Device, known: Sequence[Device]) -> HttpResponse:
    day = day_in(asked(request, "day"))
    exams = room_lists.room_list(device, day)
    saw(request, "ViewRoom", (exam.patient.public_id for exam in exams), subject=device.ae_title)
    wanted = asked(request, "exam")
    current = next((exam for exam in exams if exam.step.public_id == wanted), None)
    current = current or _next(exams)
    groups = [
        (name, [exam for exam in exams if exam.step.status in states and exam is not current])
        for name, states in _GROUPS
    ]
    context = {
        **around(day),
        "device": device,
        "exams": exams,
        "current": current,
        "groups": [(name, found) for name, found in groups if found],
        "others": [other for other in known if other.ae_title != device.ae_title],
        "reasons": REASONS,
        **(_details(current) if current is not None else {}),
    }
    return show(request, "performing/room.html", context, fragment="performing/_room.html")


_GROUPS = (
    ("running", {StepStatus.STARTED.value}),
    ("ready", {StepStatus.READY.value}),
    ("here", {StepStatus.ARRIVED.value}),
    ("to-come", {StepStatus.SCHEDULED.value}),
    ("done", {StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value}),
)
_URGENT = {"STAT": 0, "ASAP": 1, "URGENT": 2}


def _next(exams: Sequence[RoomExam]) -> RoomExam | None:
    """Who is in the room, else who is prepared, else who is here: urgent first, then by time.

    Of several in the room it is whoever was begun last: that is who is being worked with.
    """
    begun = {exam.performed_at: exam for exam in exams if exam.is_running and exam.performed_at}
    if begun:
        return begun[max(begun)]
    for state in (StepStatus.STARTED, StepStatus.READY, StepStatus.ARRIVED, StepStatus.SCHEDULED):
        found = [exam for exam in exams if exam.step.status == state.value]
        if found:
            return min(found, key=lambda exam: _URGENT.get(exam.priority, 3))
    return None


def _details(exam: RoomExam) -> dict[str, object]:
    totals, exceeded = dose.totals_of(exam.order) if exam.performed else ((), ())
    return {
        "used": supplies.of_step(exam.pk),
        "decision": protocoling.for_steps([exam.step.public_id]).get(exam.step.public_id),
        "checked": arrivals.checked(exam.appointment) if exam.appointment else None,
        "doses": totals,
        "above": exceeded,
        "has_viewer": bool(viewers()) and bool(exam.performed_uid),
    }


def _step(request: PageRequest) -> ScheduledProcedureStep:
    return find_step(said(request, "step"))


@require_POST
@page()
def ready(request: PageRequest, key: str) -> HttpResponse:
    do(request, PrepareStep(step=str(_step(request).public_id)))
    return redirect_back(request, f"/room/{key}/")


@require_POST
@page()
def begin(request: PageRequest, key: str) -> HttpResponse:
    device = room_lists.find_device(key)
    step = _step(request)
    if StepStatus(step.status) not in OFFERED:
        raise StateConflictError("this exam was begun or taken away meanwhile")
    allowed = may(request.actor, StartPerformedStep)  # who may not is refused below, unasked
    beside = room_lists.in_progress_beside(step, device) if allowed else []
    if not {running.step for running in beside} <= set(request.POST.getlist("beside")):
        return _ask_about(request, device, step, beside)
    do(
        request,
        StartPerformedStep(
            sop_instance_uid=_uid(step, said(request, "version")),
            station_ae_title=device.ae_title,
            station_name=device.station_name,
            location=(device.room.name if device.room else "")[:16],
            modality=device.modality,
            started_at=timezone.now(),
            steps=(str(step.public_id),),
            origin=Origin.MANUAL,
        ),
    )
    _tell(request, _patient_of(step), _("Begun."))
    return redirect_back(request, f"/room/{key}/")


def _ask_about(
    request: PageRequest, device: Device, step: ScheduledProcedureStep, beside: Sequence[Running]
) -> HttpResponse:
    """Ask before a second patient is in the room; nothing forbids it."""
    saw(request, "ViewRoom", (running.patient for running in beside), subject=device.ae_title)
    context = {
        "device": device,
        "step": step,
        "version": said(request, "version"),
        "beside": beside,
        "names": "; ".join(_written(running.name) for running in beside),
        "name": _written(_patient_of(step)),
        "next": back_to(request, f"/room/{device.ae_title}/"),
    }
    with timezone.override(zone_at(device)):
        return show(request, "performing/beside.html", context, status=409)


def _patient_of(step: ScheduledProcedureStep) -> PersonName:
    return PersonName.parse(step.procedure.order.patient.name)


def _written(name: PersonName) -> str:
    return person(name) or _("Name unknown")


def _tell(request: PageRequest, name: PersonName, words: str) -> None:
    """What was done, and with whom: the card in front may be of somebody else."""
    messages.success(request, f"{_written(name)}: {words}")


def _uid(step: ScheduledProcedureStep, version: str) -> str:
    """A UID that a double click makes twice: the second is then refused as known already."""
    if version != str(step.version):
        raise StateConflictError("somebody else changed this exam meanwhile")
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{step.public_id}:{version}').int}"


def _performed(request: PageRequest) -> str:
    uid = said(request, "performed")
    if not uid:
        raise MissingValueError("which exam?", path="performed")
    return uid


@require_POST
@page()
def complete(request: PageRequest, key: str) -> HttpResponse:
    uid = _performed(request)
    do(
        request,
        CompletePerformedStep(
            sop_instance_uid=uid,
            details=PerformedDetails(ended_at=timezone.now()),
        ),
    )
    _tell(request, room_lists.whose(uid), _("Completed. The exam waits to be read."))
    return redirect_back(request, f"/room/{key}/")


@require_POST
@page()
def discontinue(request: PageRequest, key: str) -> HttpResponse:
    reason = reason_in(said(request, "reason"))
    uid = _performed(request)
    do(
        request,
        DiscontinuePerformedStep(
            sop_instance_uid=uid,
            details=PerformedDetails(ended_at=timezone.now(), discontinuation_reason=reason),
        ),
    )
    _tell(request, room_lists.whose(uid), _("Ended early. The reason is kept with the exam."))
    return redirect_back(request, f"/room/{key}/")


@require_POST
@page()
def call(request: PageRequest, key: str) -> HttpResponse:
    """Call the patient's number into this room."""
    device = room_lists.find_device(key)
    room = device.room.name if device.room else device.ae_title
    number = do(request, CallPatient(appointment=said(request, "appointment"), room=room))
    messages.success(
        request, _("Number %(number)s is called; the waiting room shows it.") % {"number": number}
    )
    return redirect_back(request, f"/room/{key}/")


@require_GET
@page(*FLOOR)
def view(request: PageRequest, key: str, step: uuid.UUID) -> HttpResponse:
    """Go to the viewer with the study of an exam."""
    found = find_step(str(step))
    order = order_view(str(found.procedure.order.public_id))
    saw(request, "OpenViewer", [order.patient.public_id], order=order.public_id)
    return to_images(order, str(found.procedure.public_id), asked(request, "viewer", 40))
