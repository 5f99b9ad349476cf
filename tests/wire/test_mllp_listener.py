"""The MLLP listener over real sockets: framing, order, crashes, the stop."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from contextlib import suppress

import pytest

from integration.hl7 import acks, server
from integration.hl7.er7 import Message
from integration.hl7.server import Commit, Listener, ListenerConfig, Peer, Reply
from tests.running import wait_until
from tests.wire.mllp_sender import Client, Connect, accept, frame, listening, order

pytestmark = pytest.mark.wire


# --- one connection -----------------------------------------------------------------------------


def test_many_messages_on_one_connection_are_answered_in_order(clients: Connect) -> None:
    with listening() as listener:
        client = clients(listener.port)

        client.send(frame(order("1")) + frame(order("2")) + b"\r\n" + frame(order("3")))

        assert [client.answer().get("MSA-2") for _ in range(3)] == ["1", "2", "3"]


def test_a_message_may_come_byte_by_byte(clients: Connect) -> None:
    with listening() as listener:
        client = clients(listener.port)

        for byte in frame(order("1")):
            client.send(bytes([byte]))

        assert client.answer().get("MSA-1") == "AA"


def test_the_handler_gets_the_exact_bytes_and_who_sent_them(clients: Connect) -> None:
    seen: list[tuple[bytes, Peer]] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append((message, peer))
        return accept(message, peer)

    with listening(handle) as listener:
        client = clients(listener.port)
        message = order("1", "Müller").decode().encode("latin-1") + b"\r\n"
        client.send(frame(message))
        client.answer()

    ((raw, peer),) = seen
    assert raw == message
    assert (peer.address, peer.port) == client.sock.getsockname()
    assert (peer.local_port, peer.connection, peer.tls, peer.certificate) == (
        listener.port, 1, False, None,
    )  # fmt: skip


def test_messages_of_one_connection_are_handled_one_at_a_time(clients: Connect) -> None:
    at_once: list[int] = []
    running: list[bytes] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        running.append(message)
        at_once.append(len(running))
        time.sleep(0.005)  # work, not synchronization
        running.remove(message)
        return accept(message, peer)

    with listening(handle, threads=4) as listener:
        client = clients(listener.port)
        client.send(b"".join(frame(order(str(number))) for number in range(20)))
        answers = [client.answer().get("MSA-2") for _ in range(20)]

    assert answers == [str(number) for number in range(20)]
    assert set(at_once) == {1}


def test_messages_of_different_connections_are_handled_at_once(clients: Connect) -> None:
    together = threading.Barrier(3, timeout=10)

    def handle(message: bytes, peer: Peer) -> bytes:
        together.wait()
        return accept(message, peer)

    with listening(handle, threads=3) as listener:
        three = [clients(listener.port) for _ in range(3)]
        for client in three:
            client.send(frame(order("1")))
        assert [client.answer().get("MSA-1") for client in three] == ["AA"] * 3


def test_threads_live_long_so_that_they_may_keep_a_database_connection(clients: Connect) -> None:
    names: set[str] = set()

    def handle(message: bytes, peer: Peer) -> bytes:
        names.add(threading.current_thread().name)
        return accept(message, peer)

    with listening(handle, threads=2) as listener:
        for number in range(20):
            client = clients(listener.port)
            client.send(frame(order(str(number))))
            client.answer()

    assert names <= {"mllp-1", "mllp-2"}


def test_a_message_without_its_last_byte_is_taken_when_the_peer_has_ended(
    clients: Connect,
) -> None:
    with listening() as listener:
        client = clients(listener.port)

        client.send(b"\x0b" + order("1") + b"\x1c")
        client.sock.shutdown(socket.SHUT_WR)

        assert client.answer().get("MSA-2") == "1"
        assert client.is_closed()


def test_a_message_without_its_last_byte_is_taken_when_its_time_is_over(clients: Connect) -> None:
    with listening(frame_seconds=0.2) as listener:
        client = clients(listener.port)

        client.send(b"\x0b" + order("1") + b"\x1c")

        assert client.answer().get("MSA-2") == "1"
        client.send(b"\x0d" + frame(order("2")))
        assert client.answer().get("MSA-2") == "2"


def test_release_2_commits_before_the_answer(clients: Connect) -> None:
    with listening(release_2=True) as listener:
        client = clients(listener.port)

        client.send(frame(order("1")))

        assert client.raw_answer() == b"\x06"
        assert client.answer().get("MSA-2") == "1"
        client.send(frame(b"\x06") + frame(order("2")))
        assert client.raw_answer() == b"\x06"
        assert client.answer().get("MSA-2") == "2"


def test_release_2_may_be_agreed_with_one_peer_only(clients: Connect) -> None:
    def handle(message: bytes, peer: Peer) -> Reply:
        agreed = Commit.STORED if b"|new|" in message else Commit.NONE
        return Reply(accept(message, peer), lambda written: None, agreed)

    with listening(handle) as listener:
        modern, plain = clients(listener.port), clients(listener.port)
        modern.send(frame(order("new")))
        plain.send(frame(order("old")))

        assert modern.raw_answer() == b"\x06"
        assert modern.answer().get("MSA-2") == "new"
        assert plain.answer().get("MSA-2") == "old"


def test_release_2_is_told_what_was_not_stored_and_nothing_else(clients: Connect) -> None:
    def handle(message: bytes, peer: Peer) -> Reply:
        agreed = Commit.NOT_STORED if b"|full|" in message else Commit.STORED
        return Reply(accept(message, peer), lambda written: None, agreed)

    with listening(handle) as listener:
        client = clients(listener.port)

        client.send(frame(order("full")) + frame(order("again")))

        assert client.raw_answer() == b"\x15"
        assert client.raw_answer() == b"\x06"
        assert client.answer().get("MSA-2") == "again"


def test_a_crash_is_a_nak_in_release_2(clients: Connect) -> None:
    def handle(message: bytes, peer: Peer) -> Reply:
        raise KeyError("anything")

    with listening(handle, release_2=True) as listener:
        client = clients(listener.port)

        client.send(frame(order("1")))

        assert client.raw_answer() == b"\x15"


def test_a_sender_that_wants_no_answer_gets_none_and_goes_on(clients: Connect) -> None:
    def handle(message: bytes, peer: Peer) -> Reply:
        payload = b"" if b"|silent|" in message else accept(message, peer)
        return Reply(payload, lambda written: None)

    with listening(handle) as listener:
        client = clients(listener.port)

        client.send(frame(order("silent")) + frame(order("loud")))

        assert client.answer().get("MSA-2") == "loud"


def test_only_so_many_long_messages_are_held_at_once(clients: Connect) -> None:
    with listening(large_bytes=10_000, large_frames=1, frame_seconds=0.5) as listener:
        greedy, patient = clients(listener.port), clients(listener.port)
        greedy.send(b"\x0b" + order("1", "x" * 20_000))
        patient.send(frame(order("2", "x" * 300_000)))

        # The first never ends and is given up; the second is read only then.
        assert patient.answer().get("MSA-2") == "2"
        assert greedy.is_closed()


# --- answers that fail --------------------------------------------------------------------------


def test_a_crash_is_answered_and_the_connection_goes_on(clients: Connect) -> None:
    def handle(message: bytes, peer: Peer) -> bytes:
        if b"|bad|" in message:
            raise KeyError("Miller")
        return accept(message, peer)

    with listening(handle) as listener:
        client = clients(listener.port)

        client.send(frame(order("bad")) + frame(order("good")))

        raw = client.raw_answer()
        bad = Message.from_bytes(raw)
        assert (bad.get("MSA-1"), bad.get("MSA-2"), bad.get("ERR-1.4")) == ("AE", "bad", "207")
        assert b"Miller" not in raw
        assert client.answer().get("MSA-1") == "AA"


def test_a_crash_over_what_has_no_header_closes_the_connection(clients: Connect) -> None:
    with listening(accept) as listener:  # its assertion fails
        client = clients(listener.port)

        client.send(frame(b"no message at all"))

        assert client.is_closed()


def test_a_crash_that_cannot_be_answered_costs_its_connection_only(
    clients: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(message: bytes, peer: Peer) -> bytes:
        if b"|bad|" in message:
            raise KeyError("anything")
        return accept(message, peer)

    def crashes(frame: bytes, error_id: str) -> bytes:
        raise ValueError("again")

    monkeypatch.setattr(acks, "crashed", crashes)
    with listening(handle, threads=1) as listener:
        client = clients(listener.port)
        client.send(frame(order("bad")))

        assert client.is_closed()
        other = clients(listener.port)
        other.send(frame(order("good")))
        assert other.answer().get("MSA-1") == "AA"


def test_no_answer_closes_the_connection(clients: Connect) -> None:
    with listening(lambda message, peer: None) as listener:
        client = clients(listener.port)

        client.send(frame(order("1")))

        assert client.is_closed()


def test_an_answer_that_no_frame_can_carry_closes_the_connection(clients: Connect) -> None:
    with listening() as listener:
        client = clients(listener.port)

        client.send(frame(order("1\x1c2")))

        assert client.is_closed()


def test_the_handler_learns_whether_its_answer_was_written(clients: Connect) -> None:
    told: list[bool] = []
    gone = threading.Event()

    def handle(message: bytes, peer: Peer) -> Reply:
        if b"|late|" in message:
            gone.wait(10)
        return Reply(accept(message, peer) + b"NTE|1||" + b"x" * 3_000_000 + b"\r", told.append)

    with listening(handle, write_seconds=5) as listener:
        client = clients(listener.port)
        client.send(frame(order("1")))
        client.raw_answer()
        wait_until(lambda: told == [True], "the first answer is noted")

        # A reset: the system knows at once that nobody reads any more.
        client.send(frame(order("late")))
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        gone.set()
        wait_until(lambda: told == [True, False], "the second answer is noted")


def test_a_peer_that_never_reads_is_given_up(clients: Connect) -> None:
    told: list[bool] = []

    def handle(message: bytes, peer: Peer) -> Reply:
        return Reply(accept(message, peer) + b"NTE|1||" + b"x" * 30_000_000 + b"\r", told.append)

    with listening(handle, write_seconds=0.3) as listener:
        client = clients(listener.port)
        client.send(frame(order("1")))

        wait_until(lambda: told == [False], "the write is given up")
        wait_until(lambda: listener.connections == 0, "the connection is closed")


# --- the start and the stop ----------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    with listening() as listener:
        config = ListenerConfig(port=listener.port)
        with pytest.raises(OSError, match="in use"), server.running(config, accept):
            pass


def test_the_stop_answers_what_has_begun_and_closes_the_rest(clients: Connect) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handle(message: bytes, peer: Peer) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return accept(message, peer)

    with listening(handle) as listener:
        busy, idle, half = (clients(listener.port) for _ in range(3))
        half.send(b"\x0bMSH|")
        busy.send(frame(order("1")) + frame(order("2")))
        assert begun.wait(10)
        wait_until(lambda: listener.connections == 3, "all are in")
        threading.Timer(0.2, go_on.set).start()

    assert busy.answer().get("MSA-2") == "1"
    assert busy.is_closed()  # the second was never acknowledged
    assert idle.is_closed()
    assert half.is_closed()
    with pytest.raises(ConnectionRefusedError):
        Client(listener.port)


def test_a_handler_that_hangs_does_not_hold_up_the_stop(clients: Connect) -> None:
    forever = threading.Event()

    def handle(message: bytes, peer: Peer) -> None:
        forever.wait(60)

    with listening(handle, threads=1, drain_seconds=0.2) as listener:
        client = clients(listener.port)
        client.send(frame(order("1")))
        wait_until(lambda: listener.connections == 1, "the connection is in")
        started = time.monotonic()

    assert time.monotonic() - started < 6
    assert client.is_closed()
    forever.set()


def test_a_listener_is_ready_when_it_says_so() -> None:
    seen: list[Listener] = []
    with listening() as listener:
        seen.append(listener)
        Client(listener.port).close()

    assert seen[0].connections == 0


@pytest.mark.parametrize("turns", range(6))
def test_a_stop_right_after_a_connect_leaves_no_connection_open(turns: int) -> None:
    async def connect_and_stop() -> int:
        listener = Listener(ListenerConfig(port=0), accept)
        await listener.start()
        await asyncio.sleep(0.01)  # it waits for connections now
        with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await listener.stop()
            client.settimeout(10)
            with suppress(ConnectionError):
                assert client.recv(1) == b""
        return listener.connections

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        left = asyncio.run(connect_and_stop())
        gc.collect()

    assert left == 0
    assert [str(one.message) for one in told] == []
