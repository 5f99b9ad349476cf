"""Sending over MLLP to real sockets: kept connections, checked answers, told-apart failures."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from integration.hl7 import acks, mllp_client, server
from integration.hl7.er7 import Header, Message
from integration.hl7.mllp_client import Connections, Exchange, Target
from integration.hl7.server import ListenerConfig, Peer
from integration.hl7.tls import ServerTls
from ris.client_tls import ClientTls
from ris.domain.errors import BusyError, DeniedError, InvalidValueError, RisError
from ris.domain.protocol import Result
from tests.running import wait_until
from tests.wire.mllp_certificates import Authority

pytestmark = pytest.mark.wire


def result_message(control_id: str = "R1") -> bytes:
    return f"MSH|^~\\&|RIS|RAD|EHR|GENERAL|2029||ORU^R01|{control_id}|P|2.5.1\r".encode()


def ack(code: str = "AA", control_id: str = "R1") -> bytes:
    head = "MSH|^~\\&|EHR|GENERAL|RIS|RAD|2029||ACK|1|P|2.5.1\r"
    return f"\x0b{head}MSA|{code}|{control_id}\r\x1c\r".encode()


Step = Callable[["Script", socket.socket], object]


class Script:
    """A peer that does what it is told with each connection, one after the other."""

    def __init__(self, *steps: Step) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self.heard: list[bytes] = []
        self._steps = steps
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for step in self._steps:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(10)
            with sock, suppress(OSError):  # the sender may hang up on us at any point
                step(self, sock)

    def hear(self, sock: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"\x1c\r"):
            chunk = sock.recv(65_536)
            if not chunk:
                return b""
            data += chunk
        self.heard.append(data)
        return data

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def play() -> Iterator[Callable[..., Script]]:
    played: list[Script] = []

    def start(*steps: Step) -> Script:
        played.append(Script(*steps))
        return played[-1]

    yield start
    for script in played:
        script.close()


Play = Callable[..., Script]


@pytest.fixture
def connections(play: Play) -> Iterator[Connections]:
    """Closed before the peers of ``play``, who wait for that."""
    opened = Connections()
    yield opened
    opened.close()


def answering(*replies: bytes) -> Step:
    """Hear a message and answer it, once for each reply; then wait for the end."""

    def step(script: Script, sock: socket.socket) -> None:
        for reply in replies:
            if not script.hear(sock):
                return
            sock.sendall(reply)
        sock.recv(1)

    return step


def send(
    connections: Connections, port: int, control_id: str = "R1", **options: object
) -> Exchange:
    target = Target(host="127.0.0.1", port=port, **options)  # type: ignore[arg-type]
    return connections.send(target, result_message(control_id))


# --- answers ------------------------------------------------------------------------------------


def test_messages_share_one_connection(connections: Connections, play: Play) -> None:
    script = play(answering(ack(control_id="R1"), ack("CA", "R2"), ack(control_id="R3")))

    exchanges = [send(connections, script.port, f"R{number}") for number in (1, 2, 3)]

    assert [exchange.result for exchange in exchanges] == [Result.DELIVERED] * 3
    assert script.accepted == 1
    assert script.heard[0] == b"\x0b" + result_message("R1") + b"\x1c\r"
    assert exchanges[0].reply == ack()[1:-2]
    assert exchanges[0].error == ""
    assert exchanges[1].ack is not None
    assert exchanges[1].ack.code == "CA"


@pytest.mark.parametrize(
    ("error", "result", "reason"),
    [
        (InvalidValueError("no such code", path="OBR-4.1"), Result.REFUSED,
         "AE: no such code; 102 OBR^1^4^1^1"),
        (DeniedError("not you"), Result.REFUSED, "AR: not you; 207"),
        (BusyError("patient is locked"), Result.TRANSIENT, "AE: patient is locked; 206"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_the_peer_said(
    connections: Connections, error: RisError, result: Result, reason: str
) -> None:
    def handle(message: bytes, peer: Peer) -> bytes:
        header = Header.read(message)
        assert header is not None
        return acks.acknowledge(header, error)

    with server.running(ListenerConfig(port=0), handle) as listener:
        exchange = send(connections, listener.port)
        again = send(connections, listener.port)

    assert (exchange.result, exchange.error) == (result, reason)
    assert again.result is result  # the connection goes on
    assert exchange.ack is not None
    assert Message.from_bytes(exchange.reply).get("MSA-2") == "R1"


def test_an_answer_may_come_in_pieces(connections: Connections, play: Play) -> None:
    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        for byte in ack():
            sock.sendall(bytes([byte]))
        sock.recv(1)

    assert send(connections, play(step).port).result is Result.DELIVERED


def test_an_answer_may_lack_its_last_byte_if_the_peer_closes(
    connections: Connections, play: Play
) -> None:
    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        sock.sendall(ack()[:-1])

    assert send(connections, play(step).port).result is Result.DELIVERED


def test_release_2_waits_for_the_commit_and_the_answer(
    connections: Connections, play: Play
) -> None:
    commit = b"\x0b\x06\x1c\r"
    script = play(answering(commit + ack(), ack(control_id="R2")), answering(ack(control_id="R3")))

    assert send(connections, script.port, release_2=True).result is Result.DELIVERED
    missing = send(connections, script.port, "R2", release_2=True)

    assert (missing.result, missing.error) == (Result.AMBIGUOUS, "an answer without COMMIT")
    assert send(connections, script.port, "R3").result is Result.DELIVERED


def test_a_commit_is_understood_without_being_asked_for(
    connections: Connections, play: Play
) -> None:
    script = play(answering(b"\x0b\x06\x1c\r" + ack()))

    assert send(connections, script.port).result is Result.DELIVERED


def test_a_peer_that_could_not_store_is_asked_again(connections: Connections, play: Play) -> None:
    script = play(answering(b"\x0b\x15\x1c\r"))

    exchange = send(connections, script.port)

    assert exchange.result is Result.TRANSIENT
    assert exchange.error == "the peer could not store the message (NAK)"


# --- nothing was sent ---------------------------------------------------------------------------


def test_a_peer_that_is_down_has_not_got_the_message(connections: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]

    exchange = send(connections, port)

    assert exchange.result is Result.TRANSIENT
    assert exchange.error == "no connection: Connection refused"
    assert exchange.ack is None


def test_a_name_that_is_none_is_told(connections: Connections) -> None:
    exchange = connections.send(Target(host="a..b", port=1), result_message())

    assert exchange.result is Result.TRANSIENT
    assert exchange.error.startswith("no connection: ")


def test_a_message_that_the_peer_does_not_take_whole_was_not_sent(
    connections: Connections, play: Play
) -> None:
    done = threading.Event()
    script = play(lambda script, sock: done.wait(10))
    long = result_message() + b"NTE|1||" + b"x" * 30_000_000 + b"\r"

    target = Target(host="127.0.0.1", port=script.port, reply_seconds=0.3)
    exchange = connections.send(target, long)
    done.set()

    assert (exchange.result, exchange.error) == (Result.TRANSIENT, "not sent: timed out")


# --- it may have been received ------------------------------------------------------------------


def test_silence_is_ambiguous_and_ends_the_connection(connections: Connections, play: Play) -> None:
    late = threading.Event()

    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        late.wait(10)

    script = play(step, answering(ack(control_id="R2")))

    exchange = send(connections, script.port, reply_seconds=0.3)
    assert (exchange.result, exchange.error) == (Result.AMBIGUOUS, "no answer: timed out")

    late.set()
    # The late answer can never be taken for the next one: it has no connection to come by.
    assert send(connections, script.port, "R2", reply_seconds=0.3).result is Result.DELIVERED
    assert script.accepted == 2


def test_a_trickle_of_bytes_does_not_extend_the_wait(connections: Connections, play: Play) -> None:
    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        sock.settimeout(0.02)
        for _ in range(500):
            try:
                sock.sendall(b"\x0b")
                if sock.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    exchange = send(connections, play(step).port, reply_seconds=0.3)

    assert exchange.result is Result.AMBIGUOUS
    assert exchange.seconds < 5


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "closed without an answer"),
        (ack()[:20], "closed without an answer"),
        (ack(control_id="R0"), "the answer belongs to another message (MSA-2)"),
        (b"\x0bMSH|^~\\&|A\rPID|1\r\x1c\r", "the answer is no acknowledgement"),
        (b"\x0b" + b"x" * 5_000_000 + b"\x1c\r",
         "unreadable answer: the message is longer than 4194304 bytes"),
        (b"HTTP/1.1 400 Bad Request\n" * 4_000, "unreadable answer: no MLLP frame was found"),
    ],
)  # fmt: skip
def test_what_is_no_answer_to_this_message_is_ambiguous_and_ends_the_connection(
    connections: Connections, play: Play, reply: bytes, error: str
) -> None:
    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass

    script = play(step, answering(ack(control_id="R2")))

    exchange = send(connections, script.port)

    assert (exchange.result, exchange.error) == (Result.AMBIGUOUS, error)
    assert send(connections, script.port, "R2").result is Result.DELIVERED
    assert script.accepted == 2


def test_a_reset_after_sending_is_ambiguous(connections: Connections, play: Play) -> None:
    def step(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    exchange = send(connections, play(step).port)

    assert (exchange.result, exchange.error) == (
        Result.AMBIGUOUS,
        "no answer: Connection reset by peer",
    )


# --- connections that are kept ------------------------------------------------------------------


def test_a_connection_that_the_peer_has_closed_is_replaced(
    connections: Connections, play: Play
) -> None:
    closed = threading.Event()

    def once(script: Script, sock: socket.socket) -> None:
        script.hear(sock)
        sock.sendall(ack())
        sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    script = play(once, answering(ack(control_id="R2")))
    assert send(connections, script.port).result is Result.DELIVERED
    assert closed.wait(10)

    assert send(connections, script.port, "R2").result is Result.DELIVERED
    assert script.accepted == 2


def test_a_connection_on_which_something_came_unasked_is_replaced(
    connections: Connections, play: Play
) -> None:
    script = play(answering(ack() + ack()), answering(ack(control_id="R2")))
    assert send(connections, script.port).result is Result.DELIVERED

    assert send(connections, script.port, "R2").result is Result.DELIVERED
    assert script.accepted == 2


def test_a_peer_may_get_a_connection_for_each_message(connections: Connections, play: Play) -> None:
    script = play(answering(ack()), answering(ack(control_id="R2")))

    for control_id in ("R1", "R2"):
        exchange = send(connections, script.port, control_id, keep_open=False)
        assert exchange.result is Result.DELIVERED
    assert script.accepted == 2


def test_threads_take_turns_on_a_connection(connections: Connections) -> None:
    seen: list[Peer] = []

    def handle(message: bytes, peer: Peer) -> bytes:
        seen.append(peer)
        header = Header.read(message)
        assert header is not None
        return acks.acknowledge(header)

    results: list[Result] = []
    with server.running(ListenerConfig(port=0), handle) as listener:

        def work(name: str) -> None:
            for number in range(20):
                exchange = send(connections, listener.port, f"{name}{number}")
                results.append(exchange.result)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        wait_until(lambda: len(seen) == 80, "all have arrived")

    assert results == [Result.DELIVERED] * 80
    assert {peer.connection for peer in seen} == {1}


def test_a_message_without_an_identifier_is_a_fault_of_ours(connections: Connections) -> None:
    target = Target(host="127.0.0.1", port=1)

    with pytest.raises(ValueError, match="MSH-10"):
        connections.send(target, b"MSH|^~\\&|RIS\r")
    with pytest.raises(InvalidValueError):
        connections.send(target, result_message() + b"NTE|\x1c")


def test_the_connections_of_the_process_are_shared(play: Play) -> None:
    script = play(answering(ack(), ack(control_id="R2")))
    target = Target(host="127.0.0.1", port=script.port)

    assert mllp_client.send(target, result_message()).result is Result.DELIVERED
    assert mllp_client.send(target, result_message("R2")).result is Result.DELIVERED
    mllp_client.CONNECTIONS.close()

    assert script.accepted == 1


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port(authority: Authority) -> Iterator[int]:
    def handle(message: bytes, peer: Peer) -> bytes:
        header = Header.read(message)
        assert header is not None
        return acks.acknowledge(header)

    certificate, key = authority.certify("ehr")
    config = ListenerConfig(port=0, tls_port=0, tls=ServerTls(certificate, key, authority.pem))
    with server.running(config, handle) as listener:
        assert listener.tls_port is not None
        yield listener.tls_port


def own(authority: Authority, **options: object) -> ClientTls:
    certificate, key = authority.certify("ris")
    return ClientTls(certificate=certificate, key=key, **options)  # type: ignore[arg-type]


def test_messages_go_over_tls(
    connections: Connections, authority: Authority, tls_port: int
) -> None:
    tls = own(authority, ca=authority.pem)

    for control_id in ("R1", "R2"):
        assert send(connections, tls_port, control_id, tls=tls).result is Result.DELIVERED


def test_a_known_certificate_is_enough(
    connections: Connections, authority: Authority, tls_port: int
) -> None:
    der = ssl.PEM_cert_to_DER_cert((authority.folder / "ehr.pem").read_text())
    right = hashlib.sha256(der).hexdigest()
    pinned = own(authority, fingerprint=right.upper())
    wrong = own(authority, fingerprint="00" * 32)

    assert send(connections, tls_port, tls=pinned).result is Result.DELIVERED
    refused = send(connections, tls_port, tls=wrong)
    assert (refused.result, refused.error) == (
        Result.TRANSIENT,
        "no TLS connection: the peer's certificate is not the one expected",
    )


def test_a_peer_that_nobody_vouches_for_gets_nothing(
    connections: Connections, authority: Authority, tls_port: int, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")

    for tls in (
        own(authority, ca=stranger.pem),
        own(authority, ca=authority.pem, server_name="elsewhere"),
        ClientTls(ca=tmp_path / "missing.pem"),
    ):
        exchange = send(connections, tls_port, tls=tls)
        assert exchange.result is Result.TRANSIENT
        assert exchange.error.startswith("no TLS connection: ")


def test_tls_towards_a_peer_that_does_not_speak_it_is_given_up(
    connections: Connections, authority: Authority, play: Play
) -> None:
    script = play(lambda script, sock: sock.recv(10_000))
    silent = play(lambda script, sock: (sock.recv(1), sock.recv(10_000), sock.recv(1)))
    tls = own(authority, ca=authority.pem)

    assert send(connections, script.port, tls=tls).result is Result.TRANSIENT
    exchange = send(connections, silent.port, tls=tls, connect_seconds=0.3)
    assert exchange.result is Result.TRANSIENT
