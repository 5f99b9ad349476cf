"""Somebody who is here already goes to another room: the scanner of their waiting room broke."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine

from integration.hl7.er7 import Message
from ris.domain.arrivals import CallPatient
from ris.domain.errors import DeniedError, RisError, SlotTakenError, StateConflictError
from ris.domain.exchange import Subscription
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.scheduling import AddClosure, PrepareStep, RecordArrival, RescheduleAppointment
from ris.models import AuditEvent, Booking, Delivery, Device, DomainEvent, Order, Ticket
from ris.selectors import board as boards
from ris.selectors.relocation import Proposal, proposals, touched
from ris.services import execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db

LONG = timedelta(minutes=30)  # of an exam that no catalog knows
ONE = make.NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def devices() -> Iterator[None]:
    with time_machine.travel(make.NOON, tick=False):
        make.site("UTC")
        for name in ("CT1", "CT2"):
            make.device(name, room=f"Room {name}")
        yield


def here(start_at: datetime = ONE, **order: object) -> Order:
    """Booked at CT1 and checked in."""
    placed = make.booked(start_at, **order)
    execute(
        RecordArrival(
            appointment=str(make.appointment_of(placed).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )
    return placed


def move(order: Order, station: str = "CT2", start_at: datetime = ONE, **more: object) -> None:
    execute(
        RescheduleAppointment(
            appointment=str(make.appointment_of(order).public_id),
            device=station,
            start_at=start_at,
            **more,  # type: ignore[arg-type]
        ),
        actor=people.scheduler,
    )


def test_who_is_here_goes_to_another_room_and_is_still_here() -> None:
    order = here()
    arrived_at = make.appointment_of(order).arrived_at

    move(order, start_at=ONE + LONG)

    row, step = make.appointment_of(order), make.step_of(order)
    assert (row.status, row.arrived_at, row.start_at) == ("ARRIVED", arrived_at, ONE + LONG)
    assert row.device is not None
    assert row.device.ae_title == "CT2"
    assert (step.status, step.station_ae_title, step.location) == ("ARRIVED", "CT2", "Room CT2")
    assert step.procedure.stage == "ARRIVED"
    assert not Booking.objects.filter(resource__device__ae_title="CT1", live=True).exists()
    assert Booking.objects.filter(resource__device__ae_title="CT2", live=True).exists()
    event = DomainEvent.objects.get(name="AppointmentMoved")
    assert event.payload["previous_station"] == "CT1"
    assert event.payload["arrived"] is True
    assert AuditEvent.objects.filter(action="RescheduleAppointment", outcome="success").exists()


def test_placer_and_calendar_are_told_of_the_move_of_somebody_who_is_here() -> None:
    make.endpoint(sends=(Subscription.ORDER_STATUS, Subscription.APPOINTMENTS))
    order = here()
    outbox.fan_out()
    Delivery.objects.all().delete()

    move(order)
    outbox.fan_out()

    told = {
        row.message_type: Message.from_bytes(bytes(row.payload)) for row in Delivery.objects.all()
    }
    siu = told["SIU^S13"]
    assert (siu.get("SCH-2"), siu.get("AIG-3")) == (
        str(make.appointment_of(order).public_id),
        "CT2",
    )
    (status,) = [message for kind, message in told.items() if kind.startswith(("ORM", "OMG"))]
    # Who heard that the patient is here does not read now that nobody is.
    assert status.get("ORC-25.1") == "arrived"


def test_who_was_prepared_in_one_room_is_to_be_prepared_in_the_other() -> None:
    order = here()
    execute(PrepareStep(step=str(make.step_of(order).public_id)), actor=people.technologist)

    move(order)

    assert (make.appointment_of(order).status, make.step_of(order).status) == ("ARRIVED", "ARRIVED")


def test_number_is_not_called_to_the_room_that_was_left() -> None:
    order = here()
    key = str(make.appointment_of(order).public_id)
    execute(CallPatient(appointment=key), actor=people.frontdesk)
    number = Ticket.objects.get().number

    move(order)

    ticket = Ticket.objects.get()
    assert (ticket.number, ticket.called_at, ticket.called_to, ticket.calls) == (
        number,
        None,
        "",
        0,
    )


def test_exam_that_has_begun_stays_where_it_is() -> None:
    order = here()
    execute(make.start(order), actor=people.ct1)

    with pytest.raises(StateConflictError, match="the exam has begun: it stays in its room"):
        move(order)

    row = make.appointment_of(order)
    assert row.device is not None
    assert row.device.ae_title == "CT1"
    assert not DomainEvent.objects.filter(name="AppointmentMoved").exists()


def test_who_is_here_is_not_moved_to_another_day() -> None:
    order = here()

    with pytest.raises(StateConflictError, match="take the arrival back first"):
        move(order, start_at=ONE + timedelta(days=1))

    assert make.appointment_of(order).start_at == ONE


def test_night_that_goes_on_after_midnight_is_no_other_day() -> None:
    late = make.NOON.replace(hour=23, minute=30)
    with time_machine.travel(late - timedelta(minutes=20), tick=False):
        order = here(late)

        move(order, start_at=late + timedelta(hours=1), overbook=True, reason="CT1 broke")

    assert make.appointment_of(order).start_at == late + timedelta(hours=1)


def test_time_that_is_taken_is_refused_to_who_is_here_as_to_others() -> None:
    make.booked(ONE, "CT2")
    order = here()

    with pytest.raises(SlotTakenError, match="that time is taken"):
        move(order)

    assert make.step_of(order).station_ae_title == "CT1"


def test_who_is_here_has_prepared_already() -> None:
    with time_machine.travel(make.NOON - timedelta(days=2), tick=False):
        make.definition(lead_hours=24)
        order = make.booked(ONE)
    execute(
        RecordArrival(
            appointment=str(make.appointment_of(order).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )

    move(order)

    assert make.step_of(order).station_ae_title == "CT2"


def test_radiologist_moves_nobody() -> None:
    order = here()

    with pytest.raises(DeniedError):
        execute(
            RescheduleAppointment(
                appointment=str(make.appointment_of(order).public_id), device="CT2", start_at=ONE
            ),
            actor=people.radiologist,
        )

    assert make.step_of(order).station_ae_title == "CT1"


# --- a room goes down


def on(ae_title: str) -> Device:
    return Device.objects.select_related("room").get(ae_title=ae_title)


def proposed(hours: int = 9) -> list[Proposal]:
    devices, now = boards.devices(), make.NOON
    rows = touched(on("CT1"), now, now + timedelta(hours=hours), devices, now=now)
    return proposals(rows, devices, avoid={on("CT1").pk}, now=now)


def test_who_is_here_has_the_first_choice_of_another_room_today() -> None:
    make.booked(ONE)
    order = here(ONE + LONG)
    make.booked(ONE + LONG, "CT2")

    expected, waiting = proposed()

    assert waiting.line.public_id == str(make.appointment_of(order).public_id)
    assert (waiting.ae_title, waiting.start_at) == ("CT2", ONE + 2 * LONG)
    assert (expected.ae_title, expected.start_at) == ("CT2", ONE)


def test_who_waits_past_their_time_is_on_the_list() -> None:
    order = here(make.NOON - timedelta(hours=1))

    (found,) = proposed()

    assert found.line.accession_number == order.accession_number
    assert (found.ae_title, found.start_at) == ("CT2", make.NOON)


def test_room_that_goes_down_later_leaves_who_waits_now() -> None:
    here(make.NOON - timedelta(hours=1))
    devices, now = boards.devices(), make.NOON
    low = now + timedelta(hours=3)

    assert touched(on("CT1"), low, low + timedelta(hours=2), devices, now=now) == []


def test_who_is_here_is_proposed_no_other_day() -> None:
    here()
    execute(
        AddClosure(
            resource=str(on("CT2").resource.public_id),
            start_at=make.NOON,
            end_at=make.NOON + timedelta(hours=15),
            reason="building work",
        ),
        actor=people.scheduler,
    )

    (found,) = proposed()

    assert found.start_at is None
    assert found.against[0] == "nothing is free for the rest of the day"


def test_exam_that_has_begun_is_told_of_and_stays() -> None:
    order = here()
    execute(make.start(order), actor=people.ct1)

    (found,) = proposed()

    assert (found.start_at, found.against) == (None, ("the exam has begun",))


def test_those_who_are_here_go_with_the_others_or_nobody_does() -> None:
    waiting, other = here(), make.booked(ONE + LONG)
    rows = [make.appointment_of(waiting), make.appointment_of(other)]
    wanted = tuple(
        Relocation(
            appointment=str(row.public_id),
            device="CT2",
            start_at=row.start_at,
            expected_version=row.version,
        )
        for row in rows
    )

    assert execute(RelocateAppointments(relocations=wanted), actor=people.scheduler) == 2
    assert {make.step_of(each).station_ae_title for each in (waiting, other)} == {"CT2"}
    assert make.appointment_of(waiting).status == "ARRIVED"

    execute(make.start(waiting, station_ae_title="CT2"), actor=people.ct1)
    rows = [make.appointment_of(waiting), make.appointment_of(other)]
    back = tuple(
        Relocation(appointment=str(row.public_id), device="CT1", start_at=row.start_at)
        for row in rows
    )
    with pytest.raises(RisError, match="the exam has begun"):
        execute(RelocateAppointments(relocations=back), actor=people.scheduler)
    assert {make.step_of(each).station_ae_title for each in (waiting, other)} == {"CT2"}
