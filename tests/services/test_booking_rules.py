"""The rules of booking at the door, whoever asks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from ris.domain.actors import OPERATOR
from ris.domain.errors import InvalidValueError, SlotTakenError
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    HoldSlot,
    RescheduleAppointment,
    SetResourceHours,
)
from ris.models import (
    Appointment,
    Block,
    Booking,
    Device,
    DeviceRule,
    Holiday,
    Order,
    ProcedureDefinition,
    Resource,
    StaffMember,
)
from ris.selectors import schedule
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 3, 2)
BERLIN = ZoneInfo("Europe/Berlin")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> object:
    """The evening before; one scanner, and a procedure of 20 minutes."""
    with time_machine.travel(datetime(2026, 3, 1, 20, tzinfo=UTC), tick=False):
        make.device("CT1")
        make.definition()
        yield


def book(order: Order, start_at: datetime, device: str = "CT1", **more: object) -> str:
    command = BookAppointment(
        step=str(make.step_of(order).public_id),
        device=device,
        start_at=start_at,
        **more,  # type: ignore[arg-type]
    )
    return execute(command, actor=people.scheduler)


def refused(order: Order, start_at: datetime, device: str = "CT1") -> str:
    with pytest.raises((SlotTakenError, InvalidValueError)) as error:
        book(order, start_at, device)
    return error.value.message


def change(**fields: object) -> ProcedureDefinition:
    ProcedureDefinition.objects.update(**fields)
    return ProcedureDefinition.objects.get()


def offered(order: Order, day: date = MONDAY) -> list[str]:
    step = schedule.find_step(str(make.step_of(order).public_id))
    (found,) = schedule.free_slots(step, day, 1)
    return [f"{slot.start_at:%H:%M}" for slot in found.devices[0].slots]


def staff(name: str, *skills: str) -> StaffMember:
    resource = Resource.objects.create(kind="STAFF", name=name)
    return StaffMember.objects.create(resource=resource, name=name, skills=list(skills))


def test_outside_the_hours_it_is_refused_unless_booked_over() -> None:
    order = make.order()

    assert refused(order, at(18)) == "the room is not open at that time"
    book(order, at(18), overbook=True, reason="emergency")

    appointment = Appointment.objects.get()
    assert (appointment.overbooked, appointment.reason) == (False, "emergency")


def test_a_holiday_closes_the_rooms() -> None:
    Holiday.objects.create(date=MONDAY, name="Founders' day")

    assert refused(make.order(), at(9)) == "it is a holiday: Founders' day"
    assert offered(make.order()) == []


def test_time_kept_for_cardiac_exams_is_refused_to_others_until_released() -> None:
    block = Block.objects.create(
        resource=Device.objects.get().resource,
        label="Cardiac CT",
        weekday=0,
        opens=time(8),
        closes=time(12),
        procedures=["CTHEART"],
    )
    order = make.order()

    assert refused(order, at(11, 45)) == "that time is reserved for others: Cardiac CT"
    assert offered(order)[0] == "12:00"
    block.released_days = [MONDAY.isoformat()]
    block.save()

    assert offered(order)[0] == "08:00"


def test_a_start_that_leaves_too_short_a_gap_is_not_offered_where_a_device_says_so() -> None:
    book(make.order(), at(9, 15))
    order = make.order()
    before = offered(order)
    Resource.objects.filter(name="CT1").update(gap_minutes=30)

    after = offered(order)

    assert before[:4] == ["08:00", "08:20", "08:40", "09:35"]
    assert after[:4] == ["08:00", "08:55", "09:35", "10:15"]
    book(order, at(8, 40))  # who asks for that very time has a reason


def test_cleaning_time_stands_between_neighbors_on_both_sides() -> None:
    change(buffer_after_minutes=10)
    book(make.order(), at(9))
    assert list(Booking.objects.values_list("after_minutes", flat=True)) == [10, 10]
    order = make.order()

    assert refused(order, at(9, 25)) == "the time around the next exam is kept free"
    assert refused(order, at(8, 35)) == "the time around the next exam is kept free"
    book(order, at(9, 30))


def test_an_exam_that_needs_preparation_is_not_booked_for_the_next_morning() -> None:
    change(lead_hours=24)
    order = make.order()

    assert refused(order, at(9)) == "the exam needs time for preparation"
    book(order, at(9) + timedelta(days=1))


def test_a_device_that_does_not_do_the_exam_is_refused_and_not_offered() -> None:
    DeviceRule.objects.create(
        definition=ProcedureDefinition.objects.get(), device=Device.objects.get(), allowed=False
    )
    order = make.order()

    assert refused(order, at(9)) == "this exam is not done on this device"
    assert offered(order) == []


def test_a_slow_device_takes_its_own_time() -> None:
    DeviceRule.objects.create(
        definition=ProcedureDefinition.objects.get(), device=Device.objects.get(), minutes=45
    )
    order = make.order()

    assert offered(order)[:2] == ["08:00", "08:45"]
    book(order, at(8))

    assert Appointment.objects.get().end_at == at(8, 45)


def test_the_staff_that_an_exam_needs_are_booked_with_it() -> None:
    change(required_skills=["nurse"], radiologist_present=True)
    nurse, doctor = staff("Nora", "nurse"), staff("Dr. Ray", "radiologist")
    first, second = make.order(), make.order()
    make.device("CT2")

    book(first, at(9))

    names = set(Booking.objects.values_list("resource__name", flat=True))
    assert names == {"CT1", "Room CT1", nurse.name, doctor.name}
    words = "nobody is free who is needed: nurse; nobody is free who is needed: radiologist"
    assert refused(second, at(9, 10), "CT2") == words
    book(second, at(9, 20), "CT2")


def test_an_interpreter_of_the_language_is_needed() -> None:
    order = make.order()
    Order.objects.filter(pk=order.pk).update(interpreter_language="ar")

    assert refused(order, at(9)) == "nobody is free who is needed: interpreter:ar"
    staff("Amal", "interpreter:ar")
    book(order, at(9))

    assert Booking.objects.filter(resource__name="Amal").count() == 1


def test_staff_hours_count() -> None:
    change(staff_required=1)
    nurse = staff("Nora")
    hours = tuple((day, time(13), time(16)) for day in range(5))
    execute(SetResourceHours(resource=str(nurse.resource.public_id), hours=hours), actor=OPERATOR)

    assert offered(make.order()) == [
        "13:00", "13:20", "13:40", "14:00", "14:20", "14:40", "15:00", "15:20", "15:40",
    ]  # fmt: skip


def test_a_move_keeps_the_rules_and_takes_the_staff_along() -> None:
    change(required_skills=["nurse"])
    staff("Nora", "nurse")
    order = make.order()
    key = book(order, at(9))
    late = RescheduleAppointment(appointment=key, start_at=at(19))

    with pytest.raises(SlotTakenError, match="not open"):
        execute(late, actor=people.scheduler)
    execute(RescheduleAppointment(appointment=key, start_at=at(9, 10)), actor=people.scheduler)

    live = Booking.objects.filter(live=True)
    assert {(row.resource.name, row.start_at) for row in live} == {
        ("CT1", at(9, 10)),
        ("Room CT1", at(9, 10)),
        ("Nora", at(9, 10)),
    }
    execute(CancelAppointment(appointment=key), actor=people.scheduler)
    assert not Booking.objects.filter(live=True).exists()


def test_a_hold_goes_by_the_rules_and_keeps_what_it_took() -> None:
    change(required_skills=["nurse"])
    staff("Nora", "nurse")
    step = str(make.step_of(make.order()).public_id)

    with pytest.raises(SlotTakenError):
        execute(HoldSlot(step=step, device="CT1", start_at=at(7)), actor=people.scheduler)
    held = execute(HoldSlot(step=step, device="CT1", start_at=at(9)), actor=people.scheduler)
    execute(BookAppointment(appointment=held), actor=people.scheduler)

    assert Booking.objects.filter(live=True, resource__name="Nora").count() == 1


def test_every_reason_is_told_with_its_end() -> None:
    book(make.order(), at(9))
    Holiday.objects.create(date=MONDAY, name="Founders' day")

    with pytest.raises(SlotTakenError) as error:
        book(make.order(), at(9, 10))

    assert [reason["kind"] for reason in error.value.details["reasons"]] == ["holiday", "taken"]
    assert error.value.details["reasons"][1]["until"] == "2026-03-02T09:20:00+00:00"


def test_what_the_order_says_itself_is_followed_whatever_the_rules() -> None:
    Holiday.objects.create(date=MONDAY, name="Founders' day")
    change(required_skills=["nurse"], lead_hours=48)

    order = make.order(start_at=at(20))

    assert make.step_of(order).status == "SCHEDULED"


@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 3, 29), "2026-03-29T15:40:00+00:00"),  # one hour is missing
        (date(2026, 10, 25), "2026-10-25T16:40:00+00:00"),  # one comes twice
    ],
)
def test_rooms_close_by_the_wall_clock_on_the_days_it_is_changed(day: date, last: str) -> None:
    make.site("Europe/Vienna")
    device = Device.objects.select_related("resource", "room__resource").get()
    from ris.models import Site

    for resource in (device.resource, device.room and device.room.resource):
        assert resource is not None
        resource.site = Site.objects.get()
        resource.save()
    step = schedule.find_step(str(make.step_of(make.order()).public_id))

    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
        (found,) = schedule.free_slots(step, day, 1)

    slots = found.devices[0].slots
    assert len(slots) == 30
    assert slots[-1].start_at.isoformat() == last


@pytest.mark.parametrize(
    ("start_at", "ends"),
    [
        (datetime(2026, 3, 29, 1, 50, tzinfo=BERLIN), datetime(2026, 3, 29, 2, 20, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 20, tzinfo=UTC)),
        (
            datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN, fold=1),
            datetime(2026, 10, 25, 3, 20, tzinfo=UTC),
        ),
    ],
)
def test_an_exam_is_as_long_as_it_is_though_the_clock_is_changed_meanwhile(
    start_at: datetime, ends: datetime
) -> None:
    """Peers and pages say times of a zone, and adding to one moves the hands of its clock."""
    step = make.step_of(make.order())

    book(step.procedure.order, start_at, duration_minutes=90, overbook=True, reason="Night")
    ordered = make.step_of(make.order(start_at=start_at))

    booked = make.step_of(step.procedure.order).appointment
    assert booked is not None
    assert booked.end_at == ends
    assert ordered.appointment is not None
    assert ordered.appointment.end_at - ordered.appointment.start_at == timedelta(minutes=20)
