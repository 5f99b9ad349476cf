"""Which order a message is about, where ORC and OBR say different numbers (HL7 v2.5.1 4.5.1.2)."""

from __future__ import annotations

import pytest

from ris.models import Order
from tests.integration.hl7.intake import answer, answered, register
from tests.integration.hl7.messages import OBR, ORC, PID, PV1, obr, order, text

pytestmark = pytest.mark.django_db

OTHER = OBR.replace("PL1^HIS", "PL2^HIS")


def orders() -> list[tuple[str, str, int]]:
    """Number, status and count of exams of each order."""
    return [
        (each.placer_order_number, each.status, each.procedures.count())
        for each in Order.objects.order_by("pk")
    ]


def test_a_new_order_with_two_numbers_is_refused() -> None:
    register()

    told = answer(order(obr=OTHER, version="2.5.1"))

    assert told[1] == "MSA|AE|M1|ORC-2 and OBR-2 name two orders"
    assert told[2].startswith("ERR||OBR^1^2|102^")
    assert orders() == []


@pytest.mark.parametrize("control", ["CA", "DC", "XO", "HD", "SS"])
def test_nothing_is_changed_that_two_numbers_name(control: str) -> None:
    """Which of two orders is to be canceled is not for us to choose."""
    register()
    answered(order())
    answered(order(orc=ORC.replace("PL1", "PL2"), obr=OTHER, more=(), key="M2"))

    asked = order(orc=f"ORC|{control}|PL1^HIS", obr=OTHER, more=(), key="M3")

    assert answered(asked) == ["AE", "102 OBR^1^2"]
    assert orders() == [("PL1", "ACTIVE", 1), ("PL2", "ACTIVE", 1)]


def test_the_second_pair_of_a_message_is_told_with_its_place() -> None:
    register()
    wrong = (ORC.replace("PL1", "PL2"), OBR.replace("PL1", "PL3"))

    assert answered(text(PID, PV1, ORC, OBR, *wrong)) == ["AE", "102 OBR^2^2"]


@pytest.mark.parametrize(
    ("orc_2", "obr_2"),
    [("PL1", "PL1^HIS"), ("PL1^HIS", "PL1"), ("PL1^HIS", "PL1^HIS LAB"), ("PL1", "PL1 ")],
)
def test_an_authority_that_one_of_them_lacks_makes_no_other_number(orc_2: str, obr_2: str) -> None:
    register()

    told = answered(
        order(orc=ORC.replace("PL1^HIS", orc_2), obr=OBR.replace("PL1^HIS", obr_2), more=())
    )

    assert told == ["AA"]
    assert orders() == [("PL1", "ACTIVE", 1)]


@pytest.mark.parametrize(("path", "number"), [("ORC-2", "PL1"), ("OBR-2", "PL2")])
def test_a_setting_says_which_of_them_numbers_the_order(path: str, number: str) -> None:
    register(settings={"paths": {"placer": [path]}})

    assert answered(order(obr=OTHER)) == ["AA"]

    assert orders() == [(number, "ACTIVE", 1)]


def test_exams_under_one_orc_with_numbers_of_their_own_are_orders_of_their_own() -> None:
    """As systems write it that send ORC once for a whole requisition."""
    register(settings={"reply": "typed"})

    told = answer(text(PID, PV1, ORC, OBR, OTHER, version="2.5.1"))

    assert told[1] == "MSA|AA|M1"
    assert orders() == [("PL1", "ACTIVE", 1), ("PL2", "ACTIVE", 1)]
    assert [each.split("|")[:3] for each in told if each.startswith("ORC")] == [
        ["ORC", "OK", "PL1^HIS"],
        ["ORC", "OK", "PL2^HIS"],
    ]

    assert answered(text(PID, "ORC|CA|PL2^HIS", OTHER, key="M2")) == ["AA"]
    assert orders() == [("PL1", "ACTIVE", 1), ("PL2", "CANCELED", 1)]


def test_a_cancellation_under_one_orc_is_about_all_its_numbers() -> None:
    register()
    answered(text(PID, PV1, ORC, OBR, OTHER))

    assert answered(text(PID, "ORC|CA|PL1^HIS", OBR, OTHER, key="M2")) == ["AA"]

    assert orders() == [("PL1", "CANCELED", 1), ("PL2", "CANCELED", 1)]


def test_the_filler_number_of_the_orc_is_not_that_of_the_next_exam() -> None:
    register()
    answered(text(PID, PV1, ORC, OBR, OTHER))
    filler = Order.objects.get(placer_order_number="PL1").filler_order_number

    asked = text(PID, f"ORC|HD|PL1^HIS|{filler}^RIS", OBR, OTHER, key="M2")

    assert answered(asked) == ["AA"]
    assert [status for _, status, _ in orders()] == ["ON_HOLD", "ON_HOLD"]


def test_exams_with_one_accession_number_are_one_order_and_their_numbers_are_told() -> None:
    register()
    first = obr(f2="PL1^HIS", f4="CTHEAD^CT head^L", f18="ACC1", f24="CT")
    second = obr(f2="PL2^HIS", f4="CTCHEST^CT chest^L", f18="ACC1", f24="CT")

    assert answered(text(PID, PV1, "ORC|NW|PL1^HIS", first, second)) == ["AA"]

    assert orders() == [("PL1", "ACTIVE", 2)]
    assert Order.objects.get().comments == "Number of this exam, as sent: PL2 (OBR-2)"
