"""The board: rooms over some days, what is booked in them, and when they are not to be had.

However many rooms and days are shown, the number of queries is the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.openings import Against
from ris.domain.orders import OrderStatus
from ris.domain.scheduling import LONGEST, OCCUPYING, ClosureKind
from ris.models import (
    Appointment,
    Booking,
    Device,
    Order,
    ResourceGroup,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.openings import WITH_PLACES, resource_keys
from ris.selectors.order_lists import WAITING, StepLine, priority_rank, step_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import Timetable, at_site, site_of, zone_of
from ris.selectors.schedule import AppointmentLine, appointment_lines

MOST_APPOINTMENTS = 3000
MOST_WAITING = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Which rooms are looked at; empty parts show all."""

    site: str = ""  # public id
    group: str = ""  # public id
    modality: str = ""
    room: str = ""  # AE title

    @property
    def everything(self) -> bool:
        return not (self.site or self.group or self.modality or self.room)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A column: a device and the room it stands in."""

    device: str  # public id
    resource: str  # public id
    ae_title: str
    room: str
    modality: str
    site: str
    zone: tzinfo  # of its site

    @property
    def name(self) -> str:
        return self.room or self.ae_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """A stretch in which a device is not to be had, and why."""

    device: str
    kind: Against
    about: str
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFree:
    """The minutes around an exam."""

    device: str
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What happens in the rooms; ``unplaced`` has a time but none of our devices."""

    rooms: tuple[Room, ...]
    appointments: tuple[AppointmentLine, ...]
    unplaced: tuple[AppointmentLine, ...]
    shut: tuple[Shut, ...]
    kept_free: tuple[KeptFree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the board can be narrowed to: (value, words)."""

    sites: Sequence[tuple[str, str]]
    groups: Sequence[tuple[str, str]]
    modalities: Sequence[str]
    rooms: Sequence[tuple[str, str]]


def choices() -> Choices:
    devices = list(_devices(Shown()))
    return Choices(
        sites=[(str(site.public_id), site.name) for site in Site.objects.order_by("name")],
        groups=[
            (str(group.public_id), group.name) for group in ResourceGroup.objects.order_by("name")
        ],
        modalities=sorted({device.modality for device in devices}),
        rooms=[(device.ae_title, room_of(device).name) for device in devices],
    )


def _devices(shown: Shown) -> QuerySet[Device]:
    rows = WITH_PLACES.select_related("resource__site").filter(active=True)
    if shown.modality:
        rows = rows.filter(modality=shown.modality)
    if shown.room:
        rows = rows.filter(ae_title=shown.room)
    if shown.site:
        rows = rows.filter(at_site(public_id=_uuid(shown.site)))
    if shown.group:
        members = Q(resource__groups__public_id=_uuid(shown.group))
        members |= Q(room__resource__groups__public_id=_uuid(shown.group))
        rows = rows.filter(members).distinct()
    return rows.order_by("room__name", "ae_title")


def _uuid(text: str) -> uuid.UUID:
    """What is no public id names nothing."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)


def room_of(device: Device) -> Room:
    site = site_of(device)
    return Room(
        device=str(device.public_id),
        resource=str(device.resource.public_id),
        ae_title=device.ae_title,
        room=device.room.name if device.room else "",
        modality=device.modality,
        site=site.name if site is not None else "",
        zone=zone_of(site),
    )


def devices() -> list[Device]:
    """All that can be booked, with their rooms; one query."""
    return list(_devices(Shown()))


def rooms(shown: Shown) -> list[Room]:
    """The columns; one query."""
    return [room_of(device) for device in _devices(shown)]


def days(first: date, count: int, shown: Shown) -> Days:
    devices = list(_devices(shown))
    keys = {key for device in devices for key in resource_keys(device)}
    times = Timetable(keys, first, count)
    low, high = times.span
    rows = Appointment.objects.filter(
        start_at__lt=high,
        end_at__gt=low,
        start_at__gt=low - LONGEST,
        status__in=[status.value for status in OCCUPYING],
    )
    here = Q(device__in=devices)
    lines = appointment_lines(rows.filter(here | Q(device=None) if shown.everything else here))
    lines = lines[:MOST_APPOINTMENTS]
    return Days(
        rooms=tuple(map(room_of, devices)),
        appointments=tuple(found for found in lines if found.device),
        unplaced=tuple(found for found in lines if not found.device),
        shut=tuple(each for device in devices for each in _shut(times, device, timezone.now())),
        kept_free=tuple(_kept_free(devices, low, high)),
    )


_CLOSED = {ClosureKind.CLOSURE: Against.CLOSED, ClosureKind.DOWNTIME: Against.DOWNTIME}


def _shut(times: Timetable, device: Device, now: datetime) -> Iterator[Shut]:
    keys = resource_keys(device)
    key = str(device.public_id)
    low, high = times.span
    at = low
    for day in times.days:
        for opens, closes in times.hours_together(keys, day):
            if at < opens:
                yield Shut(
                    device=key, kind=Against.OUTSIDE_HOURS, about="", start_at=at, end_at=opens
                )
            at = max(at, closes)
    if at < high:
        yield Shut(device=key, kind=Against.OUTSIDE_HOURS, about="", start_at=at, end_at=high)
    for resource in keys:
        for closure in times.closures(resource):
            yield Shut(
                device=key,
                kind=_CLOSED[closure.kind],
                about=closure.reason,
                start_at=max(closure.start_at, low),
                end_at=min(closure.until, high),
            )
        for kept in times.kept(resource):
            if not kept.is_free_for_all(now):
                about = ", ".join(filter(None, (kept.label, *kept.kept_for.names)))
                yield Shut(
                    device=key,
                    kind=Against.RESERVED,
                    about=about,
                    start_at=kept.start_at,
                    end_at=kept.end_at,
                )
    named = {day: times.holiday(resource, day) for day in times.days for resource in keys}
    zone = times.zone(device.resource_id)
    for day, name in named.items():
        if name:
            start = datetime(day.year, day.month, day.day, tzinfo=zone)
            after = day + timedelta(days=1)
            end = datetime(after.year, after.month, after.day, tzinfo=zone)
            yield Shut(device=key, kind=Against.HOLIDAY, about=name, start_at=start, end_at=end)


def _kept_free(devices: Iterable[Device], low: datetime, high: datetime) -> Iterator[KeptFree]:
    by_resource = {device.resource_id: str(device.public_id) for device in devices}
    rows = Booking.objects.filter(
        Q(before_minutes__gt=0) | Q(after_minutes__gt=0),
        resource__in=list(by_resource),
        live=True,
        start_at__gt=low - LONGEST,
        start_at__lt=high,
    ).values_list("resource_id", "start_at", "end_at", "before_minutes", "after_minutes")
    for resource, start, end, before, after in rows[:MOST_APPOINTMENTS]:
        device = by_resource[resource]
        if before:
            begin = start - timedelta(minutes=before)
            yield KeptFree(device=device, start_at=begin, end_at=start)
        if after:
            yield KeptFree(device=device, start_at=end, end_at=end + timedelta(minutes=after))


# --- what waits for a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An exam that waits to be scheduled and could be put onto the board."""

    step: StepLine
    order: str
    accession_number: str
    priority: str
    patient: PatientLine


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSchedule:
    """The most urgent of them; ``more`` are not shown."""

    exams: tuple[Waiting, ...]
    more: bool


def to_schedule(modalities: Iterable[str]) -> ToSchedule:
    """Exams of these modalities without a time; by urgency, then by when they are wished."""
    rows = (
        ScheduledProcedureStep.objects.filter(
            status__in=WAITING,
            procedure__order__status=OrderStatus.ACTIVE.value,
            modality__in=sorted(set(modalities)),
        )
        .select_related(
            "procedure__order__patient__merged_into", "device__room__site", "appointment"
        )
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )
        .order_by(priority_rank("procedure__order__priority"), "wished_at", "id")
    )
    found = list(rows[: MOST_WAITING + 1])
    return ToSchedule(
        exams=tuple(_waiting(step, step.procedure.order) for step in found[:MOST_WAITING]),
        more=len(found) > MOST_WAITING,
    )


def _waiting(step: ScheduledProcedureStep, order: Order) -> Waiting:
    return Waiting(
        step=step_line(step),
        order=str(order.public_id),
        accession_number=order.accession_number,
        priority=order.priority,
        patient=line(order.patient),
    )
