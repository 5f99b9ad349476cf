"""Rooms and devices: locked, looked at, taken and given back.

Lock the resource, look, then write: the exclusion constraint (PostgreSQL) or trigger (SQLite) is
the backstop and never the first to notice (docs/adr/0012-computed-slots.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import BigIntegerField, CharField, DateTimeField, UUIDField

from ris.domain.errors import (
    SlotTakenError,
    UnknownKeyError,
)
from ris.domain.places import Place
from ris.domain.scheduling import LONGEST, AppointmentStatus
from ris.models import (
    Appointment,
    Booking,
    Closure,
    Device,
    Resource,
)
from ris.models.prepared import Given, Select, add_all
from ris.services._locks import lock_name, public_key

_PLACED = Device.objects.select_related("resource", "room__resource", "room__site").filter(
    active=True
)
_BY_KEY = Select(lambda: _PLACED.filter(public_id=Given("key", UUIDField())))
_BY_NAME = Select(lambda: _PLACED.filter(ae_title=Given("name", CharField())))


def find_device(key: str) -> Device:
    """A device by public id or AE title."""
    try:
        device = _BY_KEY.first(key=uuid.UUID(key))
    except ValueError:
        device = _BY_NAME.first(name=key)
    if device is None:
        raise UnknownKeyError("no such device", path=Place.DEVICE)
    return device


def resources_of(device: Device) -> list[Resource]:
    """What a booking of this device takes: the device itself and the room it stands in."""
    resources = [device.resource]
    if device.room is not None:
        resources.append(device.room.resource)
    return resources


_LOCKED = Select(
    lambda: Resource.objects.select_for_update().filter(pk=Given("key", BigIntegerField()))
)
_BOOKED = Select(
    lambda: (
        Booking.objects.only("pk", "end_at", "appointment_id")
        .filter(
            resource=Given("resource", BigIntegerField()),
            live=True,
            start_at__lt=Given("end", DateTimeField()),
            end_at__gt=Given("start", DateTimeField()),
            start_at__gt=Given("earliest", DateTimeField()),
        )
        .exclude(appointment=Given("besides", BigIntegerField()))[:1]
    )
)
_CLOSED = Select(
    lambda: Closure.objects.only("pk").filter(
        resource=Given("resource", BigIntegerField()),
        start_at__lt=Given("end", DateTimeField()),
        end_at__gt=Given("start", DateTimeField()),
    )[:1]
)
# Somebody whose exam is over can go on to the next, whatever had been planned for it.
_BUSY = sorted(
    status.value
    for status in (AppointmentStatus.HELD, AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED)
)
_ELSEWHERE = Select(
    lambda: Appointment.objects.only("pk").filter(
        patient=Given("patient", BigIntegerField()),
        status__in=_BUSY,
        start_at__lt=Given("end", DateTimeField()),
        end_at__gt=Given("start", DateTimeField()),
        start_at__gt=Given("earliest", DateTimeField()),
    )[:20]  # nobody has more at once, and the exams of a set are left out
)


def lock(resources: Sequence[Resource]) -> None:
    """Lock in order of id, so that two bookings never wait for each other.

    Where rows cannot be locked, whoever writes at all is alone.
    """
    if not connection.features.has_select_for_update:
        return
    for key in sorted({resource.pk for resource in resources}):
        _LOCKED.all(key=key)


def is_taken(
    resources: Sequence[Resource],
    start_at: datetime,
    end_at: datetime,
    *,
    but: Appointment | None = None,
) -> bool:
    return in_the_way(resources, start_at, end_at, but=but) is not None


def in_the_way(
    resources: Sequence[Resource],
    start_at: datetime,
    end_at: datetime,
    *,
    but: Appointment | None = None,
) -> Booking | None:
    """A live booking of any of them that overlaps; it has its end and its appointment's key."""
    found = (
        _BOOKED.first(
            resource=resource.pk,
            start=start_at,
            end=end_at,
            earliest=start_at - LONGEST,
            besides=but.pk if but is not None else 0,
        )
        for resource in resources
    )
    return next(filter(None, found), None)


def is_closed(resources: Sequence[Resource], start_at: datetime, end_at: datetime) -> bool:
    return any(
        _CLOSED.first(resource=resource.pk, start=start_at, end=end_at) for resource in resources
    )


def require_patient_free(
    patient: int,
    start_at: datetime,
    end_at: datetime,
    *,
    but: Appointment | Sequence[Appointment] | None = None,
) -> None:
    """Refuse a second appointment of a patient (by primary key) at the same time, anywhere.

    Two bookings at once lock different devices, so they wait for each other here.
    """
    lock_name(f"ris.day of {patient}")
    own = but if isinstance(but, Sequence) else [but] if but is not None else []
    besides = {each.pk for each in own}
    found = _ELSEWHERE.all(
        patient=patient,
        start=start_at,
        end=end_at,
        earliest=start_at - LONGEST,
    )
    if any(each.pk not in besides for each in found):
        raise SlotTakenError(
            "the patient has another appointment at that time", path=Place.START_AT
        )


def take(
    appointment: Appointment,
    resources: Sequence[Resource],
    *,
    exclusive: bool,
    before: int | None = None,
    after: int | None = None,
) -> None:
    """Book the resources; kept free around it is what is said, else what they ask themselves."""
    if before is None:
        before = max((each.buffer_before_minutes for each in resources), default=0)
    if after is None:
        after = max((each.buffer_after_minutes for each in resources), default=0)
    add_all(
        [
            Booking(
                resource_id=resource.pk,
                appointment_id=appointment.pk,
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                exclusive=exclusive,
                before_minutes=before,
                after_minutes=after,
            )
            for resource in resources
        ]
    )


def give_back(appointment: Appointment) -> None:
    appointment.bookings.filter(live=True).update(live=False)


def find_resource(key: str) -> Resource:
    resource = Resource.objects.filter(public_id=public_key(key, "resource")).first()
    if resource is None:
        raise UnknownKeyError("no such resource", path="resource")
    return resource
