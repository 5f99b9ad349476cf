"""What an MLLP sender may not do: too long, too slow, too idle, too many, and never MLLP at all."""

from __future__ import annotations

import time

import pytest

from integration.hl7.server import Peer
from tests.running import wait_until
from tests.wire.mllp_sender import Client, Connect, accept, frame, listening, order

pytestmark = pytest.mark.wire


def test_a_message_that_is_too_long_is_rejected_and_the_connection_closed(
    clients: Connect,
) -> None:
    handled: list[bytes] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        handled.append(message)
        return accept(message, peer)

    with listening(handle, frame_bytes=100_000) as listener:
        client = clients(listener.port)

        client.send(frame(order("1", "x" * 200_000)))

        answer = client.answer()
        assert (answer.get("MSA-1"), answer.get("MSA-2")) == ("AR", "1")
        assert answer.text("MSA-3") == "the message is longer than 100000 bytes"
        assert client.is_closed()
    assert handled == []


def test_a_message_at_the_limit_is_taken(clients: Connect) -> None:
    message = order("1")
    with listening(frame_bytes=len(message)) as listener:
        client = clients(listener.port)
        client.send(frame(message))
        assert client.answer().get("MSA-1") == "AA"


def test_a_peer_that_goes_on_and_on_is_cut_without_filling_the_memory(clients: Connect) -> None:
    with listening(frame_bytes=100_000) as listener:
        client = clients(listener.port)
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as the system sees it
            endless(client, b"\x0b" + order("1"))
        wait_until(lambda: listener.connections == 0, "the connection is closed")


def endless(client: Client, start: bytes) -> None:
    client.send(start)
    for _ in range(20_000):
        client.send(b"x" * 65_536)


def test_bytes_that_are_no_mllp_close_the_connection(clients: Connect) -> None:
    with listening() as listener:
        client = clients(listener.port)
        client.send(b"GET / HTTP/1.1\r\nHost: ris\r\n\r\n" * 3_000)
        assert client.is_closed()


def test_half_a_message_is_given_up_after_its_time(clients: Connect) -> None:
    with listening(frame_seconds=0.3) as listener:
        client = clients(listener.port)
        started = time.monotonic()
        client.send(b"\x0b" + order("1"))

        assert client.is_closed()
        assert 0.2 < time.monotonic() - started < 5


def test_a_trickle_does_not_extend_the_time_of_a_message(clients: Connect) -> None:
    with listening(frame_seconds=0.3) as listener:
        client = clients(listener.port)
        deadline = time.monotonic() + 10
        client.send(b"\x0bMSH|")
        client.sock.settimeout(0.02)
        closed = False
        while not closed and time.monotonic() < deadline:
            try:
                client.send(b"x")
                closed = client.sock.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True

        assert closed


def test_an_idle_connection_is_closed_after_its_time(clients: Connect) -> None:
    with listening(idle_seconds=0.3, frame_seconds=60) as listener:
        client = clients(listener.port)
        client.send(frame(order("1")))
        client.answer()

        assert client.is_closed()


def test_half_messages_of_many_do_not_keep_others_out(clients: Connect) -> None:
    with listening(threads=2, connections_per_address=256) as listener:
        swarm = [clients(listener.port) for _ in range(200)]
        for client in swarm:
            client.send(b"\x0bMSH|^~\\&|")

        honest = clients(listener.port)
        honest.send(frame(order("1")))

        assert honest.answer().get("MSA-1") == "AA"
        assert listener.connections == 201


@pytest.mark.parametrize("limits", [{"connections": 3}, {"connections_per_address": 3}])
def test_connections_beyond_the_limit_are_closed_and_others_unharmed(
    clients: Connect, limits: dict[str, int]
) -> None:
    with listening(**limits) as listener:
        three = [clients(listener.port) for _ in range(3)]
        wait_until(lambda: listener.connections == 3, "three are in")

        assert clients(listener.port).is_closed()

        three[0].close()
        wait_until(lambda: listener.connections == 2, "one has left")
        again = clients(listener.port)
        for client in (three[1], three[2], again):
            client.send(frame(order("1")))
            assert client.answer().get("MSA-1") == "AA"
