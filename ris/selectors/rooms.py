"""Rooms for the technologist: what a device's day holds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import StepStatus
from ris.domain.performing import PerformedStatus
from ris.models import Device, PerformedProcedureStep, ScheduledProcedureStep
from ris.selectors.calendar import midnight
from ris.selectors.order_lists import StepLine, step_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDevice:
    public_id: str
    ae_title: str
    room: str
    modality: str
    waiting: int
    in_progress: int
    planned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomExam:
    """A step of a room's day, with what is being performed for it."""

    step: StepLine
    patient: PatientLine
    order: str
    accession_number: str
    priority: str
    reason: str
    procedure: str
    preparation: str
    arrived_at: datetime | None
    performed_uid: str
    performed_origin: str
    performed_at: datetime | None
    ended_at: datetime | None


_ROOM_STATES = (
    StepStatus.SCHEDULED.value,
    StepStatus.ARRIVED.value,
    StepStatus.READY.value,
    StepStatus.STARTED.value,
    StepStatus.COMPLETED.value,
    StepStatus.DISCONTINUED.value,
)


def day_steps(day: date) -> QuerySet[ScheduledProcedureStep]:
    """A day's steps, and those of other days that are still being performed."""
    zone = timezone.get_default_timezone()
    today = Q(
        start_at__gte=midnight(day, zone), start_at__lt=midnight(day + timedelta(days=1), zone)
    )
    return ScheduledProcedureStep.objects.filter(
        today | Q(status=StepStatus.STARTED.value), status__in=_ROOM_STATES
    )


def room_devices(day: date) -> list[RoomDevice]:
    """The active devices with what their day holds."""
    count: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for ae_title, status in day_steps(day).values_list("station_ae_title", "status"):
        count[ae_title][status] += 1
    return [
        RoomDevice(
            public_id=str(device.public_id),
            ae_title=device.ae_title,
            room=device.room.name if device.room else "",
            modality=device.modality,
            waiting=count[device.ae_title][StepStatus.ARRIVED.value]
            + count[device.ae_title][StepStatus.READY.value],
            in_progress=count[device.ae_title][StepStatus.STARTED.value],
            planned=count[device.ae_title][StepStatus.SCHEDULED.value],
        )
        for device in Device.objects.select_related("room")
        .filter(active=True)
        .order_by("room__name", "ae_title")
    ]


def find_device(key: str) -> Device:
    """A device by AE title or by its room's name; raises UnknownKeyError."""
    rows = Device.objects.select_related("room").filter(active=True)
    device = rows.filter(ae_title=key).first() or rows.filter(room__name=key).first()
    if device is None:
        raise UnknownKeyError("no such room or device")
    return device


def room_list(device: Device, day: date) -> list[RoomExam]:
    """A device's day in order of time; what is being performed comes first."""
    rows = (
        day_steps(day)
        .filter(station_ae_title=device.ae_title)
        .select_related(
            "procedure__order__patient__merged_into",
            "procedure__definition",
            "appointment",
            "device__room",
        )
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "performed", queryset=PerformedProcedureStep.objects.order_by("-started_at", "-id")
            ),
        )
        .order_by("start_at", "id")
    )
    exams = [_exam(step) for step in rows]
    return sorted(exams, key=lambda exam: exam.step.status != StepStatus.STARTED.value)


def _exam(step: ScheduledProcedureStep) -> RoomExam:
    order = step.procedure.order
    performed = list(step.performed.all())
    running = [p for p in performed if p.status == PerformedStatus.IN_PROGRESS.value]
    last = next(iter(running or performed), None)
    definition = step.procedure.definition
    return RoomExam(
        step=step_line(step),
        patient=line(order.patient),
        order=str(order.public_id),
        accession_number=order.accession_number,
        priority=order.priority,
        reason=order.reason,
        procedure=step.procedure.description or step.procedure.code_meaning,
        preparation=definition.preparation if definition else "",
        arrived_at=step.appointment.arrived_at if step.appointment else None,
        performed_uid=last.sop_instance_uid if last is not None else "",
        performed_origin=last.origin if last is not None else "",
        performed_at=last.started_at if last is not None else None,
        ended_at=last.ended_at if last is not None else None,
    )
