"""Free time is hours minus closures minus bookings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine

from ris.domain.actors import OPERATOR
from ris.domain.scheduling import AddClosure, BookAppointment, SetResourceHours
from ris.models import Device, Order, ScheduledProcedureStep
from ris.selectors import schedule
from ris.selectors.calendar import Span, starts_in, subtract
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)


def at(hour: int, minute: int = 0, day: date = MONDAY) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


@pytest.fixture(autouse=True)
def early() -> Iterator[None]:
    with time_machine.travel(at(7), tick=False):
        yield


@pytest.fixture
def step() -> ScheduledProcedureStep:
    """A CT of 20 minutes that waits; one scanner in one room, open from eight to ten."""
    make.site("UTC")
    make.device("CT1", "CT", room="CT room")
    make.definition()
    hours = tuple((day, time(8), time(10)) for day in range(5))
    set_hours(Device.objects.get(ae_title="CT1").resource.public_id, hours)
    return schedule.find_step(str(make.step_of(make.order()).public_id))


def set_hours(resource: object, hours: tuple[tuple[int, time, time], ...]) -> None:
    execute(SetResourceHours(resource=str(resource), hours=hours), actor=OPERATOR)


def starts(step: ScheduledProcedureStep, day: date = MONDAY) -> list[str]:
    """Start times of the only device's slots on a day."""
    (found,) = schedule.free_slots(step, day, 1)
    return [f"{slot.start_at:%H:%M}" for slot in found.devices[0].slots]


def book(order: Order, hour: int, minute: int = 0) -> None:
    execute(
        BookAppointment(
            step=str(make.step_of(order).public_id), device="CT1", start_at=at(hour, minute)
        ),
        actor=people.scheduler,
    )


def test_hours_are_filled_one_after_the_other(step: ScheduledProcedureStep) -> None:
    assert starts(step) == ["08:00", "08:20", "08:40", "09:00", "09:20", "09:40"]


def test_booking_takes_its_time_out_and_wastes_none(step: ScheduledProcedureStep) -> None:
    book(make.order(), 8, 25)

    assert starts(step) == ["08:00", "08:45", "09:05", "09:25"]


def test_booking_of_the_room_counts_for_every_device_in_it(step: ScheduledProcedureStep) -> None:
    make.device("CT2", "CT", room="CT room")
    execute(
        BookAppointment(
            step=str(make.step_of(make.order()).public_id), device="CT2", start_at=at(8)
        ),
        actor=people.scheduler,
    )

    assert starts(step)[0] == "08:20"


def test_closure_of_the_room_closes_the_device(step: ScheduledProcedureStep) -> None:
    room = Device.objects.get(ae_title="CT1").room
    assert room is not None
    execute(
        AddClosure(resource=str(room.resource.public_id), start_at=at(8), end_at=at(9)),
        actor=OPERATOR,
    )

    assert starts(step) == ["09:00", "09:20", "09:40"]


def test_room_and_device_must_both_be_open(step: ScheduledProcedureStep) -> None:
    room = Device.objects.get(ae_title="CT1").room
    assert room is not None
    set_hours(room.resource.public_id, ((0, time(9), time(18)),))

    assert starts(step) == ["09:00", "09:20", "09:40"]
    assert starts(step, MONDAY + timedelta(days=1)) == []


def test_weekend_is_closed_and_says_so(step: ScheduledProcedureStep) -> None:
    (found,) = schedule.free_slots(step, date(2026, 3, 7), 1)

    assert (found.any, found.devices[0].note) == (False, "closed")


def test_full_day_says_so(step: ScheduledProcedureStep) -> None:
    for number in range(6):
        book(make.order(), 8 + number // 3, number % 3 * 20)

    (found,) = schedule.free_slots(step, MONDAY, 1)

    assert (found.any, found.devices[0].note) == (False, "full")


def test_past_is_not_offered_and_the_next_even_time_comes_first(
    step: ScheduledProcedureStep,
) -> None:
    with time_machine.travel(at(8, 21), tick=False):
        assert starts(step) == ["08:40", "09:00", "09:20", "09:40"]


def test_patient_is_not_in_two_places(step: ScheduledProcedureStep) -> None:
    make.device("US1", "US", room="Ultrasound")
    patient = make.patient("MRN1")
    first, second = make.order(patient=patient), make.order(patient=patient)
    book(first, 9)

    own = schedule.find_step(str(make.step_of(second).public_id))

    assert "09:00" not in starts(own)


def test_own_booking_does_not_stand_in_the_way_of_moving(step: ScheduledProcedureStep) -> None:
    order = step.procedure.order
    book(order, 8)

    moved = schedule.find_step(str(step.public_id))

    assert starts(moved)[0] == "08:00"


def test_device_that_is_off_is_not_offered(step: ScheduledProcedureStep) -> None:
    make.device("CT1", "CT", room="CT room", active=False)

    (found,) = schedule.free_slots(step, MONDAY, 1)

    assert found.devices == ()


def test_slots_take_a_bounded_number_of_queries(
    step: ScheduledProcedureStep, django_assert_max_num_queries: object
) -> None:
    for number in range(5):
        make.device(f"CTX{number}", "CT", room=f"Room {number}")

    # Holidays, kept times and the buffers of resources are looked at too.
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        schedule.free_slots(step, MONDAY, 14)


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ((6, 7), [(8, 12)]),
        ((8, 9), [(9, 12)]),
        ((11, 13), [(8, 11)]),
        ((9, 10), [(8, 9), (10, 12)]),
        ((7, 13), []),
    ],
)
def test_subtract(cut: tuple[int, int], left: list[tuple[int, int]]) -> None:
    found = subtract([Span(at(8), at(12))], [Span(at(cut[0]), at(cut[1]))])

    assert found == [Span(at(start), at(end)) for start, end in left]


def test_starts_fit_whole_into_the_gap() -> None:
    assert starts_in(Span(at(8, 2), at(9)), 25) == [at(8, 5), at(8, 30)]
    assert starts_in(Span(at(8), at(8, 10)), 15) == []
