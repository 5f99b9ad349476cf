"""When patients are written to: of many changes the last, once, at a decent hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ris.domain.actors import TIMER
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.patient_messages import (
    Channel,
    Occasion,
    SendPatientMessages,
    SetContactChoice,
    SetMessageRule,
)
from ris.domain.scheduling import (
    CancelAppointment,
    RecordArrival,
    RescheduleAppointment,
)
from ris.domain.undoing import RestoreOrder
from ris.models import Appointment, Delivery, Order, PatientMessage, Site
from ris.services import execute, outbox
from tests import people
from tests.services.patient_messages import (
    NOON,
    THERE,
    booked,
    carrier,
    dropped,
    pass_time,
    texts,
    told,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rooms")]


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.filter(order=order).latest("id")


def moved(order: Order, start_at: datetime) -> None:
    execute(
        RescheduleAppointment(appointment=str(appointment_of(order).public_id), start_at=start_at),
        actor=people.scheduler,
    )


def canceled(order: Order) -> None:
    execute(
        CancelAppointment(appointment=str(appointment_of(order).public_id), reason="x"),
        actor=people.scheduler,
    )


def test_without_an_endpoint_nothing_is_planned(clock: time_machine.Traveller) -> None:
    booked()

    pass_time(clock)

    assert not PatientMessage.objects.exists()
    assert told() == []


def test_a_booking_is_told_once(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()

    pass_time(clock)
    pass_time(clock)

    assert told() == [("booked", "anna@example.org")]
    assert Delivery.objects.get().order == order


def test_a_change_waits_two_minutes_for_the_next(clock: time_machine.Traveller) -> None:
    carrier()
    booked()

    pass_time(clock, minutes=1)
    early = told()
    pass_time(clock, minutes=2)

    assert early == []
    assert told() == [("booked", "anna@example.org")]


def test_of_a_burst_of_moves_the_last_is_told(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    pass_time(clock)

    for hours in (1, 2, 3):
        moved(order, THERE + timedelta(hours=hours))
        outbox.fan_out()
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked", "moved"]
    assert "15:00" in texts()[1]


def test_who_was_not_told_yet_is_told_of_a_booking_and_not_of_a_move(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    order = booked()
    outbox.fan_out()

    moved(order, THERE + timedelta(hours=1))
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked"]
    assert "13:00" in texts()[0]


def test_moved_there_and_back_is_no_news(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    pass_time(clock)

    moved(order, THERE + timedelta(hours=1))
    moved(order, THERE)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked"]
    assert dropped() == ["the patient knows this time"]


def test_booked_and_canceled_within_the_moment_is_no_news(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    outbox.fan_out()

    canceled(order)
    pass_time(clock)

    assert told() == []
    assert dropped() == ["canceled before it was told"]


def test_a_cancellation_is_told(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    pass_time(clock)

    canceled(order)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked", "canceled"]
    assert "{link}" in texts()[0]
    assert "{link}" not in texts()[1]


def test_nothing_is_told_of_times_that_are_over(clock: time_machine.Traveller) -> None:
    carrier()
    booked(NOON - timedelta(hours=3), email="late@example.org")
    booked(NOON + timedelta(minutes=1))

    pass_time(clock)

    assert told() == []
    assert dropped() == ["the time is over"]


def test_at_night_messages_wait_for_the_morning(clock: time_machine.Traveller) -> None:
    carrier()
    clock.move_to(datetime(2026, 3, 2, 22, 30, tzinfo=UTC))
    booked()

    pass_time(clock)
    at_night = told()
    clock.move_to(datetime(2026, 3, 3, 8, 0, tzinfo=UTC))
    execute(SendPatientMessages(), actor=TIMER)

    assert at_night == []
    assert PatientMessage.objects.get().due_at == datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
    assert told() == [("booked", "anna@example.org")]


def test_the_night_is_that_of_the_site(clock: time_machine.Traveller) -> None:
    """Half past three in the afternoon in Greenwich is half past midnight in Tokyo."""
    Site.objects.update(time_zone="Asia/Tokyo")
    carrier()
    clock.move_to(datetime(2026, 3, 2, 15, 30, tzinfo=UTC))
    booked(datetime(2026, 3, 9, 1, tzinfo=UTC))

    pass_time(clock)

    assert told() == []
    assert PatientMessage.objects.get().due_at == datetime(2026, 3, 2, 23, 0, tzinfo=UTC)


def test_two_days_before_the_patient_is_reminded_once(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    pass_time(clock)

    clock.move_to(THERE - timedelta(hours=49))
    execute(SendPatientMessages(), actor=TIMER)
    before = [occasion for occasion, _ in told()]
    for minutes in (0, 30, 60):
        clock.move_to(THERE - timedelta(hours=48) + timedelta(minutes=minutes))
        execute(SendPatientMessages(), actor=TIMER)

    assert before == ["booked"]
    assert [occasion for occasion, _ in told()] == ["booked", "reminder"]
    assert Delivery.objects.latest("id").order == order


def test_who_just_booked_needs_no_reminder(clock: time_machine.Traveller) -> None:
    carrier()
    booked(NOON + timedelta(hours=24))

    pass_time(clock)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked"]


def test_a_moved_appointment_is_reminded_of_its_new_time(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    pass_time(clock)
    clock.move_to(THERE - timedelta(hours=48))
    execute(SendPatientMessages(), actor=TIMER)

    moved(order, THERE + timedelta(days=4))
    pass_time(clock)
    clock.move_to(THERE + timedelta(days=2))
    execute(SendPatientMessages(), actor=TIMER)

    assert [occasion for occasion, _ in told()] == ["booked", "reminder", "moved", "reminder"]


def test_who_has_arrived_is_not_reminded(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked(NOON + timedelta(hours=50))
    pass_time(clock)
    execute(
        RecordArrival(
            appointment=str(appointment_of(order).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )

    pass_time(clock, hours=3)

    assert [occasion for occasion, _ in told()] == ["booked"]


def test_moved_to_an_earlier_day_preparation_is_told_of_that_day(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    execute(
        SetMessageRule(
            occasion=Occasion.PREPARATION, channel=Channel.MAIL, active=True, hours_before=96
        ),
        actor=people.admin,
    )
    order = booked()
    pass_time(clock)
    clock.move_to(THERE - timedelta(hours=96))
    outbox.fan_out()
    execute(SendPatientMessages(), actor=TIMER)
    moved(order, THERE - timedelta(days=1))

    pass_time(clock)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == [
        "booked", "preparation", "moved", "preparation",
    ]  # fmt: skip


def test_canceled_by_mistake_and_restored_is_not_told_as_canceled(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    order = booked()
    pass_time(clock)
    reference = OrderReference(public_id=str(order.public_id))
    execute(CancelOrder(order=reference, reason="wrong order"), actor=people.scheduler)
    execute(RestoreOrder(order=reference), actor=people.scheduler)

    pass_time(clock)

    assert "canceled" not in [occasion for occasion, _ in told()]
    assert "it is booked again" in dropped()


def queued() -> list[tuple[str, str]]:
    """What became of the mails in the queue, and why."""
    rows = Delivery.objects.filter(message_type__startswith="patient").order_by("id")
    return [(row.state, row.last_error) for row in rows]


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("canceled", "the appointment stands no more"),
        ("moved", "another time is told instead"),
        ("declined", "the patient does not want messages this way"),
        ("late", "the time is over"),
        ("nothing", ""),
    ],
)
def test_what_is_not_true_any_more_when_the_mail_server_is_back_does_not_leave(
    case: str, why: str, clock: time_machine.Traveller
) -> None:
    carrier()
    order = booked()
    pass_time(clock)
    if case == "canceled":
        canceled(order)
    elif case == "moved":
        moved(order, THERE + timedelta(days=1))
    elif case == "declined":
        choice = SetContactChoice(
            patient=str(order.patient.public_id), channel=Channel.MAIL, wanted=False
        )
        execute(choice, actor=people.frontdesk)
    elif case == "late":
        clock.move_to(THERE + timedelta(minutes=1))

    outbox.deliver_due()

    assert queued() == [("SKIPPED" if why else "DELIVERED", why)]
