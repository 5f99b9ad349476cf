"""Sets, staff and offers booked at once: nobody is booked twice, and nobody waits for ever."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from ris.domain.errors import RisError, StateConflictError
from ris.domain.exam_sets import BookSeries, BookTogether, SetItem
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    HoldSlot,
    RescheduleAppointment,
)
from ris.models import (
    Appointment,
    Booking,
    ProcedureDefinition,
    Resource,
    ScheduledProcedureStep,
    StaffMember,
)
from ris.services import execute
from tests import make, people
from tests.races.at_once import overlaps, together

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

MORNING = datetime(2031, 3, 3, 9, tzinfo=UTC)


def step_of_new(patient: object) -> str:
    return str(make.step_of(make.order(patient=patient)).public_id)


def test_two_sets_in_opposite_rooms_do_not_wait_for_each_other() -> None:
    make.device("CT1")
    make.device("CT2")
    calls = []
    for number in range(8):
        patient = make.patient(f"SET{number}")
        rooms = ("CT1", "CT2") if number % 2 else ("CT2", "CT1")
        items = tuple(
            SetItem(
                step=step_of_new(patient),
                device=room,
                start_at=MORNING + timedelta(minutes=30 * position),
            )
            for position, room in enumerate(rooms)
        )
        calls.append(partial(execute, BookTogether(items=items), actor=people.scheduler))

    results = together(*calls)

    booked = [result for result in results if isinstance(result, tuple)]
    refused = [result for result in results if isinstance(result, StateConflictError)]
    assert (len(booked), len(refused)) == (2, 6), "one of each direction fits beside the other"
    assert overlaps() == 0
    assert Booking.objects.filter(live=True).count() == 2 * 2 * 2


def test_the_only_nurse_is_booked_once() -> None:
    for number in range(4):
        make.device(f"CT{number}")
    make.definition()
    ProcedureDefinition.objects.update(required_skills=["nurse"])
    resource = Resource.objects.create(kind="STAFF", name="Nora")
    StaffMember.objects.create(resource=resource, name="Nora", skills=["nurse"])
    calls = [
        partial(
            execute,
            BookAppointment(
                step=step_of_new(make.patient(f"N{number}")),
                device=f"CT{number}",
                start_at=MORNING,
            ),
            actor=people.scheduler,
        )
        for number in range(4)
    ]

    results = together(*calls)

    assert sum(isinstance(result, str) for result in results) == 1
    assert Booking.objects.filter(live=True, resource=resource).count() == 1


def test_a_series_and_new_orders_with_a_time_do_not_wait_for_each_other() -> None:
    make.device("CT1")
    step = step_of_new(make.patient("SERIES"))
    starts = tuple(MORNING + timedelta(days=day) for day in range(4))
    series = BookSeries(step=step, device="CT1", starts=starts, all_or_none=False)
    orders = [partial(make.order, start_at=at + timedelta(hours=1), station="CT1") for at in starts]

    results = together(partial(execute, series, actor=people.scheduler), *orders)

    assert [result for result in results if isinstance(result, BaseException)] == []
    assert Appointment.objects.filter(status="BOOKED").count() == 8


def test_a_room_is_cleared_and_a_set_is_moved_without_waiting_for_each_other() -> None:
    make.device("CT1")
    make.device("CT2")
    calls: list[Callable[[], object]] = []
    for number in range(6):
        patient = make.patient(f"ROOM{number}")
        steps = [step_of_new(patient), step_of_new(patient)]
        day = MORNING + timedelta(days=number)
        # The later order is booked first, so that its appointment is the first of the room.
        booked = [
            execute(
                BookAppointment(
                    step=step, device="CT1", start_at=day + timedelta(minutes=30 * position)
                ),
                actor=people.scheduler,
            )
            for position, step in enumerate(reversed(steps))
        ]
        relocations = tuple(
            Relocation(
                appointment=each, device="CT2", start_at=day + timedelta(minutes=30 * position)
            )
            for position, each in enumerate(booked)
        )
        items = tuple(
            SetItem(step=step, device="CT1", start_at=day + timedelta(minutes=30 * (4 + position)))
            for position, step in enumerate(steps)
        )
        calls += [
            partial(
                execute,
                RelocateAppointments(relocations=relocations, reason="down"),
                actor=people.scheduler,
            ),
            partial(execute, BookTogether(items=items), actor=people.scheduler),
        ]

    results = together(*calls)

    assert [result for result in results if isinstance(result, BaseException)] == []


def attempt(number: int, steps: list[str]) -> Counter[str]:
    """What somebody does at a calendar that others use as well."""
    chance = random.Random(number)
    outcomes: Counter[str] = Counter()
    for _ in range(12):
        key = chance.choice(steps)
        room = f"CT{chance.randrange(2)}"
        at = MORNING + timedelta(minutes=5 * chance.randrange(12))
        step = ScheduledProcedureStep.objects.select_related("appointment").get(public_id=key)
        booked = step.appointment if step.status == "SCHEDULED" else None
        command: object
        if booked is not None and chance.random() < 0.5:
            command = CancelAppointment(appointment=str(booked.public_id))
        elif booked is not None:
            command = RescheduleAppointment(
                appointment=str(booked.public_id), start_at=at, device=room
            )
        elif chance.random() < 0.3:
            command = HoldSlot(step=key, device=room, start_at=at)
        else:
            command = BookAppointment(step=key, device=room, start_at=at)
        try:
            execute(command, actor=people.scheduler)
            outcomes["done"] += 1
        except RisError as error:
            outcomes[error.code.value] += 1
    return outcomes


def test_whatever_is_done_at_once_no_room_is_booked_twice() -> None:
    make.device("CT0")
    make.device("CT1")
    calls = []
    for number in range(6):
        steps = [step_of_new(make.patient(f"M{number}{each}")) for each in range(3)]
        calls.append(partial(attempt, number, steps))

    results = together(*calls)

    outcomes: Counter[str] = sum((each for each in results if isinstance(each, Counter)), Counter())
    assert outcomes.total() == 6 * 12
    assert set(outcomes) <= {"done", "state-conflict"}, "no lock was waited for in vain"
    assert overlaps() == 0
    for appointment in Appointment.objects.filter(status__in=["HELD", "BOOKED"]):
        assert appointment.bookings.filter(live=True).count() == 2
