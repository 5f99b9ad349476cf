"""Appointments through the door."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine

from ris.domain.actors import TIMER, endpoint_actor
from ris.domain.errors import (
    DeniedError,
    IllegalTransitionError,
    InvalidValueError,
    MissingValueError,
    SlotTakenError,
    StateConflictError,
)
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.scheduling import (
    AddClosure,
    Answer,
    AnswerAppointment,
    BookAppointment,
    CancelAppointment,
    ExpireHolds,
    HoldSlot,
    Participant,
    PrepareStep,
    ProposeAppointment,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.models import Appointment, Booking, Device, DomainEvent, Order
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _devices() -> None:
    make.device("CT1")
    make.device("CT2")


def key(order: Order) -> str:
    return str(make.step_of(order).public_id)


def book(order: Order, **overrides: object) -> str:
    fields = {"step": key(order), "device": "CT1", "start_at": make.NOON, **overrides}
    return execute(BookAppointment(**fields), actor=people.scheduler)  # type: ignore[arg-type]


def test_a_booking_takes_the_device_and_its_room() -> None:
    order = make.order()

    book(order, duration_minutes=20)

    appointment = make.appointment_of(order)
    names = sorted(b.resource.name for b in appointment.bookings.select_related("resource"))
    assert names == ["CT1", "Room CT1"]
    assert appointment.end_at == make.NOON + timedelta(minutes=20)
    step = make.step_of(order)
    assert (step.status, step.station_name, step.location) == ("SCHEDULED", "CT 1", "Room CT1")


def test_a_room_whose_name_is_too_long_for_a_scanner_is_shown_with_a_mark() -> None:
    make.device("CT1", room="Examination room 1, north")

    order = make.booked()

    assert make.step_of(order).location == "Examination r..."


def test_the_same_room_cannot_be_booked_twice() -> None:
    book(make.order())
    second = make.order()

    with pytest.raises(SlotTakenError):
        book(second, start_at=make.NOON + timedelta(minutes=29))

    assert make.step_of(second).status == "PENDING"
    assert Appointment.objects.count() == 1


def test_one_exam_may_begin_the_minute_another_ends() -> None:
    book(make.order())

    book(make.order(), start_at=make.NOON + timedelta(minutes=30))

    assert Appointment.objects.filter(overbooked=False).count() == 2


def test_booking_over_needs_a_reason_and_the_role() -> None:
    book(make.order())
    second = make.order()

    with pytest.raises(MissingValueError):
        book(second, overbook=True)
    with pytest.raises(DeniedError):
        execute(
            BookAppointment(
                step=key(second),
                device="CT1",
                start_at=make.NOON,
                overbook=True,
                reason="emergency",
            ),
            actor=people.frontdesk,
        )
    book(second, overbook=True, reason="emergency")

    assert make.appointment_of(second).overbooked is True
    assert make.appointment_of(second).reason == "emergency"


def test_a_device_of_another_modality_is_refused() -> None:
    make.device("MR1", "MR")

    with pytest.raises(InvalidValueError) as refused:
        book(make.order(), device="MR1")

    assert refused.value.path == "device"


def test_a_closed_room_is_refused() -> None:
    resource = Device.objects.get(ae_title="CT1").resource
    execute(
        AddClosure(
            resource=str(resource.public_id),
            start_at=make.NOON - timedelta(hours=1),
            end_at=make.NOON + timedelta(hours=1),
            reason="service",
        ),
        actor=people.manager,
    )

    with pytest.raises(SlotTakenError):
        book(make.order())


def test_a_page_that_is_out_of_date_is_refused() -> None:
    order = make.order()

    with pytest.raises(StateConflictError):
        book(order, expected_version=make.step_of(order).version + 1)


def test_a_booked_step_is_moved_and_not_booked_again() -> None:
    order = make.booked()

    with pytest.raises(StateConflictError):
        book(order)


def test_moving_frees_the_old_time_and_keeps_identifiers() -> None:
    order = make.booked()
    before = make.step_of(order)
    later = make.NOON + timedelta(hours=3)

    execute(
        RescheduleAppointment(
            appointment=str(make.appointment_of(order).public_id), start_at=later, device="CT2"
        ),
        actor=people.scheduler,
    )

    after = make.step_of(order)
    assert (after.start_at, after.station_ae_title) == (later, "CT2")
    assert after.procedure.study_instance_uid == before.procedure.study_instance_uid
    live = Booking.objects.filter(live=True)
    assert {b.start_at for b in live} == {later}
    moved = DomainEvent.objects.get(name="AppointmentMoved").payload
    assert (moved["previous_station"], moved["station"]) == ("CT1", "CT2")


def test_moving_within_its_own_time_is_no_conflict_with_itself() -> None:
    order = make.booked()

    execute(
        RescheduleAppointment(
            appointment=str(make.appointment_of(order).public_id),
            start_at=make.NOON + timedelta(minutes=10),
        ),
        actor=people.scheduler,
    )

    assert make.appointment_of(order).overbooked is False


def test_a_canceled_appointment_puts_the_step_back_to_schedule() -> None:
    order = make.booked()

    execute(
        CancelAppointment(appointment=str(make.appointment_of(order).public_id), reason="ill"),
        actor=people.frontdesk,
    )

    step = make.step_of(order)
    assert (step.status, step.start_at, step.appointment) == ("PENDING", None, None)
    assert Booking.objects.filter(live=True).count() == 0
    book(make.order())  # the time is free again


def test_arrival_and_preparation() -> None:
    order = make.booked()

    execute(
        RecordArrival(
            appointment=str(make.appointment_of(order).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )
    execute(PrepareStep(step=key(order)), actor=people.technologist)

    assert (make.step_of(order).status, make.appointment_of(order).status) == ("READY", "ARRIVED")
    assert make.step_of(order).procedure.stage == "ARRIVED"


def test_a_second_arrival_is_refused() -> None:
    order = make.booked()
    arrival = RecordArrival(
        appointment=str(make.appointment_of(order).public_id), unchecked_reason="known here"
    )
    execute(arrival, actor=people.frontdesk)

    with pytest.raises(IllegalTransitionError):
        execute(arrival, actor=people.frontdesk)


def test_a_no_show_frees_the_room_and_can_be_booked_again() -> None:
    order = make.booked()

    execute(
        RecordNoShow(appointment=str(make.appointment_of(order).public_id)), actor=people.frontdesk
    )
    assert (make.step_of(order).status, Booking.objects.filter(live=True).count()) == ("NO_SHOW", 0)
    book(order, start_at=make.NOON + timedelta(days=1))

    assert make.step_of(order).status == "SCHEDULED"


def test_a_hold_keeps_the_time_until_it_expires() -> None:
    first, second = make.order(), make.order()
    with time_machine.travel(make.NOON - timedelta(days=1), tick=False) as clock:
        execute(HoldSlot(step=key(first), device="CT1", start_at=make.NOON), actor=people.scheduler)
        with pytest.raises(SlotTakenError):
            book(second)

        clock.shift(timedelta(minutes=6))
        expired = execute(ExpireHolds(), actor=TIMER)
        book(second)

    assert expired == 1
    assert make.step_of(second).status == "SCHEDULED"
    assert make.step_of(first).appointment is None


def test_a_hold_becomes_a_booking() -> None:
    order = make.order()
    held = execute(
        HoldSlot(step=key(order), device="CT1", start_at=make.NOON), actor=people.scheduler
    )

    execute(BookAppointment(appointment=held), actor=people.scheduler)

    assert (make.step_of(order).status, make.appointment_of(order).status) == (
        "SCHEDULED",
        "BOOKED",
    )
    assert make.appointment_of(order).bookings.filter(live=True).count() == 2


def test_the_schema_itself_refuses_a_double_booking() -> None:
    from django.db import IntegrityError

    order = make.booked()
    booking = Booking.objects.filter(appointment=make.appointment_of(order))[0]

    with pytest.raises(IntegrityError, match="no_double_booking"):
        Booking.objects.create(
            resource=booking.resource,
            appointment=booking.appointment,
            start_at=booking.start_at + timedelta(minutes=1),
            end_at=booking.end_at,
        )


# --- asked for, held by systems, answered


def test_an_appointment_asked_for_waits_and_becomes_the_one_that_is_booked() -> None:
    order = make.order()

    asked = execute(
        ProposeAppointment(step=key(order), start_at=make.NOON, comment="mornings"),
        actor=people.ehr,
    )
    waiting = make.step_of(order)
    booked = book(order, start_at=make.NOON + timedelta(hours=1))

    assert (waiting.status, waiting.wished_at, waiting.start_at) == ("PENDING", make.NOON, None)
    assert booked == asked
    appointment = make.appointment_of(order)
    assert (appointment.status, appointment.comment) == ("BOOKED", "mornings")
    assert appointment.start_at == make.NOON + timedelta(hours=1)


def test_an_appointment_asked_for_goes_with_its_order() -> None:
    order = make.order()
    execute(ProposeAppointment(step=key(order)), actor=people.ehr)

    execute(CancelOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)

    assert [row.status for row in Appointment.objects.all()] == ["CANCELED"]


def test_a_patient_cannot_be_in_two_places_at_once() -> None:
    reference = make.patient("P-TWICE")
    first, second, third = (make.order(patient=reference) for _ in range(3))
    book(first)

    with pytest.raises(SlotTakenError, match="the patient has another appointment"):
        book(second, device="CT2", start_at=make.NOON + timedelta(minutes=5))
    book(second, device="CT2", start_at=make.NOON + timedelta(hours=1))
    with pytest.raises(SlotTakenError, match="the patient has another appointment"):
        execute(
            RescheduleAppointment(
                appointment=str(make.appointment_of(second).public_id), start_at=make.NOON
            ),
            actor=people.scheduler,
        )
    book(third, device="CT2", overbook=True, reason="two at once")  # who means it may

    assert Appointment.objects.filter(status="BOOKED").count() == 3


@pytest.mark.parametrize(
    ("start_at", "error", "words"),
    [
        (make.NOON - timedelta(days=8), InvalidValueError, "that time is past"),
        (make.NOON + timedelta(hours=8), SlotTakenError, "the room is not open at that time"),
        (make.NOON + timedelta(hours=5, minutes=59), SlotTakenError, "the room is not open"),
    ],
)
def test_a_booking_within_hours_is_refused_outside_them(
    start_at: datetime, error: type[Exception], words: str
) -> None:
    order = make.order()

    with (
        time_machine.travel(make.NOON - timedelta(days=1), tick=False),
        pytest.raises(error, match=words),
    ):
        book(order, start_at=start_at, open_only=True)

    assert Appointment.objects.count() == 0


def test_a_time_held_without_a_patient_is_booked_by_who_holds_it() -> None:
    order = make.order()
    held = execute(
        HoldSlot(device="CT1", start_at=make.NOON, duration_minutes=30), actor=people.ehr
    )
    rival = endpoint_actor("Other portal", None, "127.0.0.1")
    told = BookAppointment(appointment=held, step=key(order))

    with pytest.raises(StateConflictError, match="held by somebody else"):
        execute(told, actor=rival)
    with pytest.raises(MissingValueError):
        execute(BookAppointment(appointment=held), actor=people.ehr)
    booked = execute(told, actor=people.ehr)

    assert (booked, make.appointment_of(order).status) == (held, "BOOKED")
    assert make.appointment_of(order).patient == order.patient


def test_what_one_system_holds_for_an_exam_another_cannot_book() -> None:
    order = make.order()
    execute(HoldSlot(step=key(order), device="CT1", start_at=make.NOON), actor=people.ehr)
    rival = endpoint_actor("Other portal", None, "127.0.0.1")

    with pytest.raises(StateConflictError, match="held by somebody else"):
        execute(BookAppointment(step=key(order), device="CT1", start_at=make.NOON), actor=rival)

    assert make.step_of(order).status == "PENDING"


def test_a_hold_that_ran_out_is_over_before_the_clock_comes_to_it() -> None:
    order = make.order()
    with time_machine.travel(make.NOON - timedelta(days=1), tick=False) as clock:
        held = execute(
            HoldSlot(step=key(order), device="CT1", start_at=make.NOON), actor=people.scheduler
        )
        clock.shift(timedelta(minutes=6))

        with pytest.raises(StateConflictError, match="this hold is over"):
            execute(BookAppointment(appointment=held), actor=people.scheduler)


def test_a_patient_who_declines_gives_the_time_back_and_a_room_does_not() -> None:
    order = make.booked()
    appointment = make.appointment_of(order)
    device = appointment.device
    assert device is not None
    fields = {"appointment": str(appointment.public_id), "answer": Answer.DECLINED}

    execute(
        AnswerAppointment(participant=Participant.DEVICE, key=str(device.public_id), **fields),
        actor=people.ehr,
    )
    kept = make.step_of(order).status
    execute(
        AnswerAppointment(
            participant=Participant.PATIENT, key=str(order.patient.public_id), **fields
        ),
        actor=people.ehr,
    )

    appointment.refresh_from_db()
    assert (kept, make.step_of(order).status) == ("SCHEDULED", "PENDING")
    assert (appointment.status, appointment.reason) == ("CANCELED", "declined by the patient")
    assert appointment.answers.count() == 2


def test_who_takes_no_part_has_nothing_to_answer() -> None:
    order = make.booked()

    with pytest.raises(InvalidValueError, match="does not take part"):
        execute(
            AnswerAppointment(
                appointment=str(make.appointment_of(order).public_id),
                participant=Participant.PATIENT,
                key=str(make.order().patient.public_id),
                answer=Answer.ACCEPTED,
            ),
            actor=people.ehr,
        )


def test_a_walk_in_needs_no_time_any_more() -> None:
    asked, held = make.order(), make.order()
    execute(ProposeAppointment(step=key(asked)), actor=people.ehr)
    execute(HoldSlot(step=key(held), device="CT1", start_at=make.NOON), actor=people.ehr)

    for order in (asked, held):
        execute(make.start(order), actor=people.ct1)

    assert {row.status for row in Appointment.objects.all()} == {"CANCELED"}
    assert Booking.objects.filter(live=True).count() == 0
    assert [make.step_of(order).status for order in (asked, held)] == ["STARTED", "STARTED"]
