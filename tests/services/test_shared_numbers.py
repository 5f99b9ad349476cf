"""Numbers that are not given out to tell patients apart: a social security number, an account."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.errors import StateConflictError
from ris.domain.patients import PatientReference, UpdatePatient
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import Patient, PatientIdentifier
from ris.services import execute
from tests import make, people
from tests.patients import number

pytestmark = pytest.mark.django_db

# What registration desks type where they know none.
DUMMY = Identifier("999-99-9999", "SSA", "SS")


def named(*identifiers: Identifier, authoritative: bool = False, **said: Any) -> PatientReference:
    return PatientReference(
        identifiers=identifiers,
        demographics=make.demographics(**said),
        authoritative=authoritative,
    )


def tell(*identifiers: Identifier, **said: Any) -> Patient:
    """What an authority says of a person."""
    reference = named(*identifiers, authoritative=True, **said)
    key = execute(
        UpdatePatient(patient=reference, demographics=reference.demographics, create=True),
        actor=people.ehr,
    )
    return Patient.objects.get(public_id=key)


def klein() -> dict[str, Any]:
    return {"name": PersonName.of("Klein", "Karl"), "birth_date": PartialDate("1955-11-12")}


def numbers(patient: Patient) -> list[str]:
    return list(patient.identifiers.order_by("id").values_list("value", flat=True))


def test_a_shared_number_leads_nobody_to_the_record_of_another_person() -> None:
    one = tell(number("A"), DUMMY)

    other = tell(number("B"), DUMMY, **klein())

    one.refresh_from_db()
    assert (one.name, numbers(one)) == ("Berg^Anna", ["A", "999-99-9999"])
    assert (other.name, numbers(other)) == ("Klein^Karl", ["B"])


def test_nor_when_name_and_birth_date_agree() -> None:
    """The hospital gave two numbers, so it is for the hospital to say that they are of one."""
    one = tell(number("A"), DUMMY)

    assert tell(number("B"), DUMMY).pk != one.pk


def test_nor_when_the_number_of_the_hospital_comes_without_its_type() -> None:
    one = tell(number("A"), DUMMY)

    assert tell(Identifier("B", "HOSP"), DUMMY).pk != one.pk


def test_shared_numbers_of_two_persons_do_not_stop_a_third() -> None:
    tell(number("A"), DUMMY)
    tell(number("B"), Identifier("AC1", "HOSP", "AN"), **klein())

    third = tell(number("C"), DUMMY, Identifier("AC1", "HOSP", "AN"))

    assert (numbers(third), Patient.objects.count()) == (["C"], 3)


def test_whoever_has_a_number_of_the_hospital_is_found_by_it_alone() -> None:
    tell(number("A"), DUMMY)
    other = tell(number("B"), DUMMY, **klein())

    again = tell(number("B"), DUMMY, phone="+43 1 5550100", **klein())

    assert (again.pk, again.phone) == (other.pk, "+43 1 5550100")


@pytest.mark.parametrize("authoritative", [True, False])
def test_an_order_of_the_second_person_is_placed_for_that_person(authoritative: bool) -> None:
    one = tell(number("A"), DUMMY)

    order = make.order(patient=named(number("B"), DUMMY, authoritative=authoritative, **klein()))

    one.refresh_from_db()
    assert one.name == "Berg^Anna"
    assert (order.patient.name, numbers(order.patient)) == ("Klein^Karl", ["B"])


def test_who_was_known_by_it_alone_gets_the_hospitals_number() -> None:
    one = tell(Identifier("123-45-6789", "SSA", "SS"))

    same = tell(number("A"), Identifier("123-45-6789", "SSA", "SS"))

    assert (same.pk, numbers(same)) == (one.pk, ["123-45-6789", "A"])


def test_but_not_who_is_plainly_somebody_else() -> None:
    one = tell(DUMMY)

    other = tell(number("B"), DUMMY, **klein())

    assert (other.pk != one.pk, numbers(other)) == (True, ["B"])


def test_alone_it_does_not_turn_one_person_into_another() -> None:
    tell(DUMMY)

    with pytest.raises(StateConflictError, match="another name and birth date"):
        tell(DUMMY, **klein())

    assert Patient.objects.get().name == "Berg^Anna"


def test_an_account_that_was_moved_does_not_stop_its_messages() -> None:
    account = Identifier("AC1", "HOSP", "AN")
    tell(number("A"), account)
    other = tell(number("B"), **klein())

    assert tell(number("B"), account, **klein()).pk == other.pk
    assert PatientIdentifier.objects.get(value="AC1").patient.name == "Berg^Anna"


def test_it_is_not_what_a_patient_goes_by_on_the_worklist() -> None:
    patient = tell(DUMMY, number("A"))

    assert patient.identifiers.get(primary=True).value == "A"
