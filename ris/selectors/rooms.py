"""Rooms for the technologist: what a device's day holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import StepStatus
from ris.domain.performing import Origin, PerformedStatus
from ris.domain.values import PersonName
from ris.models import Device, PerformedProcedureStep, ScheduledProcedureStep, Ticket
from ris.selectors import safety
from ris.selectors.calendar import midnight
from ris.selectors.cancellations import cancel_asked
from ris.selectors.order_lists import StepLine, step_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import zone_at
from ris.selectors.safety import SafetyState
from ris.selectors.told_allergies import told, told_of
from ris.selectors.views import CancelAsked


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
    appointment: str
    ticket: int | None
    called_at: datetime | None
    laterality: str
    definition: str
    procedure_key: str
    patient: PatientLine
    order: str
    accession_number: str
    priority: str
    reason: str
    procedure: str
    preparation: str
    arrived_at: datetime | None
    performed_uid: str
    performed: str
    performed_origin: str
    performed_at: datetime | None
    told_at: datetime | None  # when the device last said something of it
    ended_at: datetime | None
    safety: SafetyState | None
    pk: int
    cancel_asked: CancelAsked | None = None

    @property
    def is_over(self) -> bool:
        return self.step.status in _OVER

    @property
    def is_running(self) -> bool:
        return self.step.status == StepStatus.STARTED.value

    @property
    def is_late(self) -> bool:
        """Should have been here by now."""
        start_at = self.step.start_at
        return (
            self.step.status == StepStatus.SCHEDULED.value
            and start_at is not None
            and start_at < timezone.now()
        )

    @property
    def is_told_by_device(self) -> bool:
        return self.performed_origin == Origin.MPPS.value

    @property
    def silent_minutes(self) -> int:
        """How long the device that began it has said nothing beyond the planned time."""
        if not self.is_running or not self.is_told_by_device or self.told_at is None:
            return 0
        minutes = int((timezone.now() - self.told_at).total_seconds() // 60)
        return minutes if minutes >= max(SILENT_MINUTES, self.step.duration_minutes) else 0

    @property
    def minutes(self) -> int:
        """How long it has been going on."""
        if self.performed_at is None or not self.is_running:
            return 0
        return max(int((timezone.now() - self.performed_at).total_seconds() // 60), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Somebody whose exam is under way, by step."""

    step: str
    patient: str
    name: PersonName
    exam: str
    planned_at: datetime | None  # whose day's list it is on
    since: datetime | None
    is_told_by_device: bool


SILENT_MINUTES = 30
_OVER = frozenset({StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value})


_ROOM_STATES = (
    StepStatus.SCHEDULED.value,
    StepStatus.ARRIVED.value,
    StepStatus.READY.value,
    StepStatus.STARTED.value,
    StepStatus.COMPLETED.value,
    StepStatus.DISCONTINUED.value,
)


def day_steps(day: date, zone: tzinfo) -> QuerySet[ScheduledProcedureStep]:
    """A day's steps, and those of other days that are still being performed."""
    today = Q(
        start_at__gte=midnight(day, zone), start_at__lt=midnight(day + timedelta(days=1), zone)
    )
    return ScheduledProcedureStep.objects.filter(
        today | Q(status=StepStatus.STARTED.value), status__in=_ROOM_STATES
    )


def room_devices() -> list[RoomDevice]:
    """The active devices with what today holds, which it is where each of them stands."""
    devices = devices_of_rooms()
    by_zone: dict[tzinfo, list[str]] = defaultdict(list)
    for device in devices:
        by_zone[zone_at(device)].append(device.ae_title)
    count: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for zone, stations in by_zone.items():
        rows = day_steps(timezone.localdate(timezone=zone), zone)
        for ae_title, status in rows.filter(station_ae_title__in=stations).values_list(
            "station_ae_title", "status"
        ):
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
        for device in devices
    ]


def find_device(key: str) -> Device:
    """A device by AE title or by its room's name; raises UnknownKeyError."""
    rows = Device.objects.select_related("room__site").filter(active=True)
    device = rows.filter(ae_title=key).first() or rows.filter(room__name=key).first()
    if device is None:
        raise UnknownKeyError("no such room or device")
    return device


def devices_of_rooms() -> list[Device]:
    """The active devices, in order of their rooms."""
    return list(
        Device.objects.select_related("room__site")
        .filter(active=True)
        .order_by("room__name", "ae_title")
    )


def device_named(key: str, known: Sequence[Device]) -> Device:
    """The one of ``known`` by AE title or by its room's name; raises UnknownKeyError."""
    for device in known:
        if device.ae_title == key:
            return device
    for device in known:
        if device.room is not None and device.room.name == key:
            return device
    raise UnknownKeyError("no such room or device")


def room_list(device: Device, day: date) -> list[RoomExam]:
    """A device's day in order of time; what is being performed comes first."""
    rows = (
        day_steps(day, zone_at(device))
        .annotate(told_allergies=told("procedure__order__patient"))
        .filter(station_ae_title=device.ae_title)
        .select_related(
            "procedure__order__patient__merged_into",
            "procedure__definition",
            "appointment__ticket",
            "device__room__site",
        )
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "performed", queryset=PerformedProcedureStep.objects.order_by("-started_at", "-id")
            ),
        )
        .order_by("start_at", "id")
    )
    found = list(rows)
    asked = [step for step in found if step.status not in _OVER]
    states = safety.states(asked) if asked else {}
    exams = [_exam(step, states.get(step.pk)) for step in found]
    return sorted(exams, key=lambda exam: exam.step.status != StepStatus.STARTED.value)


def in_progress_beside(step: ScheduledProcedureStep, device: Device) -> list[Running]:
    """Whose exams are being performed with a device, but for the patient of ``step``."""
    rows = (
        ScheduledProcedureStep.objects.filter(
            status=StepStatus.STARTED.value, station_ae_title=device.ae_title
        )
        .exclude(procedure__order__patient=step.procedure.order.patient_id)
        .select_related("procedure__order__patient")
        .prefetch_related(
            Prefetch(
                "performed",
                queryset=PerformedProcedureStep.objects.filter(
                    status=PerformedStatus.IN_PROGRESS.value
                ).order_by("-started_at", "-id"),
            )
        )
        .order_by("start_at", "id")
    )
    return [_running(row) for row in rows]


def _running(row: ScheduledProcedureStep) -> Running:
    performed = next(iter(row.performed.all()), None)
    patient = row.procedure.order.patient
    return Running(
        step=str(row.public_id),
        patient=str(patient.public_id),
        name=PersonName.parse(patient.name),
        exam=row.description,
        planned_at=row.start_at,
        since=performed.started_at if performed else None,
        is_told_by_device=performed is not None and performed.origin == Origin.MPPS.value,
    )


def whose(sop_instance_uid: str) -> PersonName:
    """The patient of what was performed; as the device said it where nobody known was meant."""
    row = (
        PerformedProcedureStep.objects.filter(sop_instance_uid=sop_instance_uid)
        .values_list("patient__name", "patient_name")
        .first()
    )
    known, said = row or ("", "")
    return PersonName.as_sent(known or said)


def _exam(step: ScheduledProcedureStep, state: SafetyState | None) -> RoomExam:
    order = step.procedure.order
    performed = list(step.performed.all())
    running = [p for p in performed if p.status == PerformedStatus.IN_PROGRESS.value]
    last = next(iter(running or performed), None)
    definition = step.procedure.definition
    appointment = step.appointment
    ticket: Ticket | None = getattr(appointment, "ticket", None)
    return RoomExam(
        step=step_line(step),
        appointment=str(appointment.public_id) if appointment else "",
        ticket=ticket.number if ticket else None,
        called_at=ticket.called_at if ticket else None,
        laterality=step.procedure.laterality,
        definition=str(definition.public_id) if definition else "",
        procedure_key=str(step.procedure.public_id),
        patient=line(order.patient, told_of(step)),
        order=str(order.public_id),
        accession_number=order.accession_number,
        priority=order.priority,
        reason=order.reason,
        procedure=step.procedure.description or step.procedure.code_meaning,
        preparation=definition.preparation if definition else "",
        arrived_at=step.appointment.arrived_at if step.appointment else None,
        performed_uid=last.sop_instance_uid if last is not None else "",
        performed=str(last.public_id) if last is not None else "",
        performed_origin=last.origin if last is not None else "",
        performed_at=last.started_at if last is not None else None,
        told_at=last.updated_at if last is not None else None,
        ended_at=last.ended_at if last is not None else None,
        safety=state if state is not None and state.checks else None,
        pk=step.pk,
        cancel_asked=cancel_asked(order),
    )
