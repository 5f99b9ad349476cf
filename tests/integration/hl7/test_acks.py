"""Acknowledgements: every outcome in every version, and reading what peers answer."""

from __future__ import annotations

from datetime import UTC, datetime

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from integration.hl7 import acks
from integration.hl7.acks import Fault
from integration.hl7.er7 import Header, Message
from ris.domain.errors import (
    BusyError,
    DeniedError,
    DuplicateKeyError,
    ErrorCode,
    InternalError,
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    SlotTakenError,
    StateConflictError,
    UnknownKeyError,
    UnsupportedError,
)

AT = datetime(2029, 3, 10, 9, 15, 0, tzinfo=UTC)


def header(version: str = "2.5.1", rest: str = "", message_type: str = "ORM^O01") -> Header:
    raw = f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|2029||{message_type}|MSG-1|P|{version}{rest}\r"
    read = Header.read(raw.encode())
    assert read is not None
    return read


def answer(error: RisError | None = None, version: str = "2.5.1", **options: object) -> list[str]:
    raw = acks.acknowledge(header(version), error, control_id="A1", at=AT, **options)  # type: ignore[arg-type]
    assert raw.endswith(b"\r")
    return raw.decode().rstrip("\r").split("\r")


# --- success ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "message_type"),
    [
        ("2.2", "ACK"),
        ("2.3", "ACK"),
        ("2.3.1", "ACK"),
        ("2.4", "ACK^O01^ACK"),
        ("2.5", "ACK^O01^ACK"),
        ("2.5.1", "ACK^O01^ACK"),
        ("2.7", "ACK^O01^ACK"),
        ("2.10", "ACK^O01^ACK"),
        ("", "ACK^O01^ACK"),
    ],
)
def test_success_goes_back_the_way_the_message_came(version: str, message_type: str) -> None:
    assert answer(version=version) == [
        f"MSH|^~\\&|RIS|RAD|HIS|GENERAL|20290310091500+0000||{message_type}|A1|P|{version}".rstrip("|"),
        "MSA|AA|MSG-1",
    ]  # fmt: skip


def test_delimiters_character_set_and_identifiers_are_those_of_the_sender() -> None:
    raw = (
        "MSH$%@!*$HIS%1.2%ISO$S\xfcd$RIS$RAD$2029$$ADT%A08%ADT_A01$a!T!b$T%A$2.5%DEU$7$$$$DEU$8859/1\r"
    ).encode("latin-1")
    sender = Header.read(raw)
    assert sender is not None

    reply = acks.acknowledge(sender, control_id="A1", at=AT)

    assert reply == (
        "MSH$%@!*$RIS$RAD$HIS%1.2%ISO$S\xfcd$20290310091500+0000$$ACK%A08%ACK$A1$T%A$2.5%DEU"
        "$$$$$$8859/1\rMSA$AA$a!T!b\r"
    ).encode("latin-1")


@pytest.mark.parametrize("delimiters", ["^~\\", "^\\&"])
def test_a_sender_without_subcomponents_is_told_the_code_alone_before_2_5(delimiters: str) -> None:
    sender = Header.read(f"MSH|{delimiters}|HIS|G|RIS|RAD|2029||ORM^O01|1|P|2.3.1\r".encode())
    assert sender is not None
    error = SeveralErrors([MissingValueError("a", path="PID-3"), MissingValueError("b")])

    reply = Message.from_bytes(acks.acknowledge(sender, error))

    assert [repeat.get(4) for repeat in reply.repeats("ERR-1")] == ["101", "101"]
    assert reply.get("ERR-1.1") == "PID"


def test_an_answer_of_an_application_needs_no_subcomponents_of_its_sender() -> None:
    sender = Header.read(b"MSH|^~\\|HIS|G|RIS|RAD|2029||ORM^O01|1|P|2.3.1\r")
    assert sender is not None

    raw = acks.acknowledge(sender, segments=[("ORC", "OK", ("1", ("A", "1.2", "ISO")))])

    assert raw.endswith(b"\rORC|OK|1^A&1.2&ISO\r")


def test_a_header_outside_of_its_character_set_is_echoed_byte_by_byte() -> None:
    sender = Header.read(b"MSH|^~\\&|H\xfcS|G|R|S|2029||ADT^A08|\xe9|P|2.5||||||UNICODE UTF-8\r")
    assert sender is not None

    reply = acks.acknowledge(sender, control_id="A1", at=AT)

    assert b"|R|S|H\xfcS|G|" in reply
    assert reply.endswith(b"MSA|AA|\xe9\r")


def test_every_answer_has_an_identifier_and_a_time_of_its_own() -> None:
    first, second = (Message.from_bytes(acks.acknowledge(header())) for _ in range(2))

    assert first.get("MSH-10") != second.get("MSH-10")
    assert len(first.get("MSH-10") or "") == 20
    assert len(first.get("MSH-7") or "") == 19


def test_the_answer_of_an_application_carries_its_segments() -> None:
    lines = answer(
        message_type=("ORR", "O02", "ORR_O02"),
        segments=[("ORC", "OK", ("PL1", "HIS"), ("F&1", "RIS"))],
    )

    assert lines[0].split("|")[8] == "ORR^O02^ORR_O02"
    assert lines[1:] == ["MSA|AA|MSG-1", "ORC|OK|PL1^HIS|F\\T\\1^RIS"]


# --- faults -------------------------------------------------------------------------------------

FAULTS = [
    (MissingValueError("PID-3 is required", path="PID-3.1"), "AE", "101", "PID^1^3^1^1"),
    (InvalidValueError("no such day", path="OBR[2]-27.4"), "AE", "102", "OBR^2^27^1^4"),
    (InvalidValueError("sex", path="PID-8", details={"table": "0001"}), "AE", "103", "PID^1^8"),
    (UnknownKeyError("no such order", path="ORC-2.1"), "AE", "204", "ORC^1^2^1^1"),
    (DuplicateKeyError("number in use", path="OBR-18"), "AE", "205", "OBR^1^18"),
    (StateConflictError("the step has started"), "AE", "207", ""),
    (SlotTakenError("taken", path="TQ1-7.1"), "AE", "207", "TQ1^1^7^1^1"),
    (BusyError("locked"), "AE", "206", ""),
    (DeniedError("not allowed", path="MSH-3"), "AR", "207", "MSH^1^3"),
    (UnsupportedError("no such message", path="MSH-9.1"), "AR", "200", "MSH^1^9^1^1"),
    (UnsupportedError("no such message", path="MSH-9"), "AR", "200", "MSH^1^9"),
    (UnsupportedError("no such event", path="MSH-9.2"), "AR", "201", "MSH^1^9^1^2"),
    (UnsupportedError("a test message", path="MSH-11.1"), "AR", "202", "MSH^1^11^1^1"),
    (UnsupportedError("version 9", path="MSH-12.1"), "AR", "203", "MSH^1^12^1^1"),
    (UnsupportedError("too long"), "AR", "200", ""),
    (InternalError("secret", details={"error_id": "e1"}), "AE", "207", ""),
]  # fmt: skip


@pytest.mark.parametrize(("error", "outcome", "code", "place"), FAULTS)
def test_each_fault_is_told_by_its_code_and_place(
    error: RisError, outcome: str, code: str, place: str
) -> None:
    _, msa, err = answer(error)

    assert msa.split("|")[1:3] == [outcome, "MSG-1"]
    fields = err.split("|")
    assert fields[2] == place
    assert fields[3] == f"{code}^{acks.TEXTS[code]}^HL70357"
    assert fields[4] == "E"
    assert fields[5].split("^")[0::2] == [error.code.value, "99RIS"]


def test_the_table_covers_every_code() -> None:
    assert set(acks.TABLE) == set(ErrorCode)
    assert {row.code for row in acks.TABLE.values()} <= set(acks.TEXTS)
    assert {type(error).code for error, *_ in FAULTS} == set(ErrorCode)


def test_several_faults_have_one_err_each_from_2_5_on() -> None:
    several = SeveralErrors(
        [
            MissingValueError("no identifier", path="PID-3.1"),
            SeveralErrors([InvalidValueError("not a time", path="OBR[2]-7"), BusyError("wait")]),
        ]
    )

    _, msa, *errs = answer(several)

    assert msa == "MSA|AE|MSG-1|no identifier"
    missing = "101^Required field missing^HL70357|E|missing-value^Missing value^99RIS"
    assert errs == [
        f"ERR||PID^1^3^1^1|{missing}|||no identifier",
        "ERR||OBR^2^7|102^Data type error^HL70357|E|invalid-value^Invalid value^99RIS|||not a time",
        "ERR|||206^Application record locked^HL70357|E|busy^Busy^99RIS|||wait",
    ]


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4"])
def test_several_faults_repeat_the_one_field_of_err_before_2_5(version: str) -> None:
    several = SeveralErrors(
        [MissingValueError("no identifier", path="PID-3.1"), BusyError("wait & see")]
    )

    _, msa, *errs = answer(several, version)

    assert msa == "MSA|AE|MSG-1|no identifier"
    missing = "101&Required field missing&HL70357&missing-value&no identifier&99RIS"
    locked = "206&Application record locked&HL70357&busy&wait \\T\\ see&99RIS"
    assert errs == [f"ERR|PID^1^3^{missing}~^^^{locked}"]


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_our_own_fault_is_told_by_its_reference_only(version: str) -> None:
    reply = acks.acknowledge(
        header(version), InternalError("KeyError: 'Miller'", details={"error_id": "e-4711"})
    )

    assert b"Miller" not in reply
    assert b"MSA|AE|MSG-1|Internal error, reference e-4711\r" in reply
    assert b"207" in reply


def test_long_texts_are_shortened_in_msa_only() -> None:
    _, msa, err = answer(InvalidValueError("x" * 100))

    assert msa == "MSA|AE|MSG-1|" + "x" * 77 + "..."
    assert err.endswith("x" * 100)


def test_the_text_of_msa_is_gone_in_2_7() -> None:
    assert answer(BusyError("wait"), "2.7")[1] == "MSA|AE|MSG-1"


def test_texts_hold_nothing_that_the_character_set_may_lack() -> None:
    lines = answer(InvalidValueError("not a name: 山\r|"))

    assert lines[1] == "MSA|AE|MSG-1|not a name: \\E\\u5c71\\.br\\\\F\\"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("PID", ["PID", "1"]),
        ("OBX[3]", ["OBX", "3"]),
        ("PID-3", ["PID", "1", "3"]),
        ("PID-3[2]", ["PID", "1", "3", "2"]),
        ("PID-3.4", ["PID", "1", "3", "1", "4"]),
        ("PID-3[2].4.1", ["PID", "1", "3", "2", "4", "1"]),
        ("OBX[3]-5", ["OBX", "3", "5"]),
        ("placer_order_number", []),
        ("", []),
    ],
)
def test_a_place_is_spelled_out_as_far_as_it_is_known(path: str, expected: list[str]) -> None:
    assert acks.location(path) == expected


# --- enhanced mode ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"), [(None, "CA"), (BusyError("wait"), "CE"), (DeniedError("no"), "CR")]
)
def test_accept_acknowledgements_have_codes_of_their_own(error: RisError | None, code: str) -> None:
    assert answer(error, accept=True)[1].split("|")[1] == code


@pytest.mark.parametrize(
    ("fields", "enhanced", "accept", "application"),
    [
        ("", False, (False, False), (False, False)),
        ("|||AL|NE", True, (True, True), (False, False)),
        ("|||NE|AL", True, (False, False), (True, True)),
        ("|||ER|SU", True, (False, True), (True, False)),
        ("|||AL", True, (True, True), (False, False)),
        ("||||AL", True, (False, False), (True, True)),
    ],
)
def test_the_header_says_which_answers_it_wants(
    fields: str, enhanced: bool, accept: tuple[bool, bool], application: tuple[bool, bool]
) -> None:
    sender = header(rest=fields)

    assert acks.is_enhanced(sender) is enhanced
    outcomes = (False, True)
    assert tuple(acks.accept_wanted(sender, failed=failed) for failed in outcomes) == accept
    assert (
        tuple(acks.application_wanted(sender, failed=failed) for failed in outcomes) == application
    )


# --- messages that cannot be read ---------------------------------------------------------------


def test_a_message_that_cannot_be_read_is_answered_from_its_header() -> None:
    raw = b"MSH|^~\\&|HIS|GENERAL|RIS|RAD|2029||ADT^A08|77|P|2.5.1\rPID|||\xff\r"
    with pytest.raises(InvalidValueError) as refused:
        Message.from_bytes(raw)

    reply = acks.acknowledge_raw(raw, refused.value)

    assert reply is not None
    assert Message.from_bytes(reply).get("MSA-1") == "AE"
    assert Message.from_bytes(reply).get("MSA-2") == "77"
    assert Message.from_bytes(reply).get("ERR-3") == "102"
    assert Message.from_bytes(reply).get("ERR-2.3") == "3"
    assert Message.from_bytes(reply).text("ERR-8") == "byte 60 (0xFF) is not ASCII"


def test_unusable_encoding_characters_are_answered_with_the_usual_ones() -> None:
    raw = b"MSH|^~\\&amp;|HIS|GENERAL|RIS|RAD|2029||ADT^A08|77|P|2.5.1\r"

    reply = acks.acknowledge_raw(raw, InvalidValueError("bad", path="MSH-2"))

    assert reply is not None
    assert reply.startswith(b"MSH|^~\\&|RIS|RAD|HIS|GENERAL|")
    assert b"\rMSA|AE|77|bad\r" in reply


@pytest.mark.parametrize(
    "raw", [b"", b"GET / HTTP/1.1", b"MSH|^~\\&|HIS|GENERAL||||||", b"\x00\xff"]
)
def test_what_has_no_identifier_gets_no_answer(raw: bytes) -> None:
    assert acks.acknowledge_raw(raw, UnsupportedError("no")) is None
    assert acks.crashed(raw, "e1") is None


def test_a_crash_is_answered_by_its_reference() -> None:
    reply = acks.crashed(b"MSH|^~\\&|HIS|G|R|S|2029||ADT^A08|77|P|2.5.1\r", "e-1")

    assert reply is not None
    message = Message.from_bytes(reply)
    assert (message.get("MSA-1"), message.get("ERR-3"), message.get("ERR-7")) == (
        "AE",
        "207",
        "e-1",
    )


# --- reading answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_own_answers_are_read_back(version: str) -> None:
    several = SeveralErrors(
        [MissingValueError("no identifier", path="PID-3.1"), BusyError("wait & see")]
    )
    ack = acks.read(acks.acknowledge(header(version), several))

    assert ack is not None
    assert (ack.code, ack.control_id, ack.accepted, ack.locked) == ("AE", "MSG-1", False, True)
    place = "PID^1^3" if version == "2.3.1" else "PID^1^3^1^1"
    assert ack.faults == (
        Fault("101", "no identifier", place),
        Fault("206", "wait & see", ""),
    )
    assert ack.reason == f"AE: no identifier; 101 {place}; 206 wait & see"


@pytest.mark.parametrize(
    ("code", "accepted"), [("AA", True), ("CA", True), ("AR", False), ("aa", True)]
)
def test_the_first_field_decides(code: str, accepted: bool) -> None:
    ack = acks.read(f"MSH|^~\\&|A\rMSA|{code}|1".encode())

    assert ack is not None
    assert ack.accepted is accepted
    assert ack.reason == code.upper()


def test_an_answer_that_breaks_its_character_set_still_counts() -> None:
    ack = acks.read(b"MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\rMSA|AE|1|Unbekannter Auftr\xe4ger\r")

    assert ack is not None
    assert (ack.code, ack.control_id, ack.text) == ("AE", "1", "Unbekannter Aufträger")


@pytest.mark.parametrize(
    "raw", [b"", b"\x06", b"MSH|^~\\&|A\rPID|1", b"MSH|^~\\&|A\rMSA||1", b"MSA|AA|1"]
)
def test_what_is_no_acknowledgement_is_none(raw: bytes) -> None:
    assert acks.read(raw) is None


# --- other readers ------------------------------------------------------------------------------


# Before 2.4 an acknowledgement names no structure for hl7apy to find.
@pytest.mark.parametrize("version", ["2.4", "2.5", "2.5.1"])
def test_hl7apy_finds_our_answers_valid(version: str) -> None:
    reply = acks.acknowledge(header(version), MissingValueError("no identifier", path="PID-3.1"))

    message = parse_message(reply.decode(), validation_level=VALIDATION_LEVEL.TOLERANT)

    assert message.validate()
    assert message.msa.msa_2.value == "MSG-1"


def test_python_hl7_reads_our_answers() -> None:
    reply = hl7.parse(answer_bytes().decode())

    assert reply.extract_field("MSA", 1, 1) == "AE"
    assert reply.extract_field("ERR", 1, 2, 1, 3) == "3"
    assert reply.extract_field("ERR", 1, 8) == "no & identifier"


def answer_bytes() -> bytes:
    return acks.acknowledge(header(), MissingValueError("no & identifier", path="PID-3.1"))
