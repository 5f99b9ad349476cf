"""Messages that are not served, or not as they are: refused with the code of their fault."""

from __future__ import annotations

import pytest

from integration.hl7.inbound import handle
from ris.models import InboundMessage, Order, Patient, ScheduledProcedureStep
from tests import make
from tests.integration.hl7.intake import PEER, answer, outcome, register
from tests.integration.hl7.messages import OBR, ORC, PID, order, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (order(message_type="XYZ^Z01"), ("AR", ["200 MSH^1^9"])),
        (order(message_type="ADT^A99"), ("AR", ["201 MSH^1^9"])),
        (order(version="3.0"), ("AR", ["203 MSH^1^12"])),
        (order(message_type=""), ("AE", ["101 MSH^1^9"])),
        (
            order(message_type="XYZ^Z01", version="3.0"),
            ("AR", ["203 MSH^1^12", "200 MSH^1^9^1^1"]),
        ),
        (order(key="K" * 250), ("AE", ["102 MSH^1^10"])),
        (order(pid=""), ("AE", ["101 PID^1"])),
    ],
    ids=["type", "event", "version", "no type", "both", "control id", "no patient"],
)
def test_what_is_not_served_is_refused_with_its_code(
    message: str, expected: tuple[str, list[str]]
) -> None:
    code, faults = outcome(message)

    assert code == expected[0]
    assert [fault.rstrip("^") for fault in faults] == expected[1]
    assert Order.objects.count() == 0
    assert InboundMessage.objects.get().state == "REJECTED"


def test_a_test_message_is_refused_by_a_production_system() -> None:
    register()
    message = order().replace("|P|2.3.1|", "|T|2.3.1|")

    assert outcome(message) == ("AR", ["202 MSH^1^11"])


def test_a_peer_may_be_restricted_to_some_messages() -> None:
    register(settings={"accepts": ["ADT^A08"]})

    assert outcome(order()) == ("AR", ["201 MSH^1^9"])


def test_what_a_feed_brings_along_and_nobody_needs_is_taken_and_left_alone() -> None:
    """Many engines stop at an AR, and a person would have to look at each of them."""
    register(settings={"ignores": ["ADT^A10", "ADT^A08", "DFT"]})

    for number, event in enumerate(("ADT^A10", "ADT^A08", "DFT^P03"), start=1):
        assert outcome(text(PID, message_type=event, key=f"M{number}")) == ("AA", [])
    assert outcome(text(PID, message_type="ADT^A62", key="M4")) == ("AR", ["201 MSH^1^9"])
    strange = text(PID, message_type="ADT^A10", key="M5", version="3.0")
    assert outcome(strange) == ("AR", ["203 MSH^1^12"])

    assert Patient.objects.count() == 0
    states = list(InboundMessage.objects.order_by("id").values_list("state", flat=True))
    assert states == ["APPLIED"] * 3 + ["REJECTED"] * 2


@pytest.mark.parametrize("level", ["off", "key", "tables"])
def test_nothing_of_a_second_message_in_a_frame_is_lost_behind_the_answer_to_the_first(
    level: str,
) -> None:
    register(settings={"validation": level})
    first = text(PID, message_type="ADT^A08", key="M1")

    assert outcome(first + text(ORC, OBR, key="M2")) == ("AE", ["102 MSH^2^"])
    assert Patient.objects.count() == 0


def test_strict_peers_are_held_to_the_standards_tables() -> None:
    lax = order(pv1="PV1|1", key="M1")
    assert outcome(lax)[0] == "AA"
    register(settings={"strict_tables": True})

    assert outcome(lax.replace("M1", "M2")) == ("AE", ["101 PV1^1^2"])


def test_bytes_outside_of_the_character_set_are_refused_with_their_place() -> None:
    raw = order(pid="PID|1||4711^^^HOSP||M?ller^Anna").encode().replace(b"?", b"\xfc")

    segments = answer(raw)

    assert segments[1].startswith("MSA|AE|M1|byte ")
    assert "PID^1^5^102&" in segments[2]
    assert Patient.objects.count() == 0
    assert bytes(InboundMessage.objects.get().raw) == raw


def test_latin_1_is_read_where_it_was_agreed() -> None:
    register(character_set="8859/1")
    raw = order(pid="PID|1||4711^^^HOSP||Müller^Anna").replace("UNICODE UTF-8", "")

    answer(raw.encode("latin-1"))

    assert Patient.objects.get().name == "Müller^Anna"


@pytest.mark.parametrize(
    "raw", [b"garbage", b"", b"MSH", b"MSH|^~\\&|A|B|C|D|2029||ORM^O01", b"\x00\x01\x02" * 50]
)
def test_what_cannot_be_answered_is_kept_and_the_connection_closed(raw: bytes) -> None:
    assert handle(raw, PEER) is None

    message = InboundMessage.objects.get()
    assert bytes(message.raw) == raw
    assert message.state == "REJECTED"


def test_times_are_in_the_offset_that_the_header_declares() -> None:
    make.device()

    answer(order().replace("20290310101500", "20290310101500+0900"))

    start = ScheduledProcedureStep.objects.get().start_at
    assert start is not None
    assert start.isoformat() == "2029-03-11T00:00:00+00:00"


def test_a_time_that_the_calendar_has_no_end_for_is_refused_with_its_place() -> None:
    make.device()
    never = "ORC|NW|PL1^HIS|||||^^M30^99991231235959^^R"

    assert outcome(order(orc=never)) == ("AE", ["102 ORC^1^7"])
    assert Order.objects.count() == 0


def test_numbers_that_are_too_long_are_told_with_every_other_fault() -> None:
    obr = "OBR|1|PL1^HIS||CTHEAD^CT head^L" + "|" * 14 + "|".join(["A" * 17, "P" * 17, "S" * 17])
    message = order(
        pid="PID|1||4711^^^HOSP||Berg^Anna||19701340|Q",
        orc="ORC|NW|PL1^HIS|||||^^^203002301000^^R",
        obr=obr,
        more=("ZDS|1.2.x",),
    )

    code, faults = outcome(message)

    assert code == "AE"
    assert sorted(faults) == [
        "102 OBR^1^18",
        "102 OBR^1^19",
        "102 OBR^1^20",
        "102 ORC^1^7",
        "102 PID^1^7",
        "102 ZDS^1^1",
        "103 PID^1^8",
    ]
    assert Order.objects.count() == 0
