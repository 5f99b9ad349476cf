"""Messages to patients: of many changes the last, once, at a decent hour, to who wants them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine

from ris.domain.actors import TIMER
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
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
from ris.domain.waiting import DeclineOffer, OfferSlot, WaitForSlot
from ris.models import AppointmentLink, Delivery, DomainEvent, Patient, PatientMessage
from ris.services import execute, outbox
from ris.services.patients import holdings
from tests import make, people
from tests.services.patient_messages import (
    NOON,
    THERE,
    booked,
    carrier,
    dropped,
    pass_time,
    person,
    texts,
    told,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rooms")]


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

    assert texts() == ["On Monday, 9 March 2026 at 12:00.\n"]


def test_a_stored_message_holds_no_address_of_the_page(clock: time_machine.Traveller) -> None:
    carrier()
    booked()

    pass_time(clock)

    raw = bytes(Delivery.objects.get().payload).decode()
    assert "/p/" not in raw
    assert "{link}" in raw


def test_who_cannot_be_asked_for_a_whole_birth_date_is_sent_no_link(
    clock: time_machine.Traveller,
) -> None:
    carrier()
    booked()
    Patient.objects.update(birth_date="1970")

    pass_time(clock)

    assert "{link}" not in bytes(Delivery.objects.get().payload).decode()
    assert not AppointmentLink.objects.exists()


def test_a_freed_time_is_offered_once(clock: time_machine.Traveller) -> None:
    carrier()
    order = booked()
    entry = execute(WaitForSlot(step=str(make.step_of(order).public_id)), actor=people.scheduler)
    pass_time(clock)
    execute(OfferSlot(entry=entry, device="CT2", start_at=THERE - timedelta(days=3)), actor=TIMER)

    pass_time(clock, minutes=0)
    pass_time(clock)

    assert [occasion for occasion, _ in told()] == ["booked", "offer"]
    assert "Friday, 6 March" in texts()[1]
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
