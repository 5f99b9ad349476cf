"""``python -m benchmarks.clients.openings ROOMS WEEKS ROUNDS``: the search for free times.

Fills the calendar of as many CT rooms by 60 %, then measures CPU time in this process: the search
as a page asks for it, the same for an exam that fits nowhere (so that all weeks are looked at), and
the floor, which is reading the same bookings from the database. Prints JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

FULL_SHARE = 0.6
EXAM_MINUTES = 20
_TOO_LONG = 9 * 60  # there is no such gap in a calendar that is 60 % full
_MONDAY = date(2031, 3, 3)


def main(argv: list[str]) -> int:
    import django

    from ris.loading import kept

    with kept():
        django.setup()
    rooms, weeks, rounds = (int(each) for each in argv)
    bookings = _fill(rooms, weeks)
    print(json.dumps({"bookings": bookings, **_measure(weeks, rounds)}))
    return 0


def _fill(rooms: int, weeks: int) -> int:
    """Rows instead of commands: what the door would have left behind in the calendar."""
    from django.db import transaction

    from ris.models import Appointment, Booking, Device, Patient, Resource, Room

    chance = random.Random(6)
    with transaction.atomic():
        patient = Patient.objects.create(name="Benchmark^Person")
        devices = []
        for number in range(rooms):
            resource = Resource.objects.create(kind="ROOM", name=f"Search {number}")
            room = Room.objects.create(name=f"Search {number}", resource=resource)
            own = Resource.objects.create(kind="DEVICE", name=f"SEARCH{number}")
            devices.append(
                Device.objects.create(
                    ae_title=f"SEARCH{number}", modality="XX", resource=own, room=room
                )
            )
        appointments = [
            Appointment(
                patient=patient,
                device=device,
                status="BOOKED",
                start_at=start,
                end_at=start + timedelta(minutes=EXAM_MINUTES),
            )
            for device in devices
            for start in _starts(weeks)
            if chance.random() < FULL_SHARE
        ]
        Appointment.objects.bulk_create(appointments, batch_size=500)
        rows = [
            Booking(
                resource_id=key,
                appointment=appointment,
                start_at=appointment.start_at,
                end_at=appointment.end_at,
            )
            for appointment in appointments
            if appointment.device is not None and appointment.device.room is not None
            for key in (appointment.device.resource_id, appointment.device.room.resource_id)
        ]
        Booking.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def _starts(weeks: int) -> list[datetime]:
    """From eight to eighteen, every day: the hours of rooms that have none of their own."""
    first = datetime(_MONDAY.year, _MONDAY.month, _MONDAY.day, 8, tzinfo=UTC)
    return [
        first + timedelta(days=day, minutes=minutes)
        for day in range(weeks * 7)
        for minutes in range(0, 600, EXAM_MINUTES)
    ]


def _measure(weeks: int, rounds: int) -> dict[str, Any]:
    from ris.selectors.openings import Exam, bookable_devices, first_openings

    exam = Exam(modality="XX", minutes=EXAM_MINUTES)
    now = datetime(2031, 3, 2, 12, tzinfo=UTC)

    def search(wanted: Exam) -> list[Any]:
        devices = bookable_devices("XX")
        return first_openings(wanted, devices, _MONDAY, weeks * 7, count=5, now=now)

    offered = search(exam)
    nothing = search(replace(exam, minutes=_TOO_LONG))
    usual, whole, floor = [], [], []
    for _ in range(rounds):  # in turns, so that a busy machine meets all alike
        usual.append(_cpu(lambda: search(exam)))
        whole.append(_cpu(lambda: search(replace(exam, minutes=_TOO_LONG))))
        floor.append(_cpu(_read))
    return {
        "offered": len(offered),
        "offered_too_long": len(nothing),
        "usual_ms": median(usual),
        "whole_ms": median(whole),
        "floor_ms": median(floor),
    }


def _read() -> None:
    """The same rows as the driver gives them, and nothing done to them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.resource_id, b.start_at, b.end_at FROM ris_booking b"
            " JOIN ris_resource r ON r.id = b.resource_id WHERE b.live AND r.name LIKE 'S%arch%'"
        )
        cursor.fetchall()


def _cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
