"""Who came, told apart by two identifiers, and called by a number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.arrivals import CallPatient, IdentifierKind, RequestCorrection, Said
from ris.domain.errors import DeniedError, InvalidValueError, MissingValueError, StateConflictError
from ris.domain.scheduling import RecordArrival, RecordNoShow
from ris.models import (
    DemographicReview,
    DomainEvent,
    IdentityCheck,
    Order,
    Ticket,
)
from ris.services import execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db
NAME = Said(IdentifierKind.NAME, "anna berg")
BORN = Said(IdentifierKind.BIRTH_DATE, "3.5.1970")


def build() -> list[Order]:
    make.site()
    make.device("CT1", room="CT room")
    return [make.booked(make.NOON + timedelta(hours=hour)) for hour in (0, 1)]


@pytest.fixture
def orders() -> list[Order]:
    return ground.begin("two booked at CT1", build)[0]


def arrive(order: Order, *said: Said, reason: str = "") -> None:
    command = RecordArrival(
        appointment=str(make.appointment_of(order).public_id),
        identifiers_checked=said,
        unchecked_reason=reason,
    )
    execute(command, actor=people.frontdesk)


def test_two_identifiers_that_agree_are_kept_without_what_was_said(orders: list[Order]) -> None:
    arrive(orders[0], NAME, BORN)

    check = IdentityCheck.objects.get()
    event = DomainEvent.objects.get(name="IdentityChecked")
    assert make.appointment_of(orders[0]).status == "ARRIVED"
    assert (check.checked, check.checked_by) == (["NAME", "BIRTH_DATE"], "frontdesk")
    assert event.payload["checked"] == ["NAME", "BIRTH_DATE"]
    assert "1970" not in str(event.payload)


def test_identifier_of_somebody_else_is_refused_and_nobody_arrives(orders: list[Order]) -> None:
    with pytest.raises(InvalidValueError, match="birth date") as refused:
        arrive(orders[0], NAME, Said(IdentifierKind.BIRTH_DATE, "4.5.1970"))

    assert refused.value.path == "birth_date"
    assert make.appointment_of(orders[0]).status == "BOOKED"
    assert not IdentityCheck.objects.exists()
    assert not Ticket.objects.exists()


def test_one_identifier_needs_a_reason(orders: list[Order]) -> None:
    with pytest.raises(MissingValueError):
        arrive(orders[0], BORN)
    arrive(orders[0], BORN, reason="Unconscious, brought by ambulance")

    assert IdentityCheck.objects.get().reason == "Unconscious, brought by ambulance"
    assert IdentityCheck.objects.get().checked == ["BIRTH_DATE"]


def test_person_who_asked_for_nothing_is_refused(orders: list[Order]) -> None:
    with pytest.raises(MissingValueError, match="ask for two identifiers"):
        arrive(orders[0])

    assert make.appointment_of(orders[0]).status == "BOOKED"


def test_system_that_tells_of_an_arrival_is_not_asked(orders: list[Order]) -> None:
    appointment = str(make.appointment_of(orders[0]).public_id)

    execute(RecordArrival(appointment=appointment), actor=people.ehr)

    assert make.appointment_of(orders[0]).status == "ARRIVED"
    assert not IdentityCheck.objects.exists()


def test_tickets_count_from_one_each_day_at_a_site(orders: list[Order]) -> None:
    for order in orders:
        arrive(order, NAME, BORN)

    assert [ticket.number for ticket in Ticket.objects.order_by("id")] == [1, 2]


def test_patient_is_called_to_the_room_of_the_device(orders: list[Order]) -> None:
    arrive(orders[0], NAME, BORN)

    number = execute(
        CallPatient(appointment=str(make.appointment_of(orders[0]).public_id)),
        actor=people.technologist,
    )

    ticket = Ticket.objects.get()
    assert (number, ticket.called_to, ticket.calls) == (1, "CT room", 1)
    assert DomainEvent.objects.get(name="PatientCalled").payload["room"] == "CT room"


def test_who_is_not_here_is_not_called(orders: list[Order]) -> None:
    with pytest.raises(StateConflictError):
        execute(
            CallPatient(appointment=str(make.appointment_of(orders[0]).public_id)),
            actor=people.technologist,
        )

    assert not Ticket.objects.exists()


def test_radiologist_calls_nobody(orders: list[Order]) -> None:
    arrive(orders[0], NAME, BORN)

    with pytest.raises(DeniedError):
        execute(
            CallPatient(appointment=str(make.appointment_of(orders[0]).public_id)),
            actor=people.radiologist,
        )


def test_no_show_keeps_what_was_heard_of_it(orders: list[Order]) -> None:
    command = RecordNoShow(
        appointment=str(make.appointment_of(orders[0]).public_id), reason="Has a fever"
    )

    execute(command, actor=people.frontdesk)

    assert DomainEvent.objects.get(name="NoShowRecorded").payload["reason"] == "Has a fever"


def test_correction_waits_for_a_person_and_changes_nothing(orders: list[Order]) -> None:
    patient = orders[0].patient

    waiting = execute(
        RequestCorrection(patient=str(patient.public_id), name="Berg^Anne", phone="0123"),
        actor=people.technologist,
    )

    patient.refresh_from_db()
    assert waiting == 2
    assert patient.name == "Berg^Anna"
    assert set(DemographicReview.objects.values_list("field", "said")) == {
        ("name", "Berg^Anne"),
        ("phone", "0123"),
    }


def test_an_allergy_is_told_once_however_it_is_written(orders: list[Order]) -> None:
    patient = orders[0].patient
    patient.allergies = ["Latex"]
    patient.save()

    for allergy in ("Gadolinium:  hives", "GADOLINIUM: hives", "latex"):
        command = RequestCorrection(patient=str(patient.public_id), allergy=allergy)
        execute(command, actor=people.frontdesk)

    assert list(DemographicReview.objects.values_list("said", flat=True)) == ["Gadolinium: hives"]


def test_an_allergy_that_is_too_long_is_refused_and_not_cut(orders: list[Order]) -> None:
    command = RequestCorrection(patient=str(orders[0].patient.public_id), allergy="x" * 201)

    with pytest.raises(InvalidValueError) as refused:
        execute(command, actor=people.frontdesk)

    assert (refused.value.path, refused.value.message) == (
        "allergies", "the allergy is longer than 200 characters",
    )  # fmt: skip
    assert not DemographicReview.objects.exists()
