"""Messages to patients: of many changes the last, once, at a decent hour, to who wants them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import TIMER
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.patient_messages import (
    Channel,
    Occasion,
    Rule,
    SendPatientMessages,
    SetContactChoice,
    SetMessageRule,
    SetMessageText,
)
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    RecordArrival,
    RescheduleAppointment,
)
from ris.domain.undoing import RestoreOrder
from ris.domain.waiting import DeclineOffer, OfferSlot, WaitForSlot
from ris.models import Appointment, Delivery, DomainEvent, Order, PatientMessage
from ris.services import execute, outbox
from ris.services.patients import holdings
from tests import ground, make, people

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THERE = NOON + timedelta(days=7)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def build() -> None:
    make.site("UTC")
    make.device()
    make.device("CT2")
    make.definition(preparation="Nothing to eat.")


@pytest.fixture(autouse=True)
def rooms(db: None, clock: time_machine.Traveller) -> None:
    ground.begin("patient messages", build)


def carrier(protocol: Protocol = Protocol.MAIL) -> None:
    settings: dict[str, Any] = (
        {"transport": "folder"} if protocol is Protocol.MAIL else {"url": "https://sms.example/"}
    )
    execute(
        ConfigureEndpoint(
            name=f"To patients by {protocol.value}",
            protocol=protocol,
            direction=Direction.OUT,
            settings=settings,
        ),
        actor=people.admin,
    )


def person(**said: Any) -> PatientReference:
    return make.patient(**{"email": "anna@example.org", "language": "en", **said})


def booked(start_at: datetime = THERE, **said: Any) -> Order:
    order = make.order(patient=person(**said))
    execute(
        BookAppointment(step=str(make.step_of(order).public_id), device="CT1", start_at=start_at),
        actor=people.scheduler,
    )
    return order


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


def pass_time(clock: time_machine.Traveller, **by: float) -> None:
    """Changes become plans; some time later the timer comes by."""
    outbox.fan_out()
    clock.shift(timedelta(**(by or {"minutes": 3})))
    execute(SendPatientMessages(), actor=TIMER)
    outbox.fan_out()


def told() -> list[tuple[str, str]]:
    """What was handed over: for which occasion, and to whom."""
    rows = Delivery.objects.filter(message_type__startswith="patient").order_by("id")
    return [
        (row.message_type.removeprefix("patient "), json.loads(bytes(row.payload))["to"])
        for row in rows
    ]


def texts() -> list[str]:
    rows = Delivery.objects.filter(message_type__startswith="patient").order_by("id")
    return [json.loads(bytes(row.payload))["text"] for row in rows]


def dropped() -> list[str]:
    return list(
        PatientMessage.objects.filter(state="DROPPED")
        .order_by("id")
        .values_list("reason", flat=True)
    )


# --- when


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
    assert "3 p.m." in texts()[1]


def test_who_was_not_told_yet_is_told_of_a_booking_and_not_of_a_move(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    order = booked()
    outbox.fan_out()

    moved(order, THERE + timedelta(hours=1))
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked"]
    assert "1 p.m." in texts()[0]


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


# --- to whom, and in which words


def test_whose_order_it_turned_out_to_be_is_written_to(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    outbox.fan_out()
    other = make.order(patient=person(email="berta@example.org")).patient
    holdings.give_orders([order.pk], other, NOON)

    pass_time(clock)

    assert told() == [("booked", "berta@example.org")]


def test_who_does_not_want_messages_gets_none(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    execute(
        SetContactChoice(patient=str(order.patient.public_id), channel=Channel.MAIL, wanted=False),
        actor=people.frontdesk,
    )

    pass_time(clock)

    assert told() == []
    assert dropped() == ["the patient does not want messages this way"]
    event = DomainEvent.objects.get(name="PatientMessageDropped")
    assert event.order == order


def test_a_choice_outlives_a_merge(clock: time_machine.Traveller) -> None:
    carrier()
    said = make.order(patient=person())
    execute(
        SetContactChoice(patient=str(said.patient.public_id), channel=Channel.MAIL, wanted=False),
        actor=people.frontdesk,
    )
    order = booked()
    execute(
        MergePatients(
            survivor=PatientReference(public_id=str(order.patient.public_id)),
            subsumed=PatientReference(public_id=str(said.patient.public_id)),
        ),
        actor=people.scheduler,
    )

    pass_time(clock)

    assert told() == []


def test_without_an_address_the_order_says_so(clock: time_machine.Traveller) -> None:
    carrier()
    booked(email="")

    pass_time(clock)

    assert told() == []
    assert DomainEvent.objects.get(name="PatientMessageDropped").payload["reason"] == (
        "no mail address"
    )


def test_one_change_is_told_by_one_channel(clock: time_machine.Traveller) -> None:
    carrier()
    carrier(Protocol.SMS)
    booked(phone="+43 660 5550100")
    booked(THERE + timedelta(hours=1), phone="+43 660 5550199", email="")

    pass_time(clock)

    assert told() == [("booked", "anna@example.org"), ("booked", "+436605550199")]
    assert not DomainEvent.objects.filter(name="PatientMessageDropped").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ger", "wir haben einen Termin für Sie gebucht"),
        ("es^Spanish^ISO639", "Hemos reservado una cita"),
        ("fr-CA", "Nous avons réservé"),
        ("jpn", "ご予約を承りました"),
        ("Klingon", "We have booked an appointment"),
    ],
)
def test_the_patient_is_written_to_in_his_language(
    clock: time_machine.Traveller, said: str, words: str
) -> None:
    carrier()
    booked(language=said)

    pass_time(clock)

    assert words in texts()[0]


def test_a_message_names_no_exam_unless_the_rule_lets_it(clock: time_machine.Traveller) -> None:
    carrier()
    booked()
    pass_time(clock)
    execute(
        SetMessageRule(
            occasion=Occasion.BOOKED, channel=Channel.MAIL, active=True, names_exam=True
        ),
        actor=people.manager,
    )
    booked(THERE + timedelta(hours=1))
    pass_time(clock)

    silent, open_ = texts()
    assert "CT head" not in silent
    assert "CT head without contrast" in open_
    assert "Anna" not in silent + open_


def test_a_rule_switched_off_sends_nothing(clock: time_machine.Traveller) -> None:
    carrier()
    execute(
        SetMessageRule(occasion=Occasion.BOOKED, channel=Channel.MAIL, active=False),
        actor=people.manager,
    )

    booked()
    pass_time(clock)

    assert not PatientMessage.objects.exists()


def test_a_rule_of_a_procedure_counts_before_that_for_all(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    definition = make.step_of(order).procedure.definition
    assert definition is not None
    execute(
        SetMessageRule(
            occasion=Occasion.REMINDER,
            channel=Channel.MAIL,
            active=True,
            hours_before=96,
            procedure=str(definition.public_id),
        ),
        actor=people.manager,
    )
    pass_time(clock)

    clock.move_to(THERE - timedelta(hours=96))
    execute(SendPatientMessages(), actor=TIMER)

    assert [occasion for occasion, _ in told()] == ["booked", "reminder"]


def test_own_words_are_used_and_unknown_names_refused(clock: time_machine.Traveller) -> None:
    carrier()
    own = SetMessageText(
        occasion=Occasion.BOOKED,
        channel=Channel.MAIL,
        language="en",
        subject="See you",
        body="On {date} at {time}.\nBring {bring}.",
    )
    execute(own, actor=people.manager)
    with pytest.raises(InvalidValueError, match="in braces there may only be"):
        execute(
            SetMessageText(
                occasion=Occasion.BOOKED, channel=Channel.MAIL, language="en", body="{name}"
            ),
            actor=people.manager,
        )

    booked()
    pass_time(clock)

    assert texts() == ["On Monday, March 9, 2026 at noon.\n"]


def test_a_stored_message_holds_no_address_of_the_page(clock: time_machine.Traveller) -> None:
    carrier()
    booked()

    pass_time(clock)

    raw = bytes(Delivery.objects.get().payload).decode()
    assert "/p/" not in raw
    assert "{link}" in raw


def test_a_freed_time_is_offered_once(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    entry = execute(WaitForSlot(step=str(make.step_of(order).public_id)), actor=people.scheduler)
    pass_time(clock)
    execute(OfferSlot(entry=entry, device="CT2", start_at=THERE - timedelta(days=3)), actor=TIMER)

    pass_time(clock, minutes=0)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked", "offer"]
    assert "Friday, March 6" in texts()[1]
    assert "{link}" not in texts()[1]


def test_an_offer_that_was_declined_is_not_told(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    entry = execute(WaitForSlot(step=str(make.step_of(order).public_id)), actor=people.scheduler)
    offer = execute(
        OfferSlot(entry=entry, device="CT2", start_at=THERE - timedelta(days=3)), actor=TIMER
    )
    outbox.fan_out()
    execute(DeclineOffer(offer=offer), actor=people.scheduler)

    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked"]
    assert dropped() == ["the time is offered no more"]


def test_quiet_hours_over_midnight_and_within_a_day() -> None:
    night = Rule(quiet_from=time(21), quiet_until=time(8))
    nap = Rule(quiet_from=time(12), quiet_until=time(14))

    def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
        return datetime(2026, 3, day, hour, minute, tzinfo=UTC)

    assert night.not_before(at(20, 59)) == at(20, 59)
    assert night.not_before(at(21)) == at(8, day=3)
    assert night.not_before(at(3)) == at(8)
    assert night.not_before(at(8)) == at(8)
    assert nap.not_before(at(13)) == at(14)
    assert nap.not_before(at(14)) == at(14)


def test_an_endpoint_for_patients_takes_no_subscriptions() -> None:
    with pytest.raises(InvalidValueError):
        execute(
            ConfigureEndpoint(
                name="x",
                protocol=Protocol.MAIL,
                direction=Direction.OUT,
                sends=(Subscription.RESULTS,),
                settings={"transport": "folder"},
            ),
            actor=people.admin,
        )
