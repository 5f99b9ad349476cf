"""Patients by words of their names: what is found, and that it does not read the whole archive."""

from __future__ import annotations

import pytest

from ris.domain.values import NameGroup, PersonName
from ris.models import Patient
from ris.models.name_words import names_are_indexed
from ris.selectors.patient_lists import find, name_condition
from tests import make

pytestmark = pytest.mark.django_db


def known(number: str, name: PersonName) -> str:
    make.order(patient=make.patient(number, name=name))
    return str(Patient.objects.get(identifiers__value=number).public_id)


def found(text: str) -> set[str]:
    return {line.number for line in find(text)}


@pytest.fixture
def archive() -> None:
    known("1", PersonName.of("von Berg", "Anna-Maria"))
    known("2", PersonName.of("Müller", "Jörg Peter"))
    known("3", PersonName.of("O'Brien", "Mary"))
    known(
        "4",
        PersonName(
            alphabetic=NameGroup(family="Yamada", given="Taro"),
            ideographic=NameGroup(family="山田", given="太郎"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("von Berg", "1"),
        ("berg", "1"),
        ("BER ann", "1"),
        ("Maria, Berg", "1"),
        ("muller", "2"),
        ("MÜLL jor", "2"),
        ("peter", "2"),
        ("O'Brien", "3"),
        ("brien mary", "3"),
        ("yam", "4"),
        ("山田", "4"),
        ("太郎", "4"),
    ],
)
def test_every_word_begins_some_word_of_the_name(archive: None, text: str, number: str) -> None:
    assert found(text) == {number}


@pytest.mark.parametrize(
    "text", ["bergmann", "anna muller", '"', "a' OR 1", '") OR *', "NEAR(berg)", "berg NOT anna"]
)
def test_what_is_no_name_of_anybody_finds_nobody(archive: None, text: str) -> None:
    assert found(text) == set()


def test_who_was_renamed_is_found_by_the_new_name_alone(archive: None) -> None:
    row = Patient.objects.get(identifiers__value="2")
    row.name, row.name_key = "Schmidt^Jörg", "schmidt^jorg"
    row.save(update_fields=["name", "name_key"])

    assert found("schmidt") == {"2"}
    assert found("muller") == set()


@pytest.mark.only("sqlite")  # PostgreSQL has its trigrams: tests of the worklist look at them
def test_names_are_looked_up_and_not_read_through(archive: None) -> None:
    assert names_are_indexed(), "a migration made the table anew: it ends with index_names"

    plan = Patient.objects.filter(name_condition("berg anna"), merged_into=None).explain()

    assert "ris_patient_words VIRTUAL TABLE INDEX" in plan
    assert "SCAN ris_patient\n" not in f"{plan}\n"
