"""The DICOM listener with peers that are slow, broken, greedy or gone."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE

from tests.wire.dicom_peer import (
    C_ECHO,
    C_FIND,
    DEFLATED,
    EXPLICIT,
    IDENTIFIER,
    IMPLICIT,
    MPPS,
    N_SET,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    WORKLIST,
    Peer,
    aborted,
    associate_rq,
    associated,
    command,
    context,
    echo_rq,
    find_rq,
    item,
    message,
    pdu,
    serves,
    until,
    value,
)
from tests.wire.dicom_service import QUICK, Handlers, Rows, config, listening
from worklist.config import Limits
from worklist.server import ServerThread
from worklist.service import FindAnswer

pytestmark = pytest.mark.wire

UID = "1.2.826.0.1.3680043.2.1"
REJECT_TYPE, RELEASE_RQ_TYPE, RELEASE_RP_TYPE = 3, 5, 6


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def server(handlers: Handlers) -> Iterator[ServerThread]:
    with listening(handlers, config()) as running:
        yield running


# Deadlines


def test_a_peer_that_says_nothing_is_closed(server: ServerThread) -> None:
    begun = time.monotonic()
    with Peer(server.port) as peer:
        assert peer.read() == (0, b"")
    assert time.monotonic() - begun < QUICK.associate + 1.0


@pytest.mark.parametrize("sent", [3, 6, 40, -1], ids=["half a header", "header", "body", "most"])
def test_half_a_request_frees_its_place_at_the_deadline(server: ServerThread, sent: int) -> None:
    with Peer(server.port) as peer:
        peer.send(associate_rq()[:sent])
        assert serves(server.port)
        assert peer.is_closed()


def test_bytes_that_trickle_in_do_not_move_the_deadline(server: ServerThread) -> None:
    raw = associate_rq()
    begun = time.monotonic()
    with Peer(server.port) as peer:
        sent = trickle(peer, raw)
    assert sent < len(raw)
    assert time.monotonic() - begun < QUICK.associate + 1.0


def trickle(peer: Peer, raw: bytes) -> int:
    """Send byte by byte until the other side has enough; return how many."""
    for sent in range(len(raw)):
        try:
            peer.send(raw[sent : sent + 1])
        except ConnectionError:
            return sent
        time.sleep(0.02)  # the peer's slowness itself
    return len(raw)


def test_half_a_pdu_on_an_association_is_aborted_at_the_deadline(server: ServerThread) -> None:
    with associated(server.port, VERIFICATION) as peer:
        peer.send(echo_rq()[:10])
        assert aborted(peer) == (2, 0)


def test_a_message_that_never_ends_is_aborted_at_the_deadline(server: ServerThread) -> None:
    commands = command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)
    with associated(server.port, WORKLIST) as peer:
        peer.send(pdu(4, value(1, commands, is_command=True)))
        assert aborted(peer) == (2, 0)


def test_an_idle_association_is_released(handlers: Handlers) -> None:
    with (
        listening(handlers, config(idle=0.1)) as server,
        associated(server.port, VERIFICATION) as peer,
    ):
        kind, _ = peer.read()
        assert kind == RELEASE_RQ_TYPE
        peer.send(RELEASE_RP)
        assert peer.read() == (0, b"")
        until(lambda: server.layer.associations == 0)


def test_an_idle_association_whose_peer_does_not_answer_is_aborted(handlers: Handlers) -> None:
    with (
        listening(handlers, config(idle=0.1)) as server,
        associated(server.port, VERIFICATION) as peer,
    ):
        assert peer.read()[0] == RELEASE_RQ_TYPE
        assert aborted(peer) == (0, 0)


def test_an_association_for_performed_steps_may_be_idle_longer(handlers: Handlers) -> None:
    with (
        listening(handlers, config(idle=0.1, idle_holding=30.0)) as server,
        associated(server.port, MPPS) as scanner,
        associated(server.port, WORKLIST) as other,
    ):
        assert other.read()[0] == RELEASE_RQ_TYPE
        scanner.send(message(1, command(N_SET, 1, sop_class=MPPS, instance=UID)))
        assert scanner.response().status == 0x0000


def test_a_peer_that_does_not_read_is_cut_off(handlers: Handlers) -> None:
    endless = Rows(b"\x10\x00\x00\x40\xe8\x03\x00\x00" + b"X" * 1_000)
    handlers.c_find = lambda _: FindAnswer(endless)
    with (
        listening(handlers, config()) as server,
        Peer(server.port, receive_buffer=4_096) as peer,
    ):
        peer.associate(context(1, WORKLIST))
        peer.send(find_rq())
        assert endless.closed.wait(5)
        until(lambda: server.layer.associations == 0)
        # Drawn no further than what fits the buffers on the way.
        assert endless.drawn < 1_500
        assert serves(server.port)


def test_a_peer_that_reads_slowly_gets_everything(handlers: Handlers) -> None:
    row = b"\x10\x00\x00\x40\xe8\x03\x00\x00" + b"X" * 1_000
    rows = Rows(row, count=2_000)
    handlers.c_find = lambda _: FindAnswer(rows)
    with (
        listening(handlers, config(write=10.0)) as server,
        Peer(server.port, receive_buffer=4_096) as peer,
    ):
        peer.associate(context(1, WORKLIST))
        peer.send(find_rq())
        until(lambda: rows.drawn > 100)
        received, final = peer.answer()

    assert received == [row] * 2_000
    assert final.status == 0x0000


# Lengths


def test_an_announced_gigabyte_is_refused_by_its_header(server: ServerThread) -> None:
    with Peer(server.port) as peer:
        peer.send(b"\x01\x00" + struct.pack(">L", 1 << 30))
        assert aborted(peer) == (2, 6)


def test_a_pdu_above_the_announced_maximum_is_refused_by_its_header(server: ServerThread) -> None:
    with associated(server.port, WORKLIST) as peer:
        peer.send(b"\x04\x00" + struct.pack(">L", 128 * 1024 + 1))
        assert aborted(peer) == (2, 6)


def test_a_peer_that_pours_on_after_the_abort_is_cut_off(server: ServerThread) -> None:
    with Peer(server.port) as peer:
        peer.send(b"\x01\x00" + struct.pack(">L", 1 << 30))
        with pytest.raises(ConnectionError):
            peer.send(b"X" * 64_000_000)


def test_a_pdu_of_the_announced_maximum_is_taken(server: ServerThread, handlers: Handlers) -> None:
    size = 128 * 1024 - 6
    dataset = b"\x10\x00\x00\x40" + struct.pack("<L", size - 8) + b"X" * (size - 8)
    with associated(server.port, WORKLIST) as peer:
        peer.send(find_rq(identifier=dataset))
        assert peer.response().status == 0x0000
    assert handlers.requests[0].dataset == dataset


def test_an_identifier_above_its_limit_is_aborted(server: ServerThread, handlers: Handlers) -> None:
    commands = command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)
    part = pdu(4, value(1, b"X" * 100_000, is_command=False, is_last=False))
    with associated(server.port, WORKLIST) as peer:
        peer.send(pdu(4, value(1, commands, is_command=True)))
        for _ in range(11):
            peer.send(part)
        assert aborted(peer) == (2, 6)
    assert handlers.requests == []


def test_a_command_set_above_its_limit_is_aborted(server: ServerThread) -> None:
    part = pdu(4, value(1, b"\0" * 40_000, is_command=True, is_last=False))
    with associated(server.port, WORKLIST) as peer:
        peer.send(part + part)
        assert aborted(peer) == (2, 6)


# Broken protocol


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (echo_rq(), 2),
        (RELEASE_RQ, 2),
        (pdu(2, b""), 2),
        (pdu(1, b""), 6),
        (pdu(1, associate_rq()[6:74]), 6),
        (pdu(1, associate_rq()[6:74] + b"\x20\x00\x00\xff" + b"X" * 20), 6),
        (associate_rq()[:-1] + b"\xff", 6),
        (associate_rq(*[context(1, VERIFICATION)] * 2), 6),
        (associate_rq(context(2, VERIFICATION)), 6),
        (associate_rq((1, VERIFICATION, ())), 6),
        (associate_rq(*[context(1, VERIFICATION)] * 129), 6),
        (associate_rq((1, VERIFICATION, [IMPLICIT] * 1_025)), 6),
        (associate_rq(maximum=20), 6),
    ],
    ids=[
        "HTTP", "data first", "release first", "answer first", "empty request", "no items",
        "item beyond its PDU", "UID not ASCII", "context twice", "even context",
        "no transfer syntax", "too many contexts", "too many transfer syntaxes", "absurd maximum",
    ],
)  # fmt: skip
def test_what_is_no_proper_request_is_aborted(
    server: ServerThread, handlers: Handlers, raw: bytes, reason: int
) -> None:
    with Peer(server.port) as peer:
        peer.send(raw)
        assert aborted(peer) == (2, reason)
    assert handlers.callers == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (pdu(9, b""), 1),
        (associate_rq(), 2),
        (RELEASE_RP, 2),
        (pdu(4, b""), 6),
        (pdu(4, b"\0\0\0"), 6),
        (pdu(4, struct.pack(">LBB", 100, 1, 3) + b"X"), 6),
        (message(9, command(C_ECHO, 1, sop_class=VERIFICATION)), 6),
        (pdu(4, value(1, IDENTIFIER, is_command=False)), 5),
        (
            pdu(4, value(1, b"\0" * 8, is_command=True, is_last=False))
            + pdu(4, value(3, b"\0" * 8, is_command=True)),
            5,
        ),
        (pdu(5, b"\0" * 5), 6),
    ],
    ids=[
        "no such PDU", "second request", "release response", "no value", "half a value",
        "value beyond its PDU", "context not accepted", "dataset without command",
        "context changes", "long release",
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_is_aborted(server: ServerThread, raw: bytes, reason: int) -> None:
    with associated(server.port, VERIFICATION, WORKLIST) as peer:
        peer.send(raw)
        assert aborted(peer) == (2, reason)
    assert serves(server.port)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\0",
        b"\x08\x00\x60\x00\x02\x00\x00\x00CT",
        b"\0\0\0\1\xff\0\0\0",
        command(C_ECHO, 1)[:-10],
        b"\0\0\2\0\2\0\0\0\xfc\xfc" + command(C_ECHO, 1),
    ],
    ids=["empty", "half", "other group", "too long", "no dataset type", "UID not ASCII"],
)
def test_a_command_set_that_cannot_be_read_is_aborted_by_the_user(
    server: ServerThread, raw: bytes
) -> None:
    with associated(server.port, VERIFICATION) as peer:
        peer.send(pdu(4, value(1, raw, is_command=True)))
        assert aborted(peer) == (0, 0)


@pytest.mark.parametrize(
    "name",
    [b"VENDOR_CT_SCANNER_7.2.1", "MÜHLE 3".encode("latin-1"), b"", b"\0" * 16, b"A\\B", b"  "],
    ids=["long", "own letters", "empty", "zeros", "backslash", "spaces"],
)
def test_an_odd_version_name_turns_no_scanner_away(server: ServerThread, name: bytes) -> None:
    with Peer(server.port) as peer:
        peer.associate(user_items=item(0x55, name))
        peer.send(echo_rq())
        assert peer.response().status == 0x0000


def test_unknown_items_in_a_request_are_passed_over(server: ServerThread) -> None:
    with Peer(server.port) as peer:
        peer.associate(user_items=item(0x5A, b"something new") + item(0x99, b""))
        peer.send(echo_rq())
        assert peer.response().status == 0x0000


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"version": 2}, (1, 2, 2)),
        ({"application": "1.2.3"}, (1, 1, 2)),
        ({"calling": ""}, (1, 1, 3)),
        ({"called": ""}, (1, 1, 7)),
        ({"calling": "A\\B"}, (1, 1, 3)),
    ],
    ids=["version", "application context", "no calling", "no called", "backslash"],
)
def test_what_cannot_be_agreed_is_rejected(
    server: ServerThread, options: dict[str, object], verdict: tuple[int, int, int]
) -> None:
    with Peer(server.port) as peer:
        peer.send(associate_rq(**options))  # type: ignore[arg-type]
        kind, raw = peer.read()
    assert kind == REJECT_TYPE
    assert tuple(raw[7:10]) == verdict


def test_titles_and_reserved_bytes_come_back_as_they_were(server: ServerThread) -> None:
    raw = bytearray(associate_rq(calling="  CT1"))
    raw[42:74] = bytes(range(32))
    with Peer(server.port) as peer:
        peer.send(bytes(raw))
        _, answer = peer.read()
    assert answer[10:74] == raw[10:74]


def test_a_deflated_context_is_refused(server: ServerThread) -> None:
    with Peer(server.port) as peer:
        answer = peer.associate(context(1, WORKLIST, DEFLATED), context(3, WORKLIST, EXPLICIT))
    at = answer.index(b"\x21\x00")
    assert answer[at + 4 : at + 7] == b"\x01\x00\x04"


# Limits


def test_two_hundred_idle_associations_disturb_nobody(handlers: Handlers) -> None:
    limits = Limits(associations_per_address=300, associations_per_ae_title=300)
    with listening(handlers, config(limits=limits)) as server, ExitStack() as stack:
        threads = threading.active_count()
        for _ in range(200):
            stack.enter_context(associated(server.port, WORKLIST))
        ae = AE("CT1")
        ae.add_requested_context(VERIFICATION, ImplicitVRLittleEndian)

        association = ae.associate("127.0.0.1", server.port, ae_title="RIS")
        status = association.send_c_echo()
        association.release()

        assert status.Status == 0x0000
        assert server.layer.associations >= 200
        assert threading.active_count() <= threads + 2


def rejected(server: ServerThread, calling: str = "CT1") -> tuple[int, ...]:
    with Peer(server.port) as peer:
        peer.send(associate_rq(calling=calling))
        kind, raw = peer.read()
        assert kind == REJECT_TYPE, f"PDU type {kind}"
        return tuple(raw[7:10])


@pytest.mark.parametrize(
    "limits",
    [Limits(associations=2), Limits(associations_per_address=2)],
    ids=["in total", "per address"],
)
def test_one_association_too_many_is_rejected_for_now(handlers: Handlers, limits: Limits) -> None:
    with (
        listening(handlers, config(limits=limits)) as server,
        associated(server.port, VERIFICATION),
        associated(server.port, VERIFICATION) as second,
    ):
        assert rejected(server) == (2, 3, 2)
        second.send(RELEASE_RQ)
        assert second.read()[0] == RELEASE_RP_TYPE
        assert serves(server.port)


def test_an_ae_title_with_too_many_associations_is_rejected_for_now(handlers: Handlers) -> None:
    limits = Limits(associations_per_ae_title=1)
    with (
        listening(handlers, config(limits=limits)) as server,
        associated(server.port, VERIFICATION),
    ):
        assert rejected(server, "CT1") == (2, 3, 2)
        with Peer(server.port) as other:
            other.associate(calling="MR1")


def test_connections_far_above_the_limit_are_cut_off(handlers: Handlers) -> None:
    limits = Limits(associations_per_address=1)
    with listening(handlers, config(limits=limits, associate=30.0)) as server, ExitStack() as stack:
        peers = [stack.enter_context(Peer(server.port)) for _ in range(66)]
        assert peers[-1].read()[0] == 0
        until(lambda: server.layer.metrics.cut_off.total() == 1)


def test_accepted_sockets_notice_dead_peers_and_do_not_wait_to_send(
    server: ServerThread,
) -> None:
    with associated(server.port, VERIFICATION):
        (connection,) = server.layer._connections
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_thirty_two_simultaneous_connects_are_all_served(handlers: Handlers) -> None:
    with listening(handlers, config()) as server:
        together = threading.Barrier(32)
        served = []

        def connect() -> None:
            together.wait(5)
            served.append(serves(server.port))

        threads = [threading.Thread(target=connect) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert served == [True] * 32


def test_several_listeners_share_a_port(handlers: Handlers) -> None:
    first_config = replace(config(), reuse_port=True)
    with (
        listening(handlers, first_config) as first,
        listening(handlers, replace(first_config, port=first.port)) as second,
    ):
        assert second.port == first.port
        assert serves(first.port)


def test_a_taken_port_is_told_at_the_start(server: ServerThread, handlers: Handlers) -> None:
    with pytest.raises(OSError, match="in use"):
        ServerThread(replace(config(), port=server.port), handlers).start()


def test_noise_in_place_of_messages_harms_nobody(server: ServerThread) -> None:
    chance = random.Random(20260105)
    contexts = (context(1, WORKLIST), context(3, MPPS))
    whole = associate_rq(*contexts) + find_rq() + RELEASE_RQ
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        with Peer(server.port) as peer:
            peer.send(bytes(raw[: chance.randint(1, len(raw))]))
    assert serves(server.port)
    until(lambda: server.layer.associations == 0)
