"""Whatever a peer answers is read, or said to be unreadable; nothing else happens."""

from __future__ import annotations

import random
import socket
from contextlib import closing

import pytest

from ris.domain.protocol import Result
from worklist.command_sets import (
    AFFECTED_SOP_CLASS_UID,
    COMMAND_FIELD,
    Response,
    command_set,
    has_dataset,
    read_response,
)
from worklist.dimse import CommandError
from worklist.requestor import CallError, Proposal, Target, _Line, _negotiated
from worklist.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

SEED = 20260302
STATUS, RESPONDED_TO, DATASET_TYPE, COMMENT, ERROR_ID = 0x0900, 0x0120, 0x0800, 0x0902, 0x0903
TARGET = Target(
    host="127.0.0.1", port=1, called="PACS", calling="RIS", associate_seconds=5, answer_seconds=5
)
# An A-ASSOCIATE-AC for Verification in Implicit VR, as PS3.8 9.3.3 writes it.
CONTEXT = b"\x01\x00\x00\x00" + b"\x40\x00\x00\x111.2.840.10008.1.2"
ANSWER = (
    b"\x00\x01\x00\x00" + b"PACS".ljust(16) + b"RIS".ljust(16) + bytes(32)
    + b"\x10\x00\x00\x151.2.840.10008.3.1.1.1"
    + b"\x21\x00" + len(CONTEXT).to_bytes(2, "big") + CONTEXT
    + b"\x50\x00\x00\x08\x51\x00\x00\x04\x00\x00\x40\x00"
)  # fmt: skip


def associate_ac(body: bytes = ANSWER) -> bytes:
    return b"\x02\x00" + len(body).to_bytes(4, "big") + body


def response(**more: int) -> bytes:
    fields: dict[int, int | str] = {
        AFFECTED_SOP_CLASS_UID: VERIFICATION,
        COMMAND_FIELD: 0x8030,
        RESPONDED_TO: 1,
        DATASET_TYPE: 0x0101,
        STATUS: 0,
    }
    return command_set({**fields, **{int(key, 16): value for key, value in more.items()}})


def with_element(number: int, value: bytes) -> bytes:
    head = b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little")
    return response() + head + value


def negotiate(answer: bytes) -> object:
    """What comes of a peer's answer to our A-ASSOCIATE-RQ."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        proposals = [Proposal(VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,))]
        return _negotiated(_Line(ours), TARGET, proposals).accepted


def mutations(good: bytes, count: int) -> list[bytes]:
    """Bytes changed, cut out and put in, the same in every run."""
    chance = random.Random(SEED)
    found = []
    for _ in range(count):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            match chance.randint(0, 2):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randint(1, 20)]
                case _:
                    data[place:place] = chance.randbytes(chance.randint(1, 20))
            data = data or bytearray(b"\0")
        found.append(bytes(data))
    return found


def test_a_response_is_read_with_what_explains_it() -> None:
    explained = read_response(with_element(COMMENT, b"not today "))[0]
    final = read_response(with_element(ERROR_ID, b"\x10\xa7"))[0]

    assert read_response(response()) == (Response(0), 1)
    assert explained.comment == "not today"
    assert final.error_id == 0xA710


def test_attributes_are_tags() -> None:
    raw = with_element(0x1005, b"\x40\x00\x52\x02\x10\x00\x20\x00\xff")

    assert read_response(raw)[0].attributes == (0x00400252, 0x00100020)


def test_whether_a_dataset_follows() -> None:
    assert not has_dataset(response())
    assert has_dataset(response(**{"0800": 1}))


@pytest.mark.parametrize("field", [0x0030, 0x0140])
def test_a_request_is_no_response(field: int) -> None:
    with pytest.raises(CommandError, match="asked something instead of answering"):
        read_response(response(**{"0100": field}))


def test_no_mutation_of_a_response_does_more_than_be_unreadable() -> None:
    outcomes = set()
    for raw in mutations(response(), 3_000):
        try:
            read_response(raw)
            outcomes.add("read")
        except CommandError:
            outcomes.add("unreadable")

    assert outcomes == {"read", "unreadable"}


def test_an_association_is_negotiated() -> None:
    (accepted,) = negotiate(associate_ac())  # type: ignore[misc]

    assert (accepted.context_id, accepted.transfer_syntax) == (1, IMPLICIT_VR_LITTLE_ENDIAN)


def test_no_mutation_of_an_association_answer_does_more_than_fail_the_call() -> None:
    outcomes = set()
    for body in mutations(ANSWER, 500):
        try:
            negotiate(associate_ac(body))
            outcomes.add("accepted")
        except CallError as error:
            outcomes.add(error.result.value)

    assert outcomes <= {"accepted", Result.TRANSIENT.value, Result.REFUSED.value}
    assert "TRANSIENT" in outcomes


def test_a_peer_that_agrees_to_tiny_pdus_only_is_not_talked_to() -> None:
    with pytest.raises(CallError, match="no PDU of a useful size") as failed:
        negotiate(associate_ac(ANSWER[:-4] + b"\x00\x00\x00\x08"))

    assert failed.value.result is Result.TRANSIENT
