"""Messages in parts: joined when the last one comes, never taken for whole (HL7 v2.5.1 2.10.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.hl7 import continuation
from integration.hl7.er7 import Header
from integration.hl7.inbound import handle
from integration.hl7.server import Reply
from ris.domain.actors import OPERATOR
from ris.domain.errors import RisError
from ris.domain.exchange import ReplayMessage
from ris.models import InboundMessage, MessagePart, Order
from ris.services import deferred, execute, parts
from tests.integration.hl7.intake import PEER, register
from tests.integration.hl7.messages import OBR, ORC, PID, PV1, ZDS

database = pytest.mark.django_db


def part(key: str, *segments: str, goes_on_from: str = "", goes_on_at: str = "") -> bytes:
    head = (
        f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|20290310101500||ORM^O01|{key}|P|2.3.1"
        f"||{goes_on_from}||||UNICODE UTF-8"
    )
    end = [f"DSC|{goes_on_at}|F"] if goes_on_at else []
    return "\r".join((head, *segments, *end, "")).encode()


FIRST = part("1", PID, PV1, ORC, goes_on_at="P1")
LAST = part("2", OBR, ZDS, goes_on_from="P1")


def told(raw: bytes) -> str:
    reply = handle(raw, PEER)
    assert isinstance(reply, Reply)
    return reply.payload.decode().split("\r")[1]


# --- joining ------------------------------------------------------------------------------------


def read(raw: bytes) -> continuation.Part:
    header = Header.read(raw)
    assert header is not None
    return continuation.part_of(raw, header)


def test_a_part_says_what_it_goes_on_from_and_where_it_goes_on() -> None:
    assert read(FIRST) == continuation.Part("", "P1")
    assert read(LAST) == continuation.Part("P1", "")
    assert read(part("2", OBR, goes_on_from="P1", goes_on_at="P2")) == continuation.Part("P1", "P2")
    assert read(part("1", PID, "DSC|")).is_whole
    assert read(part("1", "NTE|1||DSC|P1")).is_whole


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (part("1", PID, "DSC|P1|I"), "DSC-2"),
        (part("1", PID, goes_on_at="P" * 181), "DSC-1"),
        (part("1", PID, goes_on_from="P1", goes_on_at="P1"), "DSC-1"),
        (part("1", PID, goes_on_from="P1").decode().encode("utf-16"), "MSH-14"),
    ],
)
def test_a_part_that_cannot_be_joined_is_refused(raw: bytes, path: str) -> None:
    with pytest.raises(RisError) as refused:
        read(raw)

    assert refused.value.path == path


def test_a_segment_that_was_cut_goes_on_in_add() -> None:
    first = part("1", "OBX|1|TX|R||The first", "ADD|", goes_on_at="P1")
    middle = part("2", "ADD| and the", goes_on_from="P1", goes_on_at="P2")
    last = part("3", "ADD| last words||||||F", "NTE|1||whole", goes_on_from="P2")

    whole = continuation.join([first, middle, last])

    assert whole.split(b"\r")[1:] == [
        b"OBX|1|TX|R||The first and the last words||||||F", b"NTE|1||whole", b"",
    ]  # fmt: skip
    assert whole.split(b"\r")[0] == first.split(b"\r")[0]


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), min_size=1, max_size=4),
)
@settings(max_examples=25, deadline=None)
def test_however_a_message_is_cut_it_is_joined_again(text: str, cuts: list[int]) -> None:
    raw = f"NTE|1||{text}".encode()
    places = sorted({min(7 + cut, len(raw)) for cut in cuts})
    pieces = [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]
    made = []
    for number, piece in enumerate(pieces):
        head = part(str(number), goes_on_from=f"P{number}" if number else "")
        end = f"DSC|P{number + 1}|F\r".encode() if number < len(pieces) - 1 else b""
        made.append(head + (b"ADD|" if number else b"") + piece + b"\r" + end)

    assert continuation.join(made) == part("0") + raw + b"\r"


# --- from the wire to the order -----------------------------------------------------------------


@database
def test_a_message_in_parts_is_applied_when_it_is_whole() -> None:
    register()

    assert told(FIRST) == "MSA|AA|1"
    waiting = InboundMessage.objects.get()
    assert (waiting.state, waiting.outcome, Order.objects.count()) == ("RECEIVED", "AA", 0)
    assert deferred.apply_stored() == 0
    assert told(LAST) == "MSA|AA|2"

    assert Order.objects.get().placer_order_number == "PL1"
    states = InboundMessage.objects.order_by("pk").values_list("key", "state")
    assert list(states) == [("1", "APPLIED"), ("2", "APPLIED")]
    assert MessagePart.objects.count() == 0


@database
def test_many_parts_are_joined_in_their_order() -> None:
    register()

    assert told(part("1", PID, goes_on_at="A")) == "MSA|AA|1"
    assert told(part("2", PV1, goes_on_from="A", goes_on_at="B")) == "MSA|AA|2"
    assert told(part("3", ORC, goes_on_from="B", goes_on_at="C")) == "MSA|AA|3"
    assert told(part("4", OBR, ZDS, goes_on_from="C")) == "MSA|AA|4"

    assert Order.objects.get().visit is not None


@database
def test_a_part_that_comes_twice_is_one_part() -> None:
    register()

    assert [told(FIRST), told(FIRST), told(LAST), told(LAST)] == [
        "MSA|AA|1", "MSA|AA|1", "MSA|AA|2", "MSA|AA|2",
    ]  # fmt: skip
    assert Order.objects.count() == 1


@database
def test_a_rest_without_its_beginning_is_refused() -> None:
    register()

    assert told(LAST) == "MSA|AE|2|what this part goes on from is not here"
    assert Order.objects.count() == 0
    # The parts of one sender are nothing to another.
    told(FIRST.replace(b"HIS|GENERAL", b"LAB|GENERAL"))
    assert told(LAST.replace(b"|2|P|", b"|3|P|")).startswith("MSA|AE|3")


@database
def test_a_peer_whose_parts_are_not_taken_is_told_so() -> None:
    register(settings={"continuation_minutes": 0})

    assert told(FIRST) == "MSA|AR|1|messages in parts are not taken here"
    assert told(LAST) == "MSA|AR|2|messages in parts are not taken here"


@database
def test_parts_whose_rest_does_not_come_are_found_among_the_exceptions() -> None:
    register(settings={"continuation_minutes": 10})
    began = datetime(2029, 3, 10, 9, 0, tzinfo=UTC)
    with time_machine.travel(began, tick=False):
        told(FIRST)
        assert (parts.is_late(), parts.give_up_late()) == (False, 0)

    with time_machine.travel(began + timedelta(minutes=11), tick=False):
        assert told(LAST).startswith("MSA|AE|2")
        assert (parts.is_late(), parts.give_up_late(), parts.is_late()) == (True, 1, False)

    first = InboundMessage.objects.get(key="1")
    assert (first.state, first.error) == ("REJECTED", parts.NOT_COMPLETE)
    assert InboundMessage.objects.get(key="2").error_path == "MSH-14"

    # Whoever looks after it may still have the last part applied.
    last = InboundMessage.objects.get(key="2")
    execute(ReplayMessage(message=str(last.public_id), reason="slow sender"), actor=OPERATOR)
    assert Order.objects.count() == 1
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {"APPLIED"}


@database
def test_a_whole_that_is_refused_may_be_applied_once_its_cause_is_mended() -> None:
    register(settings={"strict_catalog": True})
    told(FIRST)
    assert told(LAST).startswith("MSA|AE|2")
    assert MessagePart.objects.count() == 1
    register()

    last = InboundMessage.objects.get(key="2")
    execute(ReplayMessage(message=str(last.public_id), reason="now known"), actor=OPERATOR)

    assert Order.objects.count() == 1


@database
def test_parts_of_a_strict_peer_are_stored_and_the_whole_is_applied_later() -> None:
    register(settings={"acknowledge_after": "stored"})

    assert [told(FIRST), told(LAST)] == ["MSA|AA|1", "MSA|AA|2"]
    assert Order.objects.count() == 0

    assert deferred.apply_stored() == 1
    assert Order.objects.count() == 1
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {"APPLIED"}
