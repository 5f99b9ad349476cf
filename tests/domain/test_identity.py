"""Two identifiers: what a patient says is compared with what is stored."""

from __future__ import annotations

import pytest

from ris.domain.arrivals import (
    IdentifierKind,
    Known,
    Said,
    agrees,
    compare,
    dates_in,
    numbers_in,
    scanned,
)
from ris.domain.values import PersonName

MUELLER = Known(
    name=PersonName.of("Müller-Łukasz", "Anna Maria"),
    birth_date="1970-05-03",
    numbers=frozenset({"mrn001"}),
)
YAMADA = Known(name=PersonName.parse("Yamada^Tarou=山田^太郎=やまだ^たろう"), birth_date="1985")


@pytest.mark.parametrize(
    "text", ["Anna Müller-Łukasz", "MUELLER LUKASZ anna", "muller lukasz, Maria"]
)
def test_name_is_family_and_one_given_name_in_any_order(text: str) -> None:
    assert agrees(Said(IdentifierKind.NAME, text), MUELLER)


@pytest.mark.parametrize("text", ["Müller", "Anna", "Anna Schmidt", "", "Müller-Łukasz Eva"])
def test_half_a_name_or_another_is_not_enough(text: str) -> None:
    assert not agrees(Said(IdentifierKind.NAME, text), MUELLER)


@pytest.mark.parametrize("text", ["山田太郎", "山田 太郎", "やまだ たろう", "tarou yamada"])
def test_name_may_be_said_in_any_of_its_writings(text: str) -> None:
    assert agrees(Said(IdentifierKind.NAME, text), YAMADA)


@pytest.mark.parametrize("text", ["1970-05-03", "19700503", "3.5.1970", "03/05/1970", "03051970"])
def test_birth_date_is_understood_as_people_write_it(text: str) -> None:
    assert agrees(Said(IdentifierKind.BIRTH_DATE, text), MUELLER)


@pytest.mark.parametrize("text", ["1970", "1970-05", "5.3.1970", "yesterday", ""])
def test_part_of_a_date_or_another_day_does_not_agree(text: str) -> None:
    assert not agrees(Said(IdentifierKind.BIRTH_DATE, text), MUELLER)


def test_birth_date_that_is_known_only_in_part_agrees_with_nothing() -> None:
    assert not agrees(Said(IdentifierKind.BIRTH_DATE, "1985-01-01"), YAMADA)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("3.5.2019", "2019"),
        ("2019-05-03", "2019-05"),
        ("2019", "2019"),
        ("2019", "2019-05-03"),
        ("3.5.2019", ""),
    ],
)
def test_birth_date_that_is_known_in_part_and_fits_proves_nothing(said: str, stored: str) -> None:
    known = Known(name=PersonName.of("Klein", "Pia"), birth_date=stored)

    assert compare([Said(IdentifierKind.BIRTH_DATE, said)], known) == {}


@pytest.mark.parametrize(
    ("said", "stored"),
    [("3.5.2018", "2019"), ("3.6.2019", "2019-05"), ("2018", "2019-05-03"), ("2", "2019")],
)
def test_birth_date_of_another_year_or_month_is_another_persons(said: str, stored: str) -> None:
    known = Known(name=PersonName.of("Klein", "Pia"), birth_date=stored)

    assert compare([Said(IdentifierKind.BIRTH_DATE, said)], known) == {
        IdentifierKind.BIRTH_DATE: False
    }


def test_number_may_be_scanned_bare_or_from_our_own_code() -> None:
    said = [Said(IdentifierKind.NUMBER, text) for text in ("MRN001", "RIS:A26001:MRN001", "A26001")]

    assert [agrees(each, MUELLER) for each in said] == [True, True, False]


def test_only_what_was_said_is_compared() -> None:
    said = (Said(IdentifierKind.NAME, "Anna Müller Lukasz"), Said(IdentifierKind.NUMBER, "  "))

    assert compare(said, MUELLER) == {IdentifierKind.NAME: True}


def test_scan_of_our_code_looks_for_its_accession_number() -> None:
    assert scanned("RIS:A26001:MRN001") == "A26001"
    assert scanned(" Müller ") == "Müller"
    assert numbers_in("RIS:A26001:MRN001") == ("MRN001",)
    assert dates_in("11.12.2001") == {"2001-12-11"}
