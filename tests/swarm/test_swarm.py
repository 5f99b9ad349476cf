"""Crowds of clients that wait, stall, flood and do not read (reliability.md R17 to R21)."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running import wait_until
from tests.swarm.clients import (
    HALF_HELLO,
    HALF_PDU,
    connect,
    crowd,
    honest,
    idlers,
    is_cut_off,
    is_ended,
    listener,
    size,
)
from tests.swarm.server import ENDLESS
from tests.wire.dicom_certificates import Authority
from tests.wire.dicom_peer import (
    ABORT,
    WORKLIST,
    Peer,
    associate_rq,
    cancel_rq,
    context,
    find_rq,
)

pytestmark = [pytest.mark.wire, pytest.mark.timeout(60)]

# Generous where the machine may be busy with other things; the bounds on what the listener itself
# uses are those of the requirements.
HONEST = 10


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify("ris")
    return authority.folder


def test_idle_associations_cost_next_to_nothing() -> None:
    count = size(100)
    with listener() as server, ExitStack() as stack:
        for _ in range(HONEST):
            honest(server.port)
        before = server.memory

        waiting = idlers(stack, server.port, count)
        for _ in range(HONEST):
            honest(server.port)
        grown = server.memory - before
        cpu, began = server.cpu, time.monotonic()
        time.sleep(2.0)  # what is measured is that nothing happens
        share = (server.cpu - cpu) / (time.monotonic() - began)

        assert grown <= 25 * max(1.0, count / 500)
        assert share <= 0.01 + 0.005  # a hundredth of a core, and half a tick of the clock
        assert not any(is_ended(one, 0.001) for one in waiting[:5])


def test_half_pdus_and_half_hellos_keep_nobody_out_and_are_dropped_at_the_deadline(
    certificates: Path,
) -> None:
    deadlines = {"associate": 3.0, "tls_handshake": 3.0, "linger": 0.2}
    if size(0):  # so many take a while to come
        deadlines = {"associate": 10.0, "tls_handshake": 10.0, "linger": 0.2}
    with (
        listener(deadlines=deadlines, tls=str(certificates)) as server,
        ExitStack() as stack,
    ):
        honest(server.port)
        honest(server.tls_port, certificates)
        before, sockets = server.memory, server.sockets
        began = time.monotonic()
        stalled = crowd(stack, server.port, size(100), HALF_PDU)
        greeting = crowd(stack, server.tls_port, size(50), HALF_HELLO)

        for _ in range(HONEST):
            honest(server.port)
            honest(server.tls_port, certificates)
        # 10 kB for a socket and what belongs to it, ten times as much if it begins with TLS.
        assert server.memory - before <= 0.01 * len(stalled) + 0.1 * len(greeting) + 3
        assert all(is_ended(one) for one in stalled + greeting)
        seconds = time.monotonic() - began

        assert seconds < 3 * deadlines["associate"]
        wait_until(lambda: server.sockets <= sockets, "every slot is given back")
        honest(server.port)


def test_half_a_pdu_within_an_association_ends_it_at_the_deadline() -> None:
    with listener(deadlines={"pdu": 0.5, "linger": 0.1}) as server, ExitStack() as stack:
        waiting = idlers(stack, server.port, 30)
        for one in waiting:
            one.sendall(find_rq()[:20])

        assert all(is_ended(one) for one in waiting)
        honest(server.port)


def test_a_flood_from_one_address_is_refused_in_the_words_of_the_protocol() -> None:
    with listener(limits={"associations_per_ae_title": 1_000}) as server, ExitStack() as stack:
        hello = associate_rq(context(1, WORKLIST), calling="FLOOD")
        refusals = set()
        for _ in range(300):
            flooding = stack.enter_context(connect(server.port))
            flooding.sendall(hello)
            answer = flooding.recv(4_096)
            if answer[0] == 3:
                refusals.add(tuple(answer[7:10]))
                flooding.close()

        assert refusals == {(2, 3, 2)}
        # Another address is served all the while.
        for _ in range(HONEST):
            with Peer(server.port) as peer:
                peer.associate(context(1, WORKLIST))


def test_peers_that_never_read_are_cut_off_with_little_in_memory() -> None:
    with listener(deadlines={"write": 1.0}) as server, ExitStack() as stack:
        honest(server.port)
        before = server.memory
        endless = find_rq(identifier=b"\x10\x00\x10\x00\x08\x00\x00\x00" + ENDLESS + b" ")
        stuck = idlers(stack, server.port, 20)
        for one in stuck:
            one.sendall(endless)

        peak = before
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            peak = max(peak, server.memory)
            honest(server.port)
        # 256 kB for each, and what Python keeps of it.
        assert peak - before <= 20 * 0.5 + 3
        assert all(is_cut_off(one) for one in stuck)
        honest(server.port)


def test_a_cancel_is_answered_in_time_while_others_ask() -> None:
    with listener() as server, ExitStack() as stack:
        idlers(stack, server.port, 30)
        endless = find_rq(7, identifier=b"\x10\x00\x10\x00\x08\x00\x00\x00" + ENDLESS + b" ")
        fastest = 1.0
        for _ in range(5):
            with Peer(server.port) as peer:
                peer.associate(context(1, WORKLIST), maximum=0)
                peer.send(endless)
                responses = peer.responses()
                assert next(responses).status == 0xFF00
                began = time.monotonic()
                peer.send(cancel_rq(7))
                final = next(one for one in responses if one.status != 0xFF00)
                fastest = min(fastest, time.monotonic() - began)
                assert final.status == 0xFE00
                peer.send(ABORT)

        assert fastest <= 0.2
