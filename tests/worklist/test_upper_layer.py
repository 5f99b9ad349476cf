"""The parts of the upper layer that need no socket: settings, PDUs, negotiation, messages, pool."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dimse_messages import C_FIND_RSP, N_SET_RSP
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import P_DATA
from structlog.testing import capture_logs

from tests.wire.dicom_peer import (
    C_FIND,
    IDENTIFIER,
    IMPLICIT,
    MPPS,
    N_GET,
    N_SET,
    WORKLIST,
    associate_rq,
    command,
    context,
    item,
    value,
)
from tests.wire.dicom_service import Handlers, Rows
from worklist.admission import Caller, Decision, Gatekeeper
from worklist.assembly import Assembler
from worklist.association import plain_address
from worklist.config import Deadlines, Limits, ListenerConfig, Tls
from worklist.dimse import CommandError, Reply, read_command
from worklist.exchange import Exchange
from worklist.negotiation import Agreement, Context, Negotiator, ae_titles
from worklist.pdu import AbortReason, PduError, data_frames, data_values, fragment_bytes
from worklist.pool import WorkerPool
from worklist.service import (
    Admission,
    Association,
    AssociationRequest,
    FindAnswer,
    Outcome,
    Rejection,
)
from worklist.sop_classes import SOP_CLASSES, SopClass

UID = "1.2.826.0.1.3680043.2.1"
WORKLIST_CLASS: SopClass = next(row for row in SOP_CLASSES if row.uid == WORKLIST)


# Settings


def test_the_defaults_are_the_documented_ones() -> None:
    config = ListenerConfig()

    assert (config.host, config.port, config.ae_title) == ("127.0.0.1", 11112, "RIS")
    assert (config.limits.associations, config.limits.associations_per_address) == (2_000, 64)
    assert config.limits.associations_per_ae_title == 32
    assert config.limits.pdu_bytes == 128 * 1024
    assert (config.deadlines.associate, config.deadlines.pdu) == (5.0, 10.0)
    assert (config.deadlines.idle, config.deadlines.idle_holding) == (60.0, 600.0)
    assert config.backlog == 512


@pytest.mark.parametrize(
    "make",
    [
        lambda: ListenerConfig(ae_title=""),
        lambda: ListenerConfig(ae_title="    "),
        lambda: ListenerConfig(ae_title="A" * 17),
        lambda: ListenerConfig(ae_title="A\\B"),
        lambda: ListenerConfig(implementation_version_name="V" * 17),
        lambda: ListenerConfig(plain=False),
        lambda: ListenerConfig(threads=0),
        lambda: Limits(associations=0),
        lambda: Limits(pdu_bytes=4_000),
        lambda: Deadlines(idle=0),
        lambda: Tls(port=1, certificate=Path(), key=Path(), require_client_certificate=True),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()


@pytest.mark.parametrize(
    ("host", "plain"),
    [("::ffff:10.0.0.7", "10.0.0.7"), ("fe80::1%eth0", "fe80::1"), ("10.0.0.7", "10.0.0.7")],
)
def test_addresses_are_kept_as_devices_are_registered(host: str, plain: str) -> None:
    assert plain_address(host) == plain


# PDUs


@given(
    st.binary(max_size=400),
    st.integers(min_value=10, max_value=100).map(lambda half: 2 * half),
    st.booleans(),
)
def test_fragments_join_to_what_was_cut(raw: bytes, fragment: int, is_command: bool) -> None:
    frames = data_frames(3, raw, fragment, command=is_command)

    parts, pos = [], 0
    while pos < len(frames):
        kind, length = struct.unpack_from(">BxL", frames, pos)
        assert kind == 4
        assert length <= fragment + 6
        parts += data_values(frames, pos, pos + 6 + length)
        pos += 6 + length
    assert b"".join(data for *_, data in parts) == raw
    assert {(number, kind) for number, kind, *_ in parts} == {(3, is_command)}
    assert [is_last for _, _, is_last, _ in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize(
    ("peer", "fragment"), [(16_384, 16_378), (0, 131_066), (1 << 30, 131_066), (16_383, 16_376)]
)
def test_fragments_fit_the_peers_maximum_and_are_even(peer: int, fragment: int) -> None:
    assert fragment_bytes(peer, 128 * 1024) == fragment


# Command sets


def test_a_find_request_is_read() -> None:
    found = read_command(command(C_FIND, 7, sop_class=WORKLIST, has_dataset=True))

    assert (found.field, found.message_id, found.has_dataset) == (C_FIND, 7, True)
    assert found.sop_class_uid == WORKLIST


def test_a_get_request_is_read_with_its_list() -> None:
    raw = command(N_GET, 9, sop_class=MPPS, instance=UID, tags=(0x00400252, 0x00080060))
    found = read_command(raw)

    assert found.sop_class_uid == MPPS
    assert found.sop_instance_uid == UID
    assert found.attribute_identifiers == (0x00400252, 0x00080060)
    assert not found.has_dataset


@given(st.binary(max_size=60), st.integers(0, 60))
@example(command(C_FIND, 7)[:-1], 0)
@example(command(N_GET, 7) + b"\0\0\x05\x10\2\0\0\0AB", 0)
def test_a_command_set_is_read_or_refused(noise: bytes, cut: int) -> None:
    whole = command(C_FIND, 7, sop_class=WORKLIST, has_dataset=True)
    for raw in (noise, whole[:cut] + noise, whole + noise):
        try:
            read_command(raw)
        except CommandError:
            continue


def decoded(frames: bytes, response: Any) -> Any:
    """What pynetdicom reads from the frames of a response."""
    pos = 0
    while pos < len(frames):
        (length,) = struct.unpack_from(">xxL", frames, pos)
        primitive = P_DATA()
        for number, is_command, is_last, data in data_values(frames, pos, pos + 6 + length):
            control = bytes((is_command | is_last << 1,))
            primitive.presentation_data_value_list.append([number, control + data])
        response.decode_msg(primitive)
        pos += 6 + length
    return response.message_to_primitive()


def test_a_find_response_is_what_pynetdicom_reads() -> None:
    reply = Reply(1, C_FIND, 7, WORKLIST, "", 100)
    outcome = Outcome(0xA900, "not a date", offending_elements=(0x00400002,), error_id=5)

    read = decoded(reply.final(outcome), C_FIND_RSP())

    assert (read.Status, read.MessageIDBeingRespondedTo) == (0xA900, 7)
    assert read.AffectedSOPClassUID == WORKLIST
    assert (read.ErrorComment, read.OffendingElement) == ("not a date", 0x00400002)


def test_a_set_response_is_what_pynetdicom_reads() -> None:
    reply = Reply(1, N_SET, 65_535, MPPS, UID, 20)
    outcome = Outcome(
        0x0106,
        "no such status",
        error_id=0xA710,
        attribute_identifiers=(0x00400252, 0x00400250),
        dataset=IDENTIFIER,
    )

    read = decoded(reply.final(outcome), N_SET_RSP())

    assert (read.Status, read.MessageIDBeingRespondedTo) == (0x0106, 65_535)
    assert (read.AffectedSOPClassUID, read.AffectedSOPInstanceUID) == (MPPS, UID)
    assert (read.ErrorComment, read.ErrorID) == ("no such status", 0xA710)
    assert list(read.AttributeIdentifierList) == [0x00400252, 0x00400250]
    assert read.AttributeList.getvalue() == IDENTIFIER


# Negotiation


def negotiated(raw: bytes, **options: Any) -> Agreement:
    found = Negotiator(ListenerConfig(**options)).negotiate(raw)
    assert isinstance(found, Agreement)
    return found


def test_the_same_request_is_decoded_once_its_sender_was_let_in() -> None:
    negotiator = Negotiator(ListenerConfig())
    raw = associate_rq(context(1, WORKLIST))

    first = negotiator.negotiate(raw)
    assert negotiator.negotiate(raw) is not first
    assert isinstance(first, Agreement)
    negotiator.remember(raw, first)
    assert negotiator.negotiate(raw) is first


def test_a_request_with_a_secret_is_never_kept() -> None:
    negotiator = Negotiator(ListenerConfig())
    secret = item(0x58, b"\2\1\0\3ct1\0\6secret")
    raw = associate_rq(user_items=secret)

    first = negotiator.negotiate(raw)
    assert isinstance(first, Agreement)
    assert first.identity is not None
    assert (first.identity.primary, first.identity.secondary) == (b"ct1", b"secret")
    negotiator.remember(raw, first)
    assert negotiator.negotiate(raw) is not first


def test_the_store_of_requests_stays_small() -> None:
    negotiator = Negotiator(ListenerConfig())
    for number in range(300):
        raw = associate_rq(calling=f"CT{number}")
        agreement = negotiator.negotiate(raw)
        assert isinstance(agreement, Agreement)
        negotiator.remember(raw, agreement)
    assert len(negotiator._agreements) == 256


def test_the_contexts_of_an_agreement_are_those_of_its_answer() -> None:
    agreement = negotiated(
        associate_rq(context(1, WORKLIST), context(3, "1.2.3"), context(5, MPPS), maximum=0)
    )
    answer = A_ASSOCIATE_AC()
    answer.decode(agreement.answer)

    assert {cx.context_id: cx.result for cx in answer.presentation_context} == {1: 0, 3: 3, 5: 0}
    assert set(agreement.contexts) == {1, 5}
    assert agreement.contexts[1] == Context(1, WORKLIST_CLASS, IMPLICIT)
    assert agreement.holds
    assert agreement.peer_maximum == 0
    assert agreement.abstract_syntaxes == (WORKLIST, "1.2.3", MPPS)
    assert agreement.implementation_class_uid == "1.2.3.4"


def test_performed_steps_are_not_held_open_for_a_query() -> None:
    assert not negotiated(associate_rq(context(1, WORKLIST))).holds


@pytest.mark.parametrize(
    ("proposed", "accepted", "answered"),
    [
        ((1, 0), True, (1, 0)),
        ((1, 1), True, (1, 0)),
        ((0, 1), False, None),
        ((0, 0), False, None),
    ],
)
def test_the_requestor_may_be_user_but_not_provider(
    proposed: tuple[int, int], accepted: bool, answered: tuple[int, int] | None
) -> None:
    role = struct.pack(">H", len(MPPS)) + MPPS.encode() + bytes(proposed)
    agreement = negotiated(associate_rq(context(1, MPPS), user_items=item(0x54, role)))
    answer = A_ASSOCIATE_AC()
    answer.decode(agreement.answer)
    roles = answer.user_information.role_selection

    assert (1 in agreement.contexts) is accepted
    assert {(found.scu, found.scp) for found in roles.values()} == (
        {answered} if answered else set()
    )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_request_is_agreed_rejected_or_refused(data: st.DataObject) -> None:
    raw = bytearray(
        associate_rq(
            context(1, WORKLIST),
            context(3, MPPS, IMPLICIT, "1.2.840.10008.1.2.1"),
            user_items=item(0x54, struct.pack(">H", len(MPPS)) + MPPS.encode() + b"\1\0")
            + item(0x53, b"\0\1\0\1")
            + item(0x58, b"\1\0\0\3ct1\0\0"),
        )
    )
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(6, len(raw) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(74, len(raw) - 1)) :]
    try:
        ae_titles(bytes(raw))
        found: object = Negotiator(ListenerConfig()).negotiate(bytes(raw))
    except PduError as error:
        found = error.reason
    assert isinstance(found, Agreement | Rejection) or found is AbortReason.INVALID_PARAMETER


def test_the_gatekeeper_tells_the_service_all_it_knows() -> None:
    handlers = Handlers()
    gatekeeper = Gatekeeper(handlers, Negotiator(ListenerConfig()))
    raw = associate_rq(context(1, WORKLIST), calling="CT1", called="RIS")

    decision = gatekeeper.decide(raw, ("CT1", "RIS"), Caller("10.0.0.7", 4711, False, None))

    assert isinstance(decision, Decision)
    assert decision.admission == Admission(peer="CT1")
    assert handlers.callers == [
        AssociationRequest(
            "CT1",
            "RIS",
            "10.0.0.7",
            4711,
            abstract_syntaxes=(WORKLIST,),
            implementation_class_uid="1.2.3.4",
        )
    ]


# Messages and exchanges


def assembler() -> Assembler:
    small = replace(WORKLIST_CLASS, dataset_bytes=100)
    return Assembler({1: Context(1, small, IMPLICIT)}, command_bytes=1_000)


def test_a_message_is_begun_until_its_dataset_ended() -> None:
    found = assembler()
    commands = command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)
    first = b"\0" * 6 + value(1, commands, is_command=True)
    second = b"\0" * 6 + value(1, IDENTIFIER, is_command=False)

    assert not found.is_begun
    assert list(found.receive(first, 0, len(first))) == []
    assert found.is_begun
    ((_, read, dataset),) = found.receive(second, 0, len(second))
    assert not found.is_begun
    assert (read.message_id, dataset) == (1, IDENTIFIER)


def test_a_dataset_of_just_the_limit_passes_and_one_byte_more_does_not() -> None:
    commands = command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)
    for size, fits in ((100, True), (101, False)):
        raw = b"\0" * 6 + value(1, commands, is_command=True)
        raw += value(1, b"X" * size, is_command=False)
        found = assembler().receive(raw, 0, len(raw))
        if fits:
            assert len(list(found)) == 1
        else:
            with pytest.raises(PduError, match="too long"):
                list(found)


def exchange(handlers: Handlers, *, write_bytes: int = 1_000) -> Exchange:
    association = Association(1, AssociationRequest("CT1", "RIS", "10.0.0.7"))
    return Exchange(
        handlers,
        association,
        Context(1, WORKLIST_CLASS, ImplicitVRLittleEndian),
        read_command(command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)),
        IDENTIFIER,
        fragment=16_378,
        write_bytes=write_bytes,
    )


def test_rows_are_drawn_a_page_at_a_time() -> None:
    handlers, rows = Handlers(), Rows(b"X" * 300, count=5)
    handlers.c_find = lambda _: FindAnswer(rows)
    running = exchange(handlers)

    drawn = []
    done = False
    while not done:
        _, done = running.step()
        drawn.append(rows.drawn)

    assert drawn == [3, 5]
    assert rows.closed.is_set()


def test_a_row_that_is_no_bytes_ends_in_an_answer() -> None:
    handlers = Handlers()
    handlers.c_find = lambda _: FindAnswer([b"XX", None])  # type: ignore[list-item]

    frames, done = exchange(handlers).step()

    assert done
    assert b"internal error, reference " in frames
    assert struct.pack("<HHLH", 0, 0x0900, 2, 0xC000) in frames


def test_a_generator_that_fails_when_closed_harms_nobody() -> None:
    def stubborn() -> Iterator[bytes]:
        try:
            while True:
                yield b"X" * 2_000
        finally:
            raise OSError("the cursor is gone")

    handlers = Handlers()
    handlers.c_find = lambda _: FindAnswer(stubborn())
    running = exchange(handlers)
    assert running.step()[1] is False
    running.stopped = True

    assert running.step() == (b"", True)


def test_the_log_of_a_fault_has_the_place_but_no_patient() -> None:
    name = "Doe^John"

    def fail(_: object) -> FindAnswer:
        raise ValueError(f"no such person: {name}")

    handlers = Handlers()
    handlers.c_find = fail

    with capture_logs() as logs:
        frames, _ = exchange(handlers).step()

    shown = [entry for entry in logs if entry["log_level"] != "debug"]
    assert len(shown) == 1
    assert shown[0]["error"] == "ValueError"
    assert "in fail" in shown[0]["traceback"]
    assert shown[0]["reference"].encode() in frames
    assert "Doe" not in str(shown)
    assert b"Doe" not in frames


# The pool


def test_the_pool_survives_work_that_raises() -> None:
    pool = WorkerPool(1, "test")
    done = threading.Event()

    def fail() -> None:
        raise SystemExit

    assert pool.submit(fail)
    assert pool.submit(done.set)
    assert done.wait(5)
    pool.close()
    assert not pool.submit(done.set)


def test_closing_the_pool_leaves_a_hanging_thread_behind() -> None:
    pool = WorkerPool(1, "test")
    never = threading.Event()
    pool.submit(never.wait, 10)

    pool.close(0.05)

    # Nothing keeps the interpreter from ending.
    assert all(thread.daemon for thread in pool._threads)
    never.set()


def test_each_thread_of_the_pool_says_goodbye() -> None:
    ended: list[str] = []
    pool = WorkerPool(3, "test", lambda: ended.append(threading.current_thread().name))

    pool.close(5)

    assert sorted(ended) == ["test-1", "test-2", "test-3"]
