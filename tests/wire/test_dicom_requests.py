"""DIMSE requests over a bare socket: what fits its context, how pieces join, how it ends."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.wire.dicom_peer import (
    ABORT,
    C_FIND,
    IDENTIFIER,
    MPPS,
    MPPS_RETRIEVE,
    N_CREATE,
    N_SET,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    WORKLIST,
    Peer,
    aborted,
    associated,
    cancel_rq,
    command,
    context,
    echo_rq,
    find_rq,
    message,
    pdu,
    serves,
    until,
    value,
)
from tests.wire.dicom_service import Handlers, Rows, config, listening
from worklist.server import ServerThread
from worklist.service import SUCCESS, FindAnswer, Outcome, Refused, Request

pytestmark = pytest.mark.wire

UID = "1.2.826.0.1.3680043.2.1"
RELEASE_RQ_TYPE, RELEASE_RP_TYPE = 5, 6


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def server(handlers: Handlers) -> Iterator[ServerThread]:
    with listening(handlers, config()) as running:
        yield running


def test_an_operation_of_another_class_is_answered_0211(
    server: ServerThread, handlers: Handlers
) -> None:
    with associated(server.port, MPPS_RETRIEVE) as peer:
        peer.send(
            message(
                1, command(N_SET, 5, sop_class=MPPS, instance=UID, has_dataset=True), IDENTIFIER
            )
        )
        response = peer.response()
    assert response.status == 0x0211
    assert response.message_id == 5
    assert response.number(0x0100) == 0x8120
    assert handlers.requests == []


def test_an_unknown_operation_is_answered_0211(server: ServerThread) -> None:
    with associated(server.port, WORKLIST) as peer:
        peer.send(message(1, command(0x0021, 1, sop_class=WORKLIST)))
        response = peer.response()
        peer.send(find_rq())
        assert peer.response().status == 0x0000
    assert (response.status, response.number(0x0100)) == (0x0211, 0x8021)


@pytest.mark.parametrize(
    ("number", "commands", "status"),
    [
        (1, command(C_FIND, 1, sop_class=VERIFICATION, has_dataset=True), 0x0122),
        (1, command(C_FIND, 1, sop_class=WORKLIST), 0xA900),
        (3, command(N_SET, 1, sop_class=WORKLIST, instance=UID), 0x0118),
        (3, command(N_SET, 1, sop_class=MPPS), 0x0117),
        (3, command(N_SET, 1, sop_class=MPPS, instance="1.2.x"), 0x0117),
        (3, command(N_CREATE, 1, sop_class=MPPS, instance="1" * 65), 0x0117),
        (3, command(N_CREATE, 1, sop_class=MPPS, instance="1..2"), 0x0117),
    ],
    ids=["wrong class", "no identifier", "wrong class N", "no UID", "bad UID", "long UID", "dots"],
)
def test_a_request_that_does_not_fit_its_context_is_answered(
    server: ServerThread, handlers: Handlers, number: int, commands: bytes, status: int
) -> None:
    dataset = IDENTIFIER if b"\x00\x08\x02\x00\x00\x00\x01\x00" in commands else b""
    with associated(server.port, WORKLIST, MPPS) as peer:
        peer.send(message(number, commands, dataset))
        assert peer.response().status == status
    assert handlers.requests == []


def test_a_uid_that_the_service_chose_is_in_the_response(
    server: ServerThread, handlers: Handlers
) -> None:
    handlers.n_create = lambda _: Outcome(sop_instance_uid=UID)
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_CREATE, 1, sop_class=MPPS, has_dataset=True), IDENTIFIER))
        response = peer.response()
    assert response.fields[0x1000].rstrip(b"\0") == UID.encode()
    assert response.fields[0x0002].rstrip(b"\0") == MPPS.encode()


def deep(levels: int) -> bytes:
    raw = IDENTIFIER
    for _ in range(levels):
        raw = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(raw)) + raw
        raw = b"\x40\x00\x00\x01" + struct.pack("<L", len(raw)) + raw
    return raw


def test_a_deeply_nested_identifier_is_refused_with_its_tag(
    server: ServerThread, handlers: Handlers
) -> None:
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(identifier=deep(500)))
        response = peer.response()
    assert response.status == 0xA900
    assert response.fields[0x0901] == b"\x40\x00\x00\x01"
    assert response.comment == "(0040,0100): sequences are nested too deep"
    assert handlers.requests == []


def test_a_deeply_nested_attribute_list_is_refused(
    server: ServerThread, handlers: Handlers
) -> None:
    with associated(server.port, MPPS) as peer:
        commands = command(N_CREATE, 1, sop_class=MPPS, instance=UID, has_dataset=True)
        peer.send(message(1, commands, deep(500)))
        assert peer.response().status == 0x0106
    assert handlers.requests == []


def test_a_request_in_the_smallest_pieces_is_understood(
    server: ServerThread, handlers: Handlers
) -> None:
    commands = command(C_FIND, 3, sop_class=WORKLIST, has_dataset=True)
    pieces = [(byte, True) for byte in commands] + [(byte, False) for byte in IDENTIFIER]
    raw = b""
    for place, (byte, is_command) in enumerate(pieces):
        is_last = place in (len(commands) - 1, len(pieces) - 1)
        raw += pdu(4, value(1, bytes((byte,)), is_command=is_command, is_last=is_last))
    with associated(server.port, WORKLIST) as peer:
        for start in range(0, len(raw), 7):
            peer.send(raw[start : start + 7])
        assert peer.response().message_id == 3
    assert handlers.requests[0].dataset == IDENTIFIER


def test_several_values_in_one_pdu_are_understood(server: ServerThread, handlers: Handlers) -> None:
    commands = command(C_FIND, 3, sop_class=WORKLIST, has_dataset=True)
    body = value(1, commands, is_command=True) + value(1, IDENTIFIER, is_command=False)
    with associated(server.port, WORKLIST) as peer:
        peer.send(pdu(4, body))
        assert peer.response().status == 0x0000
    assert handlers.requests[0].dataset == IDENTIFIER


def test_a_peer_with_small_pdus_gets_small_pdus(server: ServerThread, handlers: Handlers) -> None:
    row = b"\x10\x00\x00\x40\xe8\x03\x00\x00" + b"X" * 1_000
    handlers.c_find = lambda _: FindAnswer([row, row])
    with associated(server.port, WORKLIST, maximum=65) as peer:
        peer.send(find_rq())
        lengths = set()
        kind, raw = peer.read()
        buffered = peer.buffer
        lengths.add(len(raw) - 6)
        peer.buffer = raw + buffered
        rows, final = peer.answer()
    assert kind == 4
    assert max(lengths) <= 65
    assert rows == [row, row]
    assert final.status == 0x0000


def test_requests_sent_ahead_are_served_one_after_the_other(
    server: ServerThread, handlers: Handlers
) -> None:
    with associated(server.port, VERIFICATION) as peer:
        peer.send(b"".join(echo_rq(number) for number in range(1, 9)))
        responses = peer.responses()
        assert [next(responses).message_id for _ in range(8)] == list(range(1, 9))


def test_a_flood_of_requests_sent_ahead_is_aborted(
    server: ServerThread, handlers: Handlers
) -> None:
    go_on = threading.Event()

    def wait(_: Request) -> Outcome:
        go_on.wait(5)
        return SUCCESS

    handlers.c_echo = wait
    with associated(server.port, VERIFICATION) as peer:
        peer.send(b"".join(echo_rq(number) for number in range(1, 40)))
        assert aborted(peer) == (2, 0)
    go_on.set()


def test_a_response_that_answers_nothing_is_passed_over(server: ServerThread) -> None:
    with associated(server.port, VERIFICATION) as peer:
        echo_rsp = message(1, command(0x8030, 1).replace(b"\x10\x01", b"\x20\x01"))
        peer.send(echo_rsp + echo_rq(2))
        assert peer.response().message_id == 2


# Cancel, release, abort


def test_a_cancel_in_the_same_segment_as_its_request_is_honored(
    server: ServerThread, handlers: Handlers
) -> None:
    endless = Rows(IDENTIFIER)
    handlers.c_find = lambda _: FindAnswer(endless)
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(4) + cancel_rq(4))
        rows, final = peer.answer()
        assert (final.status, final.message_id, rows) == (0xFE00, 4, [])
        handlers.c_find = lambda _: FindAnswer([IDENTIFIER])
        peer.send(find_rq(5))
        rows, final = peer.answer()
        assert (final.status, final.message_id, rows) == (0x0000, 5, [IDENTIFIER])


def test_a_cancel_is_answered_at_once_while_the_handler_still_searches(
    server: ServerThread, handlers: Handlers
) -> None:
    searching, stopped = threading.Event(), threading.Event()

    def search(request: Request) -> FindAnswer:
        searching.set()
        until(request.is_cancelled)
        stopped.set()
        raise Refused(Outcome(0xC001, "stopped"))

    handlers.c_find = search
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(4))
        assert searching.wait(5)
        peer.send(cancel_rq(4))
        assert peer.response().status == 0xFE00
        assert stopped.wait(5)
        handlers.c_find = lambda _: FindAnswer()
        peer.send(find_rq(5))
        assert peer.response().message_id == 5


def test_a_cancel_stops_a_query_that_waits_for_the_peer_to_read(
    handlers: Handlers,
) -> None:
    endless = Rows(b"\x10\x00\x00\x40\xe8\x03\x00\x00" + b"X" * 1_000)
    handlers.c_find = lambda _: FindAnswer(endless)
    with (
        listening(handlers, config(write=10.0)) as server,
        Peer(server.port, receive_buffer=4_096) as peer,
    ):
        peer.associate(context(1, WORKLIST))
        peer.send(find_rq(4))
        until(lambda: endless.drawn > 200)
        peer.send(cancel_rq(4))
        assert endless.closed.wait(5)
        rows, final = peer.answer()
    assert final.status == 0xFE00
    assert len(rows) < 1_500


def test_a_cancel_of_a_waiting_query_keeps_it_from_starting(
    server: ServerThread, handlers: Handlers
) -> None:
    go_on, seen = threading.Event(), []

    def wait(request: Request) -> FindAnswer:
        seen.append(request.message_id)
        go_on.wait(5)
        return FindAnswer()

    handlers.c_find = wait
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(1) + find_rq(2) + cancel_rq(2))
        responses = peer.responses()
        assert (first := next(responses)).message_id == 2
        assert first.status == 0xFE00
        go_on.set()
        assert next(responses).message_id == 1
    assert seen == [1]


def test_a_cancel_of_nothing_is_passed_over(server: ServerThread) -> None:
    with associated(server.port, WORKLIST) as peer:
        peer.send(cancel_rq(9) + find_rq(1))
        assert peer.response().message_id == 1


def test_a_cancel_does_not_stop_a_performed_step(server: ServerThread, handlers: Handlers) -> None:
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_SET, 6, sop_class=MPPS, instance=UID)) + cancel_rq(6))
        assert peer.response().status == 0x0000
    assert len(handlers.requests) == 1


def test_a_release_is_answered(server: ServerThread) -> None:
    with associated(server.port, VERIFICATION) as peer:
        peer.send(RELEASE_RQ)
        assert peer.read() == (RELEASE_RP_TYPE, RELEASE_RP)
        until(lambda: server.layer.associations == 0)


def test_a_release_during_a_query_ends_both(server: ServerThread, handlers: Handlers) -> None:
    endless = Rows(IDENTIFIER)
    handlers.c_find = lambda _: FindAnswer(endless)
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(1))
        until(lambda: endless.drawn > 10)
        peer.send(RELEASE_RQ)
        _, final = peer.answer()
        assert final.status == 0xFE00
        assert peer.read()[0] == RELEASE_RP_TYPE
    assert endless.closed.wait(5)


def test_a_release_waits_for_the_response_of_a_performed_step(
    server: ServerThread, handlers: Handlers
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Request) -> Outcome:
        begun.set()
        go_on.wait(5)
        return SUCCESS

    handlers.n_set = slow
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_SET, 6, sop_class=MPPS, instance=UID)) + RELEASE_RQ)
        assert begun.wait(5)
        go_on.set()
        assert peer.response().status == 0x0000
        assert peer.read()[0] == RELEASE_RP_TYPE


def test_releases_that_collide_are_answered_in_the_acceptors_order(handlers: Handlers) -> None:
    with (
        listening(handlers, config(idle=0.1)) as server,
        associated(server.port, VERIFICATION) as peer,
    ):
        assert peer.read()[0] == RELEASE_RQ_TYPE
        peer.send(RELEASE_RQ)
        peer.send(RELEASE_RP)
        assert peer.read()[0] == RELEASE_RP_TYPE


def test_data_that_crosses_our_release_is_not_served(handlers: Handlers) -> None:
    with (
        listening(handlers, config(idle=0.1)) as server,
        associated(server.port, VERIFICATION) as peer,
    ):
        assert peer.read()[0] == RELEASE_RQ_TYPE
        peer.send(echo_rq() + RELEASE_RP)
        assert peer.read() == (0, b"")
    assert handlers.requests == []


@pytest.mark.parametrize("how", ["abort", "close", "reset"])
def test_a_peer_that_goes_in_the_middle_of_an_answer_frees_everything(
    server: ServerThread, handlers: Handlers, how: str
) -> None:
    endless = Rows(b"\x10\x00\x00\x40\xe8\x03\x00\x00" + b"X" * 1_000)
    handlers.c_find = lambda _: FindAnswer(endless)
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(1))
        until(lambda: endless.drawn > 50)
        if how == "abort":
            peer.send(ABORT)
        elif how == "reset":
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert endless.closed.wait(5)
    until(lambda: server.layer.associations == 0)
    assert serves(server.port)


def test_a_performed_step_is_carried_through_when_the_peer_goes(
    server: ServerThread, handlers: Handlers
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Request) -> Outcome:
        begun.set()
        go_on.wait(5)
        done.set()
        return SUCCESS

    handlers.n_set = slow
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_SET, 6, sop_class=MPPS, instance=UID)))
        assert begun.wait(5)
        peer.send(ABORT)
    until(lambda: server.layer.associations == 0)
    go_on.set()
    assert done.wait(5)


def test_the_service_hears_that_its_answer_left(server: ServerThread, handlers: Handlers) -> None:
    told: list[bool] = []
    handlers.n_set = lambda _: Outcome(sent=told.append)
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_SET, 6, sop_class=MPPS, instance=UID)))
        assert peer.response().status == 0x0000
        until(lambda: told)
    assert told == [True]


def test_the_service_hears_that_nobody_took_its_answer(
    server: ServerThread, handlers: Handlers
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    told: list[bool] = []

    def slow(_: Request) -> Outcome:
        begun.set()
        go_on.wait(5)
        return Outcome(sent=told.append)

    handlers.n_set = slow
    with associated(server.port, MPPS) as peer:
        peer.send(message(1, command(N_SET, 6, sop_class=MPPS, instance=UID)))
        assert begun.wait(5)
        peer.send(ABORT)
    until(lambda: server.layer.associations == 0)
    go_on.set()

    until(lambda: told)
    assert told == [False]
