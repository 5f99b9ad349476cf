"""What real ordering systems write where the standard has another place: none of it is lost."""

from __future__ import annotations

import pytest

from integration.hl7.routes import ROUTES
from ris.models import InboundMessage, Order
from tests import make
from tests.integration.hl7.intake import outcome, register
from tests.integration.hl7.messages import OBR, PID, PV1, ZDS, order, profile, read, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]

WISHED = "ORC|NW|PL1^HIS"  # no time of its own


def comments(message: str) -> list[str]:
    assert outcome(message) == ("AA", [])
    found: list[str] = Order.objects.latest("pk").comments.splitlines()
    return found


def test_the_answer_to_a_question_is_told_with_its_note() -> None:
    """OBX and the NTE behind it, as Epic sends the questions asked when an exam is ordered."""
    told = comments(
        order(
            orc=WISHED,
            more=(
                "OBX|1|ST|Q1^Any metal implants?||Yes",
                "NTE|1||pacemaker 2019, MR conditional",
                "NTE|2||card is with the patient",
                "OBX|2|CE|Q2^Claustrophobia||Y^Yes~S^Sedation wanted",
            ),
        )
    )

    assert told == [
        "Any metal implants?: Yes (pacemaker 2019, MR conditional; card is with the patient)",
        "Claustrophobia: Yes; Sedation wanted",
    ]


def test_the_note_to_a_measure_is_told_though_the_measure_has_a_field() -> None:
    told = comments(
        order(
            orc=WISHED,
            more=("OBX|1|NM|29463-7^Body weight^LN||82|kg", "NTE|1||as the patient says"),
        )
    )

    assert told == ["Body weight: as the patient says"]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("NTE|1||call the ward first", PID, PV1, WISHED, OBR), "call the ward first"),
        ((PID, PV1, "NTE|1||call the ward first", WISHED, OBR), "call the ward first"),
        ((PID, PV1, "AL1|1|DA|^Latex", "NTE|1||only gloves", WISHED, OBR), "only gloves"),
        ((PID, PV1, "ZPV|1", "NTE|1||call the ward first", WISHED, OBR), "call the ward first"),
        ((PID, PV1, WISHED, "NTE|1||call the ward first", OBR), "call the ward first"),
        (
            (PID, PV1, WISHED, OBR, "DG1|1||R10^Pain^I10", "NTE|1||since Monday"),
            "since Monday",
        ),
        ((PID, PV1, WISHED, OBR, "ZDS|1.2.3^a^b^c", "NTE|1||call first"), "call first"),
    ],
    ids=["header", "visit", "allergy", "own segment", "order", "diagnosis", "behind the UID"],
)
def test_a_note_is_told_wherever_it_stands(segments: tuple[str, ...], expected: str) -> None:
    assert expected in comments(text(*segments))


def test_a_note_about_the_patient_is_not_told_with_the_order_too() -> None:
    assert comments(text(PID, "NTE|1||afraid of needles", PV1, WISHED, OBR)) == []


def test_times_that_disagree_are_told_beside_the_one_that_counts() -> None:
    make.device()
    told = comments(
        text(
            PID,
            PV1,
            "ORC|NW|PL1^HIS|||||^^^20290312090000^^R",
            "TQ1|1||||||20290313090000||R",
            "OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 20 + "CT|||^^^20290314090000^^R",
            message_type="OMG^O19^OMG_O19",
            version="2.5.1",
        )
    )

    assert told == ["Wanted also at 20290312090000", "Wanted also at 20290314090000"]


def test_the_same_time_in_two_places_and_zones_is_one() -> None:
    make.device()
    told = comments(
        text(
            PID,
            PV1,
            "ORC|NW|PL1^HIS|||||^^^20290312090000+0000^^R",
            "OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 20 + "CT|||^^^20290312100000+0100^^R",
        )
    )

    assert told == []


def test_the_second_time_of_a_repeated_timing_is_told() -> None:
    make.device()
    timing = "^^^20290312090000^^R~^^^20290319090000^^R"

    assert comments(order(orc=f"ORC|NW|PL1^HIS|||||{timing}")) == ["Wanted also at 20290319090000"]


def test_an_exam_that_is_named_by_its_original_text_alone_is_named() -> None:
    """CWE.9, where the sender's catalog has no code for what a doctor typed."""
    asked = "OBR|1|PL1^HIS||^^^^^^^^MRI of the left knee" + "|" * 20 + "MR"

    assert outcome(order(orc=WISHED, obr=asked, more=(ZDS,), version="2.6")) == ("AA", [])

    procedure = Order.objects.get().procedures.get()
    assert (procedure.code_value, procedure.code_meaning) == ("", "MRI of the left knee")


@pytest.mark.parametrize("version", ["2.1", "2.3"])
def test_a_message_type_that_has_one_event_needs_no_event(version: str) -> None:
    """Before 2.2 MSH-9 had no second component."""
    assert outcome(order(message_type="ORM", version=version)) == ("AA", [])

    assert InboundMessage.objects.get().message_type == "ORM^O01"


@pytest.mark.parametrize(
    ("status", "expected"), [("X", "CANCELED"), ("S", "WAITING"), ("F", "WAITING")]
)
def test_another_filler_may_say_its_status_in_the_obr_alone(status: str, expected: str) -> None:
    """ORC-1 SC without ORC-5, as Meditech sends it."""
    register(settings={"other_filler": True})
    assert outcome(order(orc=WISHED, key="M1")) == ("AA", [])
    before = Order.objects.get().status
    told = order(
        orc="ORC|SC|PL1^HIS",
        obr="OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 21 + status,
        more=(),
        key="M2",
    )

    assert outcome(told) == ("AA", [])

    assert Order.objects.get().status == ("CANCELED" if expected == "CANCELED" else before)


def test_a_second_exam_in_one_obr_is_not_lost() -> None:
    """OBR-4 does not repeat; who repeats it means two exams, of which one OBR can order one."""
    asked = "OBR|1|PL1^HIS||CTHEAD^CT head^L~CTCHEST^CT chest^L" + "|" * 20 + "CT"

    assert comments(order(orc=WISHED, obr=asked)) == ["Named in OBR-4 as well: CT chest (CTCHEST)"]
    assert Order.objects.get().procedures.get().code_value == "CTHEAD"


def test_lines_of_a_report_without_their_type_are_its_text() -> None:
    """OBX-2 left out: short texts are not taken for results, nor lost where nothing names them."""
    told = text(
        PID,
        "OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 21 + "F",
        "OBX|1||GDT||No bleeding.||||||F",
        "OBX|2||IMP||Normal.||||||F",
        "OBX|3||||Thank you.||||||F",
        "OBX|4||9279-1^Respiratory rate^LN||16|/min|||||F",
        message_type="ORU^R01",
    )

    (filed,) = ROUTES["ORU", "R01"].translate(read(told), profile())[0].commands

    assert filed.sections["impression"] == "Normal."
    assert "No bleeding." in filed.sections["findings"]
    assert "Thank you." in "\n".join(filed.sections.values())
    assert [(each.code.value, each.value) for each in filed.observations] == [("9279-1", "16")]
