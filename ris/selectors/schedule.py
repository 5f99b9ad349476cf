"""The calendar for pages: free slots, arrivals, the day board."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.actors import ActorKind
from ris.domain.errors import UnknownKeyError
from ris.domain.local_time import whole_day
from ris.domain.openings import Opening, is_open
from ris.domain.orders import PERFORMED, StepStatus
from ris.domain.scheduling import LONGEST, MOVABLE, OCCUPYING, AppointmentStatus, Slot
from ris.models import Appointment, Device, DomainEvent, ScheduledProcedureStep, User
from ris.selectors.calendar import Calendar, Span
from ris.selectors.openings import (
    Exam,
    Openings,
    Wish,
    bookable_devices,
    end_of,
    exam_of,
    start_of,
)
from ris.selectors.order_lists import ExamLine, StepLine, step_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import CLOCKS_APART, elsewhere, zone_at
from ris.selectors.taken import minute_of
from ris.selectors.told_allergies import told, told_of

# --- free slots


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSlots:
    """``note`` says why there are none."""

    device: str
    ae_title: str
    room: str
    slots: tuple[Slot, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySlots:
    day: date
    devices: tuple[DeviceSlots, ...]

    @property
    def any(self) -> bool:
        return any(device.slots for device in self.devices)


def find_step(public_id: str) -> ScheduledProcedureStep:
    """The step with what pages about its booking need; raises UnknownKeyError."""
    step = (
        ScheduledProcedureStep.objects.select_related(
            "procedure__order__patient__merged_into",
            "procedure__definition",
            "appointment__device__room__site",
            "device__room__site",
        )
        .annotate(told_allergies=told("procedure__order__patient"))
        .filter(public_id=_key(public_id, "step"))
        .first()
    )
    if step is None:
        raise UnknownKeyError("no such step")
    return step


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who last said something of an appointment, and when."""

    by: str
    at: datetime


def last_told(appointment: Appointment) -> Told | None:
    row = (
        DomainEvent.objects.filter(
            subject_type="Appointment", subject_id=str(appointment.public_id)
        )
        .order_by("-id")
        .first()
    )
    if row is None:
        return None
    user = None
    if row.actor_kind == ActorKind.USER.value:
        user = User.objects.filter(username=row.actor_name).first()
    return Told(by=(user.get_full_name() if user else "") or row.actor_name, at=row.at)


def _key(text: str, what: str) -> uuid.UUID:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise UnknownKeyError(f"no such {what}") from None


def suitable_devices(modality: str) -> list[Device]:
    return bookable_devices(modality)


def free_slots(
    step: ScheduledProcedureStep,
    day_from: date,
    days: int,
    *,
    minutes: int | None = None,
    devices: Sequence[Device] | None = None,
    wish: Wish | None = None,
) -> list[DaySlots]:
    """Where and when a step could be done: per day, per device of its modality.

    The step's own booking does not stand in its way, its patient's other appointments do.
    """
    now = timezone.now()
    exam = exam_of(step, minutes)
    chosen = bookable_devices(step.modality) if devices is None else list(devices)
    calendar = Openings(
        chosen,
        day_from,
        days,
        now=now,
        staff=exam.needs_staff,
        patient=exam.patient,
        besides=exam.besides,
    )
    even = next_even(now, exam.minutes)
    wish = wish or Wish()
    wish = replace(wish, earliest=max(even, wish.earliest) if wish.earliest else even)
    offered = [each for device in chosen for each in calendar.look(device, exam, wish)[1]]
    return days_of(calendar, exam, chosen, calendar.days, offered)


def days_of(
    calendar: Openings,
    exam: Exam,
    devices: Sequence[Device],
    days: Sequence[date],
    offered: Iterable[Opening],
) -> list[DaySlots]:
    """The openings that were found by day and device; a device without any says why."""
    by_key = {device.pk: device for device in devices}
    zones = {device.pk: zone_at(device) for device in devices}
    spans = {
        (day, zone): tuple(minute_of(at) for at in whole_day(day, zone))
        for day in days
        for zone in set(zones.values())
    }
    found: dict[tuple[date, int], list[Slot]] = defaultdict(list)
    for opening in offered:
        zone = zones[opening.place]
        if spans[days[0], zone][0] <= opening.start < spans[days[-1], zone][1]:
            slot = slot_of(by_key[opening.place], opening)
            found[slot.start_at.astimezone(zone).date(), opening.place].append(slot)
    places = {device.pk: calendar.place(device, exam) for device in devices}
    return [
        DaySlots(
            day=day,
            devices=tuple(
                DeviceSlots(
                    device=str(device.public_id),
                    ae_title=device.ae_title,
                    room=device.room.name if device.room else "",
                    slots=tuple(found[day, device.pk]),
                    note=""
                    if found[day, device.pk]
                    else "full"
                    if is_open(places[device.pk], *spans[day, zones[device.pk]])
                    else "closed",
                )
                for device in devices
            ),
        )
        for day in days
    ]


def slot_of(device: Device, opening: Opening) -> Slot:
    return Slot(
        device=str(device.public_id),
        ae_title=device.ae_title,
        room=device.room.name if device.room else "",
        start_at=start_of(opening),
        end_at=end_of(opening),
        zone=zone_at(device),
    )


def next_even(now: datetime, minutes: int) -> datetime:
    """The next time that people would name: 12:20 for an exam of 20 minutes, else a quarter."""
    stride = minutes if minutes in {5, 10, 15, 20, 30} else 15
    local = timezone.localtime(now)
    hour = local.replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(minutes=stride) * -(-(local - hour) // timedelta(minutes=stride))


# --- appointments of a day


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentLine:
    """An appointment as board and arrivals show it."""

    public_id: str
    version: int
    status: str
    start_at: datetime
    end_at: datetime
    arrived_at: datetime | None
    overbooked: bool
    device: str
    ae_title: str
    room: str
    patient: PatientLine
    order: str
    accession_number: str
    priority: str
    transport: str
    steps: tuple[StepLine, ...]
    zone: tzinfo  # of the site, whose clock people go by

    @property
    def exams(self) -> tuple[ExamLine, ...]:
        return tuple(dict.fromkeys(step.exam for step in self.steps if step.description))

    @property
    def is_here(self) -> bool:
        """Somebody in the waiting room, who can be sent to another room."""
        return self.status == AppointmentStatus.ARRIVED.value and self.is_movable

    @property
    def is_movable(self) -> bool:
        return AppointmentStatus(self.status) in MOVABLE and not any(
            StepStatus(step.status) in PERFORMED for step in self.steps
        )

    @property
    def is_late(self) -> bool:
        """Should have been here by now."""
        return self.status == AppointmentStatus.BOOKED.value and self.start_at < timezone.now()


def _appointments(day: date) -> QuerySet[Appointment]:
    """Of a day, each by the clock of its site; of several sites more, for :func:`_is_on`."""
    low, high = whole_day(day, timezone.get_default_timezone())
    near = Q(start_at__lt=high, end_at__gt=low) | elsewhere("device__")
    low, high = low - CLOCKS_APART, high + CLOCKS_APART
    return _with_lines(
        Appointment.objects.filter(
            near, start_at__lt=high, start_at__gt=low - LONGEST, end_at__gt=low
        )
    )


def _is_on(day: date, found: AppointmentLine) -> bool:
    low, high = whole_day(day, found.zone)
    return found.start_at < high and low < found.end_at


def _with_lines(rows: QuerySet[Appointment]) -> QuerySet[Appointment]:
    return (
        rows.annotate(told_allergies=told("patient"))
        .select_related("patient__merged_into", "device__room__site")
        .prefetch_related(
            Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "steps",
                queryset=ScheduledProcedureStep.objects.select_related(
                    "procedure__order", "device__room__site", "appointment"
                ).order_by("id"),
            ),
        )
        .order_by("start_at", "id")
    )


def _line(
    appointment: Appointment, steps: Sequence[ScheduledProcedureStep] | None = None
) -> AppointmentLine | None:
    """``steps`` are its own, if they were read elsewhere."""
    steps = list(appointment.steps.all()) if steps is None else steps
    if not steps or appointment.patient is None:
        return None
    order = steps[0].procedure.order
    device = appointment.device
    return AppointmentLine(
        public_id=str(appointment.public_id),
        version=appointment.version,
        status=appointment.status,
        start_at=appointment.start_at,
        end_at=appointment.end_at,
        arrived_at=appointment.arrived_at,
        overbooked=appointment.overbooked,
        device=str(device.public_id) if device else "",
        ae_title=device.ae_title if device else steps[0].station_ae_title,
        room=device.room.name if device and device.room else "",
        patient=line(appointment.patient, told_of(appointment)),
        order=str(order.public_id),
        accession_number=order.accession_number,
        priority=order.priority,
        transport=order.transport,
        steps=tuple(step_line(step) for step in steps),
        zone=zone_at(device),
    )


def appointment_lines(rows: QuerySet[Appointment]) -> list[AppointmentLine]:
    """The lines of ``rows`` in order of time, in a bounded number of queries."""
    return [found for found in map(_line, _with_lines(rows)) if found is not None]


def appointment(public_id: str) -> AppointmentLine:
    """One appointment; raises UnknownKeyError."""
    found = appointment_lines(Appointment.objects.filter(public_id=_key(public_id, "appointment")))
    if not found:
        raise UnknownKeyError("no such appointment")
    return found[0]


def expected(day: date) -> list[AppointmentLine]:
    """Who is expected, here or did not come on a day; without what was canceled or only held."""
    wanted = (
        AppointmentStatus.BOOKED.value,
        AppointmentStatus.ARRIVED.value,
        AppointmentStatus.FULFILLED.value,
        AppointmentStatus.NO_SHOW.value,
    )
    rows = _appointments(day).filter(status__in=wanted)
    return [found for found in map(_line, rows) if found is not None and _is_on(day, found)]


# --- the day board


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A room with its device, when it is open, and what is booked in it."""

    device: str
    ae_title: str
    room: str
    modality: str
    open: tuple[Span, ...]
    appointments: tuple[AppointmentLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """``unplaced`` has a time but no device of ours (a station the order named)."""

    day: date
    columns: tuple[Column, ...]
    unplaced: tuple[AppointmentLine, ...]


def day_plan(day: date, zone: tzinfo, modality: str = "") -> DayPlan:
    """A day by one clock, as the columns stand beside each other."""
    low, high = whole_day(day, zone)
    devices = list(
        Device.objects.select_related("room__site")
        .filter(active=True, **({"modality": modality} if modality else {}))
        .order_by("room__name", "ae_title")
    )
    calendar = Calendar(devices, day, 1)
    occupying = [status.value for status in OCCUPYING]
    lines: dict[str, list[AppointmentLine]] = defaultdict(list)
    rows = Appointment.objects.filter(
        start_at__lt=high, start_at__gt=low - LONGEST, end_at__gt=low, status__in=occupying
    )
    for row in _with_lines(rows):
        found = _line(row)
        if found is not None:
            lines[found.device].append(found)
    return DayPlan(
        day=day,
        columns=tuple(
            Column(
                device=str(device.public_id),
                ae_title=device.ae_title,
                room=device.room.name if device.room else "",
                modality=device.modality,
                open=tuple(calendar.open(device, day)),
                appointments=tuple(lines[str(device.public_id)]),
            )
            for device in devices
        ),
        unplaced=tuple(lines[""]) if not modality else (),
    )
