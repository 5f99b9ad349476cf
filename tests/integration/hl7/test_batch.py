"""Batches and files of messages, taken apart, applied one by one and answered as a batch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.hl7.batch import answer, differences, file_difference, is_batch, take_apart
from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from ris.models import InboundMessage, Order
from tests import make
from tests.integration.hl7.messages import order

pytestmark = pytest.mark.usefixtures("accepting")

PEER = Peer("127.0.0.1", 50000, 2575, 1)
AT = datetime(2029, 3, 10, 9, tzinfo=UTC)
FHS = "FHS|^~\\&|HIS|GENERAL|RIS|RAD|20290310||||F1"
BHS = "BHS|^~\\&|HIS|GENERAL|RIS|RAD|20290310||||B1"


def message(number: int) -> str:
    """An order of its own for a patient of his own."""
    text = order(key=f"M{number}", more=())
    for mark in ("PL1^", "4711^", "V1^^^"):
        text = text.replace(mark, mark.replace("^", f"{number}^", 1))
    return text


def envelope(*parts: str) -> bytes:
    return "\r".join(part.rstrip("\r") for part in parts).encode() + b"\r"


def answered(frame: bytes) -> list[str]:
    reply = handle(frame, PEER)
    assert isinstance(reply, Reply)
    reply.sent(True)
    return [line for line in reply.payload.decode().split("\r") if line]


# --- applied --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_message_of_a_file_is_applied_and_answered_in_order() -> None:
    frame = envelope(FHS, BHS, message(1), message(2), "BTS|2", BHS, message(3), "BTS|1", "FTS|2")

    lines = answered(frame)

    assert [line[:3] for line in lines] == [
        "FHS", "BHS", "MSH", "MSA", "MSH", "MSA", "BTS", "BHS", "MSH", "MSA", "BTS", "FTS"
    ]  # fmt: skip
    assert [line for line in lines if line.startswith("MSA")] == [
        "MSA|AA|M1",
        "MSA|AA|M2",
        "MSA|AA|M3",
    ]
    assert lines[0].split("|")[2:6] == ["RIS", "RAD", "HIS", "GENERAL"]
    assert lines[0].split("|")[11] == "F1"
    assert lines[1].split("|")[11] == "B1"
    assert (lines[6], lines[10], lines[11]) == ("BTS|2", "BTS|1", "FTS|2")
    assert Order.objects.count() == 3
    assert {one.reply_state for one in InboundMessage.objects.all()} == {"SENT"}


@pytest.mark.django_db
def test_one_bad_message_does_not_stop_the_rest() -> None:
    bad = message(2).replace("PID|1||47112^^^HOSP^MR||Berg^Anna^Maria", "PID|1||||")

    lines = answered(envelope(BHS, message(1), bad, message(3), "BTS|3"))

    codes = [line.split("|")[1:3] for line in lines if line.startswith("MSA")]
    assert codes == [["AA", "M1"], ["AE", "M2"], ["AA", "M3"]]
    assert Order.objects.count() == 2
    assert InboundMessage.objects.filter(state="REJECTED").count() == 1


@pytest.mark.django_db
def test_the_same_batch_again_gets_the_same_answers_and_has_no_second_effect() -> None:
    frame = envelope(BHS, message(1), message(2), "BTS|2")
    first = answered(frame)

    again = answered(frame)

    assert [line for line in again if line[:3] in {"MSH", "MSA"}] == [
        line for line in first if line[:3] in {"MSH", "MSA"}
    ]
    assert Order.objects.count() == 2
    assert [one.repeats for one in InboundMessage.objects.order_by("id")] == [1, 1]


@pytest.mark.django_db
def test_a_batch_that_lost_a_message_is_told_so() -> None:
    make.device()

    lines = answered(envelope(FHS, BHS, message(1), "BTS|2", "FTS|3"))

    assert lines[-2:] == ["BTS|1|2 messages announced, 1 came", "FTS|1|3 batches announced, 1 came"]
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_text_outside_of_any_message_is_kept_and_told() -> None:
    lines = answered(envelope(BHS, "ZZZ|stray", message(1), "BTS|1"))

    assert lines[-1] == "BTS|1|text outside of any message"
    stray = InboundMessage.objects.get(message_type="unreadable")
    assert bytes(stray.raw) == b"ZZZ|stray\r"
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_an_empty_batch_is_answered_by_an_empty_one() -> None:
    assert [line[:3] for line in answered(envelope(FHS, BHS, "BTS|0", "FTS|1"))] == [
        "FHS",
        "BHS",
        "BTS",
        "FTS",
    ]
    assert not InboundMessage.objects.exists()


# --- taken apart ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"FHS|^~\\&|A\r", True),
        (b"\xef\xbb\xbfBHS|^~\\&|A\r", True),
        (b"\r\nBHS|^~\\&|A\r", True),
        (b"MSH|^~\\&|A\r", False),
        (b"", False),
    ],
)
def test_an_envelope_is_told_from_a_message(frame: bytes, expected: bool) -> None:
    assert is_batch(frame) is expected


def test_trailers_may_be_missing() -> None:
    batch = take_apart(envelope(FHS, BHS, message(1), BHS, message(2)))

    assert [len(group.messages) for group in batch.groups] == [1, 1]
    assert differences(batch) == ["", ""]
    assert file_difference(batch) == ""


def test_a_file_may_hold_messages_without_a_batch() -> None:
    batch = take_apart(envelope(FHS, message(1), message(2), "FTS|1"))

    assert [group.messages for group in batch.groups] == [
        [message(1).encode(), message(2).encode()]
    ]
    told = answer(batch, [[b"MSH|1\r", b"MSH|2\r"]], control_id="C", at=AT)
    assert [line[:3] for line in told.split(b"\r")] == [b"FHS", b"MSH", b"MSH", b"FTS", b""]


def test_delimiters_are_those_of_the_envelope() -> None:
    batch = take_apart(b"BHS#*~\\&#A#B#C#D#20290310####77\rBTS#0\r")

    told = answer(batch, [[]], control_id="C", at=AT)

    assert told == b"BHS#*~\\&#C#D#A#B#20290310090000+0000####C.1#77\rBTS#0\r"


def test_lines_may_end_as_on_any_system() -> None:
    frame = envelope(FHS, BHS, message(1), "BTS|1", "FTS|1").replace(b"\r", b"\r\n")

    assert take_apart(frame).groups[0].messages == [message(1).encode()]


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange_to_answer(noise: bytes) -> None:
    batch = take_apart(b"BHS|" + noise)

    told = answer(batch, [[] for _ in batch.groups], control_id="C", at=AT)

    assert told.startswith(b"BHS")


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=4))
def test_nothing_is_lost_or_moved(numbers: list[list[int]]) -> None:
    parts = [FHS]
    for group in numbers:
        parts += [BHS, *(message(number) for number in group), f"BTS|{len(group)}"]

    batch = take_apart(envelope(*parts, f"FTS|{len(numbers)}"))

    assert [group.messages for group in batch.groups] == [
        [message(number).encode() for number in group] for group in numbers
    ]
    assert not any(differences(batch))
