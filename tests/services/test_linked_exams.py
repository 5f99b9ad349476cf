"""Exams of a patient that the catalog ties together stay so, whoever moves one of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ris.domain.errors import SlotTakenError
from ris.domain.exam_sets import BookTogether, SequenceProcedures, SetItem
from ris.domain.openings import Against
from ris.domain.orders import ProcedureRequest
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.scheduling import BookAppointment, RescheduleAppointment
from ris.domain.values import Code
from ris.models import Appointment, Device, DomainEvent, Order, ScheduledProcedureStep
from ris.selectors import board as boards
from ris.selectors import finder, linked, schedule
from ris.selectors.relocation import proposals, touched
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

PLAIN = Code("CTPLAIN", "TEST", "CT without contrast")
CONTRAST = Code("CTCONTRAST", "TEST", "CT with contrast")


def at(hour: int, minute: int = 0, days: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC) + timedelta(days=days)


@pytest.fixture(autouse=True)
def _rooms() -> Iterator[None]:
    """Without contrast goes first; the other 30 minutes after it at least, 120 at most."""
    with time_machine.travel(datetime(2026, 3, 1, 20, tzinfo=UTC), tick=False):
        make.device("CT1")
        make.device("CT2")
        execute(
            SequenceProcedures(
                first=make.definition(PLAIN),
                then=make.definition(CONTRAST),
                gap_minutes=30,
                gap_at_most_minutes=120,
            ),
            actor=people.manager,
        )
        yield


def booked(code: Code, start_at: datetime, number: str = "SET1") -> Order:
    order = make.order(
        patient=make.patient(number),
        procedures=(ProcedureRequest(code=code, steps=(make.step_request(),)),),
    )
    execute(
        BookAppointment(step=str(make.step_of(order).public_id), device="CT1", start_at=start_at),
        actor=people.scheduler,
    )
    return order


@pytest.fixture
def pair() -> tuple[Order, Order]:
    """The first until 9:20, the other from 10:00 on."""
    return booked(PLAIN, at(9)), booked(CONTRAST, at(10))


Pair = tuple[Order, Order]


def move(order: Order, start_at: datetime, **more: object) -> None:
    execute(
        RescheduleAppointment(
            appointment=str(make.appointment_of(order).public_id),
            start_at=start_at,
            **more,  # type: ignore[arg-type]
        ),
        actor=people.scheduler,
    )


@pytest.mark.parametrize(
    ("which", "start_at", "words"),
    [
        (1, at(9, 30), "CT with contrast after CT without contrast, 30 minutes at least"),
        (0, at(9, 35), "CT with contrast after CT without contrast, 30 minutes at least"),
        (0, at(11), "CT with contrast after CT without contrast, 30 minutes at least"),
        (1, at(11, 25), "CT with contrast after CT without contrast, 120 minutes at most"),
        (1, at(10, days=1), "CT with contrast after CT without contrast, 120 minutes at most"),
    ],
)
def test_move_that_would_break_the_time_between_is_refused(
    pair: Pair, which: int, start_at: datetime, words: str
) -> None:
    was = make.appointment_of(pair[which]).start_at

    with pytest.raises(SlotTakenError) as refused:
        move(pair[which], start_at)

    assert (refused.value.message, refused.value.path) == (words, "start_at")
    assert make.appointment_of(pair[which]).start_at == was
    assert not DomainEvent.objects.filter(name="AppointmentMoved").exists()


def test_move_that_keeps_the_time_between_is_done(pair: Pair) -> None:
    move(pair[1], at(11, 20))

    assert make.appointment_of(pair[1]).start_at == at(11, 20)


def test_who_may_book_over_may_break_the_time_between(pair: Pair) -> None:
    move(pair[1], at(14), overbook=True, reason="agreed with the radiologist")

    assert make.appointment_of(pair[1]).start_at == at(14)


def test_what_was_apart_as_nobody_wants_it_is_free_to_move() -> None:
    booked(PLAIN, at(9))
    other = booked(CONTRAST, at(15))

    move(other, at(14))

    assert make.appointment_of(other).start_at == at(14)


def test_exams_of_two_patients_are_not_tied_together() -> None:
    booked(PLAIN, at(9))
    other = booked(CONTRAST, at(10), "SET2")

    move(other, at(15))

    assert make.appointment_of(other).start_at == at(15)


def test_set_is_moved_to_another_day_in_one_go(pair: Pair) -> None:
    items = tuple(
        SetItem(step=str(make.step_of(order).public_id), device="CT1", start_at=at(hour, days=1))
        for order, hour in zip(pair, (9, 10), strict=True)
    )

    execute(BookTogether(items=items), actor=people.scheduler)

    assert [make.appointment_of(each).start_at.day for each in pair] == [3, 3]


def test_one_of_a_set_alone_keeps_the_time_to_the_other(pair: Pair) -> None:
    item = SetItem(step=str(make.step_of(pair[0]).public_id), device="CT1", start_at=at(9, days=1))

    with pytest.raises(SlotTakenError, match="30 minutes at least"):
        execute(BookTogether(items=(item,)), actor=people.scheduler)

    assert make.appointment_of(pair[0]).start_at == at(9)


def relocation(order: Order, start_at: datetime) -> Relocation:
    return Relocation(
        appointment=str(make.appointment_of(order).public_id), device="CT2", start_at=start_at
    )


def test_relocation_of_both_keeps_them_apart_and_of_one_is_refused(pair: Pair) -> None:
    with pytest.raises(SlotTakenError, match=r"nothing was moved: .*120 minutes at most"):
        execute(
            RelocateAppointments(relocations=(relocation(pair[1], at(14)),)),
            actor=people.scheduler,
        )
    both = (relocation(pair[0], at(13)), relocation(pair[1], at(14)))

    assert execute(RelocateAppointments(relocations=both), actor=people.scheduler) == 2
    assert [make.appointment_of(each).start_at for each in pair] == [at(13), at(14)]


def test_place_that_would_break_the_time_between_is_not_proposed(pair: Pair) -> None:
    for hour in (10, 11, 12):
        make.booked(at(hour), "CT2")
        make.booked(at(hour, 30), "CT2")
    devices = boards.devices()
    ct1 = Device.objects.select_related("room").get(ae_title="CT1")
    rows = touched(ct1, at(9, 30), at(11), devices)

    (found,) = proposals(rows, devices, avoid={ct1.pk}, now=at(8))

    assert found.start_at is None
    assert found.against == ("it would come too late after: CT without contrast",)
    assert Appointment.objects.get(public_id=found.line.public_id).start_at == at(10)


def test_times_that_would_break_the_time_between_are_not_offered(pair: Pair) -> None:
    step = schedule.find_step(str(make.step_of(pair[1]).public_id))
    alone = booked(CONTRAST, at(13), number="SET2")
    other = schedule.find_step(str(make.step_of(alone).public_id))

    def offered(to: ScheduledProcedureStep) -> list[datetime]:
        found = linked.free_slots(to, at(9).date(), 2)
        return sorted({s.start_at for day in found for each in day.devices for s in each.slots})

    times = offered(step)
    assert (times[0], times[-1]) == (at(10), at(11, 20))
    for start_at in (times[0], times[-1]):
        move(pair[1], start_at)
    assert offered(other)[0] < at(9)  # of whom nothing else is booked
    assert offered(other)[-1] > at(9, days=1)


def test_slot_finder_offers_no_time_that_would_break_the_time_between(pair: Pair) -> None:
    step = schedule.find_step(str(make.step_of(pair[1]).public_id))
    ct1 = str(Device.objects.get(ae_title="CT1").public_id)

    found = finder.find(step, at(9).date(), 2, near=at(9), ask=(ct1, at(9, 30)))

    days = [slot.start_at for day in found.days for each in day.devices for slot in each.slots]
    assert (min(days), max(days)) == (at(10), at(11, 20))
    assert {slot.start_at for slot in (*found.first, *found.nearest)} <= set(days)
    assert found.tied == {str(make.step_of(pair[0]).public_id): "CT without contrast"}
    assert [(each.refusal.kind, each.refusal.about) for each in found.against or ()] == [
        (Against.LINKED, "CT without contrast")
    ]
