"""hl7apy's whole validator, in a process that bounds it."""

from __future__ import annotations

import pytest

from integration.hl7 import full_check, strict_child
from integration.hl7.full_check import check_fully
from ris.domain.errors import BusyError, InvalidValueError, UnsupportedError
from ris.domain.exchange import Protocol
from ris.services import peers
from tests.integration.hl7.messages import OBR, PID, PV1, order, text


def found(message: str) -> list[tuple[str, str, str]]:
    return [(each.path, each.level, each.text) for each in check_fully(message.encode())]


def test_a_good_order_is_good_although_hl7apy_wants_every_choice() -> None:
    assert found(order()) == []


def test_all_faults_are_told_with_their_places() -> None:
    message = text(
        PID.replace("19700503", "1970xx03").replace("|F", "|Q"),
        PV1,
        "OBX|1|NM|1^x^L||12||||||F",
        "OBX|2|NM|1^x^L||twelve||||||F",
        message_type="ADT^A08",
        version="2.5.1",
    )

    assert found(message) == [
        ("EVN", "error", "EVN is required in ADT_A01"),
        ("PID-7", "error", "1970xx03 is not an HL7 valid date value"),
        ("PID-8", "warning", "Q is not in table 0001"),
        ("OBX[2]-5", "error", "twelve is not an HL7 valid NM value"),
    ]


def test_a_segment_of_no_place_is_told_and_not_dropped_in_silence() -> None:
    message = order(more=("TXA|1|X|TX",))

    assert ("TXA", "error", "TXA is no segment of ORM_O01 in 2.3.1") in found(message)


def test_documents_and_deletions_are_no_faults() -> None:
    message = text(
        PID.replace("19700503", '""'),
        OBR,
        "OBX|1|ED|18748-4^Report^LN||^application^pdf^Base64^" + "QUJD" * 60_000 + "||||||F",
        "OBX|2|TX|18748-4^Report^LN||" + "long text " * 90 + "||||||F",
        message_type="ORU^R01",
    )
    assert [each for each in found(message) if each[0] != "OBR-4"] == []


def test_what_is_too_long_is_not_looked_at() -> None:
    message = text(*["NTE|1||" + "x" * 900] * 200, message_type="ADT^A08")

    with pytest.raises(InvalidValueError):
        check_fully(message.encode())


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_check, "_SECONDS", 0.01)

    with pytest.raises(BusyError):
        check_fully(order().encode())
    monkeypatch.undo()
    assert found(order()) == []


def test_one_message_is_looked_at_at_a_time() -> None:
    with full_check._one_at_a_time, pytest.raises(BusyError):
        check_fully(order().encode())


def test_the_pages_ask_by_protocol() -> None:
    assert peers.can_check(Protocol.HL7)
    assert peers.check_message(Protocol.HL7, order().encode()) == []
    with pytest.raises(UnsupportedError):
        peers.check_message(Protocol.FHIR, b"{}")


def test_the_limits_are_those_documented() -> None:
    assert (strict_child.CPU_SECONDS, strict_child.MAX_FINDINGS) == (10, 200)
