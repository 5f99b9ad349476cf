"""A room goes down: proposals for its appointments, and all of them moved or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.errors import DeniedError, SlotTakenError, StateConflictError
from ris.domain.orders import OrderDetails, Priority
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.scheduling import BookAppointment
from ris.models import Appointment, AuditEvent, Booking, Device, DomainEvent, Order
from ris.selectors import board as boards
from ris.selectors.relocation import Proposal, proposals, relocations, touched
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

LONG = timedelta(minutes=30)  # of an exam that no catalog knows
NINE = make.NOON.replace(hour=9) + timedelta(days=1)


@pytest.fixture(autouse=True)
def devices() -> Iterator[None]:
    with time_machine.travel(make.NOON, tick=False):
        make.device("CT1")
        make.device("CT2")
        make.device("MR1", "MR")
        yield


def booked(number: int, start_at: datetime, station: str = "CT1", **order: object) -> Appointment:
    """An exam of another patient each, booked."""
    placed = make.order(patient=make.patient(f"R{number}"), **order)
    step = make.step_of(placed)
    execute(
        BookAppointment(step=str(step.public_id), device=station, start_at=start_at),
        actor=people.scheduler,
    )
    return Appointment.objects.get(order=placed)


def on(ae_title: str) -> Device:
    return Device.objects.select_related("room").get(ae_title=ae_title)


def proposed() -> list[Proposal]:
    devices = boards.devices()
    rows = touched(on("CT1"), NINE - timedelta(hours=2), NINE + timedelta(hours=9), devices)
    return proposals(rows, devices, avoid={on("CT1").pk}, now=make.NOON)


def chosen(found: list[Proposal]) -> RelocateAppointments:
    return RelocateAppointments(
        relocations=relocations(found),
        reason="CT1 is down",
    )


def test_same_time_elsewhere_is_proposed_if_it_is_free() -> None:
    booked(1, NINE)

    (found,) = proposed()

    assert (found.ae_title, found.start_at, found.is_same_time) == ("CT2", NINE, True)


def test_later_in_the_same_room_is_after_the_time_that_has_to_be_left() -> None:
    booked(1, NINE)
    booked(2, NINE + LONG)
    devices, high = boards.devices(), NINE + timedelta(hours=2)
    rows = touched(on("CT1"), NINE, high, devices)

    found = proposals(rows, [on("CT1")], down={on("CT1").pk: (NINE, high)}, now=make.NOON)

    assert [(each.ae_title, each.start_at) for each in found] == [
        ("CT1", high),
        ("CT1", high + LONG),
    ]


def test_each_proposal_counts_as_taken_for_those_after_it() -> None:
    booked(1, NINE)
    booked(2, NINE + LONG)
    booked(3, NINE, "CT2")

    first, second = proposed()

    assert first.start_at == NINE + LONG
    assert second.start_at == NINE + 2 * LONG


def test_urgent_exam_has_the_first_choice() -> None:
    booked(1, NINE)
    booked(2, NINE + LONG, details=OrderDetails(priority=Priority.STAT))
    booked(3, NINE, "CT2")

    routine, stat = proposed()

    assert stat.is_same_time
    assert routine.start_at == NINE + 2 * LONG


def test_exam_that_no_other_device_does_has_a_reason() -> None:
    booked(1, NINE)
    Device.objects.filter(ae_title="CT2").update(active=False)

    (found,) = proposed()

    assert (found.start_at, found.against) == (None, ("no other device does this exam",))


def test_number_of_queries_does_not_grow() -> None:
    for number in range(3):
        booked(number, NINE + number * LONG)
    few = count_of(proposed)
    for number in range(3, 9):
        booked(number, NINE + number * LONG)

    assert count_of(proposed) == few


def count_of(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_chosen_ones_move_and_each_is_told_as_a_move() -> None:
    rows = [booked(number, NINE + number * LONG) for number in range(3)]

    count = execute(chosen(proposed()), actor=people.scheduler)

    assert count == 3
    assert {row.device.ae_title for row in rows if not row.refresh_from_db() and row.device} == {
        "CT2"
    }
    assert DomainEvent.objects.filter(name="AppointmentMoved").count() == 3
    audit = AuditEvent.objects.get(action="RelocateAppointments")
    assert audit.outcome == "success"
    assert not Booking.objects.filter(live=True, resource=on("CT1").resource).exists()


def test_one_that_cannot_be_had_keeps_all_where_they_are() -> None:
    first, second = booked(1, NINE), booked(2, NINE + LONG)
    wanted = chosen(proposed())
    booked(3, NINE + LONG, "CT2")

    with pytest.raises(SlotTakenError, match="nothing was moved"):
        execute(wanted, actor=people.scheduler)

    for row in (first, second):
        row.refresh_from_db()
        assert row.device == on("CT1")
    assert not DomainEvent.objects.filter(name="AppointmentMoved").exists()
    assert Booking.objects.filter(live=True, resource=on("CT1").resource).count() == 2


def test_two_can_take_each_others_place() -> None:
    first, second = booked(1, NINE), booked(2, NINE, "CT2")

    execute(
        RelocateAppointments(
            relocations=(
                Relocation(appointment=str(first.public_id), device="CT2", start_at=NINE),
                Relocation(appointment=str(second.public_id), device="CT1", start_at=NINE),
            )
        ),
        actor=people.scheduler,
    )

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.device, second.device) == (on("CT2"), on("CT1"))


def test_somebody_who_was_faster_is_noticed() -> None:
    row = booked(1, NINE)
    wanted = chosen(proposed())
    Appointment.objects.filter(pk=row.pk).update(version=row.version + 1)

    with pytest.raises(StateConflictError, match="somebody else changed"):
        execute(wanted, actor=people.scheduler)


def test_front_desk_may_not_move_a_whole_room() -> None:
    booked(1, NINE)
    wanted = chosen(proposed())

    with pytest.raises(DeniedError):
        execute(wanted, actor=people.frontdesk)

    assert Order.objects.count() == 1
    assert Appointment.objects.get().device == on("CT1")
