"""How closely a message is looked at: off, key fields, tables; all faults at once."""

from __future__ import annotations

import pytest

from integration.hl7 import acks, validation
from integration.hl7.routes import ROUTES
from integration.hl7.settings import Settings
from ris.domain.errors import SeveralErrors
from tests.integration.hl7.messages import OBR, ORC, PID, order, read, text


def places(message: str, level: validation.Level = "key") -> list[str]:
    return [fault.path for fault in validation.faults(read(message), level)]


def test_a_good_order_lacks_nothing_at_any_level() -> None:
    for version in ("2.3.1", "2.5.1"):
        whole = order(version=version)
        assert [places(whole, level) for level in ("off", "key")] == [[], []]
    assert places(order(), "tables") == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (text(), ["ORC"]),
        (text(PID, OBR), ["ORC"]),
        (text(ORC, OBR), ["PID"]),
        (text("PID|1", "ORC|NW", "OBR|1|||CT"), ["ORC-2", "PID-3", "PID-5"]),
        (text(PID, "ORC||PL1", OBR, "ORC|CA"), ["ORC-1", "ORC[2]-2"]),
        (text(PID, "ORC|NW", OBR), []),  # the number stands in OBR-2 instead
        (text(PID, "ORC|NW", OBR, "ORC|NW", "OBR|2||F2|CT"), []),
        (text(PID, "ORC|NW|||G1", "OBR|1|||CT"), ["ORC-2"]),  # a group number names no order
        (text('PID|1||""||Berg^Anna', ORC, OBR), ["PID-3"]),
        (text("PID|1||4711", "ORC|CA|PL1"), []),  # MESA 101.188: nothing new is said
        (text("ORC|CA||F1"), []),
        (text("PID|1", message_type="ADT^A08"), ["PID-3"]),
        (text(message_type="SIU^S12"), ["SCH"]),
        (text(PID, message_type="ORU^R01"), ["OBR"]),
        (text(PID, "TXA|1", message_type="MDM^T02"), ["TXA-2", "TXA-12"]),
    ],
)
def test_key_fields_are_asked_for_with_their_places(message: str, expected: list[str]) -> None:
    assert sorted(places(message)) == sorted(expected)
    assert places(message, "off") == []


def test_the_tables_ask_for_more() -> None:
    message = order(pid="PID|1||4711||Berg^Anna||1970-05-03|F")

    assert places(message, "key") == []
    assert places(message, "tables") == ["PID-7.1"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "2.3.1",
            [
                "ERR|PID^1^3^101&Required field missing&HL70357",
                "PID^1^5^101&Required field missing&HL70357",
            ],
        ),
        ("2.5.1", ["ERR||PID^1^3|101", "ERR||PID^1^5|101"]),
    ],
)
def test_faults_are_told_in_the_form_of_the_version(version: str, expected: list[str]) -> None:
    message = read(order(pid="PID|1", version=version))
    faults = validation.faults(message, "key")

    answer = acks.acknowledge(message.header, SeveralErrors(faults)).decode()

    lines = [line for line in answer.split("\r") if line.startswith("ERR")]
    told = [repetition for line in lines for repetition in line.split("~")]
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected


def test_the_former_name_of_the_tables_still_counts() -> None:
    assert Settings().level == "key"
    assert Settings(strict_tables=True).level == "tables"
    assert Settings(validation="off").level == "off"


def test_every_message_that_is_served_is_known_here() -> None:
    replies = {"ORR", "ORG", "ORI"}  # about orders of ours; what they say is in MSA

    assert {code for code, _ in ROUTES} - replies <= validation.KEY_SEGMENTS.keys()
