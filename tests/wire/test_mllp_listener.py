"""The MLLP listener over real sockets: framing, order, limits, TLS, crashes, the stop."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from integration.hl7 import acks, server
from integration.hl7.er7 import Header, Message
from integration.hl7.server import Handle, Listener, ListenerConfig, Peer, Reply
from integration.hl7.tls import ServerTls
from ris.client_tls import ClientTls, client_context
from tests.running import wait_until
from tests.wire.mllp_certificates import Authority

pytestmark = pytest.mark.wire


def order(control_id: str = "M1", text: str = "") -> bytes:
    head = f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|2029||ORM^O01|{control_id}|P|2.3.1\r"
    return (head + f"NTE|1|L|{text}\r").encode()


def frame(message: bytes) -> bytes:
    return b"\x0b" + message + b"\x1c\x0d"


def accept(message: bytes, peer: Peer) -> bytes:
    header = Header.read(message)
    assert header is not None
    return acks.acknowledge(header)


class Client:
    """A sender of bytes that reads whole answers."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self) -> Message:
        return Message.from_bytes(self.raw_answer())

    def raw_answer(self) -> bytes:
        while b"\x1c\x0d" not in self._buffer:
            data = self.sock.recv(65_536)
            assert data, "closed without an answer"
            self._buffer += data
        content, _, self._buffer = self._buffer.partition(b"\x1c\x0d")
        assert content.startswith(b"\x0b")
        return content[1:]

    def is_closed(self) -> bool:
        """Wait for the end of the connection; anything else than silence before it fails."""
        try:
            return self.sock.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self) -> None:
        self.sock.close()


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def connect(port: int, context: ssl.SSLContext | None = None) -> Client:
        opened.append(Client(port, context))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def listening(handle: Handle = accept, **options: Any) -> AbstractContextManager[Listener]:
    return server.running(ListenerConfig(port=0, **options), handle)


Connect = Callable[..., Client]


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


# --- limits -------------------------------------------------------------------------------------


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


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def server_tls(authority: Authority, *, client_certificates: bool = False) -> ServerTls:
    certificate, key = authority.certify("ris")
    return ServerTls(certificate, key, authority.pem if client_certificates else None)


def trusting(authority: Authority, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    mine, key = certificate or (None, None)
    return client_context(ClientTls(ca=authority.pem, certificate=mine, key=key))


def test_tls_and_plain_ports_serve_side_by_side(clients: Connect, authority: Authority) -> None:
    seen: list[Peer] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append(peer)
        return accept(message, peer)

    with listening(handle, tls_port=0, tls=server_tls(authority)) as listener:
        assert listener.tls_port is not None
        plain, secure = clients(listener.port), clients(listener.tls_port, trusting(authority))
        for client in (plain, secure):
            client.send(frame(order("1")))
            assert client.answer().get("MSA-1") == "AA"

    assert [(peer.tls, peer.local_port) for peer in seen] == [
        (False, listener.port),
        (True, listener.tls_port),
    ]


def test_a_client_certificate_is_required_checked_and_handed_on(
    clients: Connect, authority: Authority, stranger: Authority
) -> None:
    seen: list[Peer] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append(peer)
        return accept(message, peer)

    tls = server_tls(authority, client_certificates=True)
    with listening(handle, tls_port=0, tls=tls) as listener:
        for context in (
            trusting(authority),
            trusting(authority, stranger.certify("impostor")),
        ):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                exchange(clients(listener.tls_port, context))

        exchange(clients(listener.tls_port, trusting(authority, authority.certify("his"))))

    (peer,) = seen
    assert peer.certificate is not None
    assert peer.certificate.subject == "commonName=his"
    assert peer.certificate.names == ("localhost", "127.0.0.1")
    assert len(peer.certificate.fingerprint) == 64


def exchange(client: Client) -> Message:
    client.send(frame(order("1")))
    return client.answer()


def test_old_tls_is_refused(clients: Connect, authority: Authority) -> None:
    with listening(tls_port=0, tls=server_tls(authority)) as listener:
        context = ssl.create_default_context(cafile=str(authority.pem))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        exchange(clients(listener.tls_port, context))

        context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_ciphers("AES128-SHA")  # no forward secrecy
        with pytest.raises(ssl.SSLError):
            clients(listener.tls_port, context)


def test_a_silent_tls_client_is_given_up_and_keeps_nobody_out(
    clients: Connect, authority: Authority
) -> None:
    tls = server_tls(authority)
    with listening(tls_port=0, tls=tls, handshake_seconds=0.3) as listener:
        silent = clients(listener.tls_port)
        wait_until(lambda: listener.connections == 1, "the silent one is counted")

        exchange(clients(listener.tls_port, trusting(authority)))

        assert silent.is_closed()


def test_a_bad_certificate_file_is_told_at_the_start(tmp_path: Path) -> None:
    missing = ServerTls(tmp_path / "no.pem", tmp_path / "no.key")

    with pytest.raises(FileNotFoundError), listening(tls_port=0, tls=missing):
        pass


def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    with listening() as listener:
        config = ListenerConfig(port=listener.port)
        with pytest.raises(OSError, match="in use"), server.running(config, accept):
            pass


# --- the stop -----------------------------------------------------------------------------------


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
