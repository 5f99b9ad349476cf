"""The technologist's room: who is next, begin, end.

For devices that send MPPS the same list follows the device by itself.
"""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

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
from ris.models import ScheduledProcedureStep
from ris.selectors import rooms as room_lists
from ris.selectors.schedule import find_step
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import FLOOR
from ris.web.performing.forms import REASONS, reason_in
from ris.web.scheduling.forms import day_in
from ris.web.scheduling.views import around


@require_GET
@page(*FLOOR)
def rooms(request: PageRequest) -> HttpResponse:
    context = {"rooms": room_lists.room_devices(timezone.localdate())}
    return show(request, "performing/rooms.html", context, fragment="performing/_rooms.html")


@require_GET
@page(*FLOOR)
def room(request: PageRequest, key: str) -> HttpResponse:
    device = room_lists.find_device(key)
    day = day_in(asked(request, "day"))
    exams = room_lists.room_list(device, day)
    saw(request, "ViewRoom", (exam.patient.public_id for exam in exams), subject=device.ae_title)
    open_states = {StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value}
    context = {
        **around(day),
        "device": device,
        "exams": [exam for exam in exams if exam.step.status not in open_states],
        "done": [exam for exam in exams if exam.step.status in open_states],
        "reasons": REASONS,
        "others": [
            other for other in room_lists.room_devices(day) if other.ae_title != device.ae_title
        ],
    }
    return show(request, "performing/room.html", context, fragment="performing/_room.html")


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
    messages.success(request, "Begun.")
    return redirect_back(request, f"/room/{key}/")


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
    do(
        request,
        CompletePerformedStep(
            sop_instance_uid=_performed(request),
            details=PerformedDetails(ended_at=timezone.now()),
        ),
    )
    messages.success(request, "Completed. The exam waits to be read.")
    return redirect_back(request, f"/room/{key}/")


@require_POST
@page()
def discontinue(request: PageRequest, key: str) -> HttpResponse:
    reason = reason_in(said(request, "reason"))
    do(
        request,
        DiscontinuePerformedStep(
            sop_instance_uid=_performed(request),
            details=PerformedDetails(ended_at=timezone.now(), discontinuation_reason=reason),
        ),
    )
    messages.success(request, "Ended early. The reason is kept with the exam.")
    return redirect_back(request, f"/room/{key}/")
