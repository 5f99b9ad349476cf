"""Crowds of HL7 senders that stall, never read or send too much (reliability.md R17, R21, R22)."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ris import config_sections as config
from tests.running import wait_until
from tests.swarm.clients import (
    HALF_HELLO,
    Listener,
    connect,
    crowd,
    is_cut_off,
    is_ended,
    listener,
    size,
)
from tests.wire.mllp_certificates import Authority

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

HONEST = 20
HALF_FRAME = b"\x0bMSH|^~\\&|HIS|"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    authority.certify("ris")
    return authority.folder


@contextmanager
def serving(tls: Path | None = None, **config: Any) -> Iterator[Listener]:
    asked: dict[str, Any] = {"config": {"connections": 4_096, **config}}
    if tls is not None:
        asked["tls"] = str(tls)
    with listener("tests.swarm.hl7_server", **asked) as server:
        exchange(server.port)
        yield server


def message(key: str = "1", text: str = "") -> bytes:
    lines = (
        f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|2029||ORM^O01|{key}|P|2.3.1",
        "PID|1||4711^^^HOSP^MR||Berg^Anna^Maria||19700503|F",
        f"ORC|NW|PL{key}^HIS|||||^^^20290311090000^^S",
        f"OBR|1|PL{key}^HIS||CTHEAD^CT head^L",
        f"OBX|1|TX|R||{text}",
    )
    return b"\x0b" + "\r".join((*lines, "")).encode() + b"\x1c\x0d"


def answer(sock: socket.socket) -> bytes:
    data = b""
    while b"\x1c\x0d" not in data:
        part = sock.recv(65_536)
        assert part, "closed without an answer"
        data += part
    return data


def exchange(port: int, certificates: Path | None = None, raw: bytes = b"") -> float:
    """Connect, send, read the answer, as a sender does; the seconds it took."""
    began = time.perf_counter()
    with ExitStack() as stack:
        sock: socket.socket = stack.enter_context(connect(port, 9_000))
        if certificates is not None:
            context = ssl.create_default_context(cafile=str(certificates / "authority.pem"))
            sock = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
        sock.settimeout(60)
        sock.sendall(raw or message())
        assert b"MSA|AA|1" in answer(sock)
    return time.perf_counter() - began


def test_half_frames_and_half_hellos_keep_nobody_out_and_are_dropped_at_the_deadline(
    certificates: Path,
) -> None:
    seconds = 10.0 if size(0) else 2.0  # so many take a while to come
    with (
        serving(certificates, frame_seconds=seconds, handshake_seconds=seconds) as server,
        ExitStack() as stack,
    ):
        exchange(server.tls_port, certificates)
        before, sockets = server.memory, server.sockets
        began = time.monotonic()
        stalled = crowd(stack, server.port, size(100), HALF_FRAME)
        greeting = crowd(stack, server.tls_port, size(50), HALF_HELLO)

        for _ in range(HONEST):
            exchange(server.port)
            exchange(server.tls_port, certificates)
        # 20 kB for a socket and what belongs to it; TLS keeps a quarter of a megabyte more.
        assert server.memory - before <= 0.02 * len(stalled) + 0.4 * len(greeting) + 4
        assert all(is_ended(one) for one in stalled + greeting)

        assert time.monotonic() - began < 4 * seconds
        wait_until(lambda: server.sockets <= sockets, "every slot is given back")
        exchange(server.port)


def test_as_it_is_set_up_half_frames_of_many_addresses_keep_nobody_out() -> None:
    as_set_up = config.Mllp().connections
    with serving(connections=as_set_up) as server, ExitStack() as stack:
        stalled = crowd(stack, server.port, 500, HALF_FRAME)

        exchange(server.port)

        assert len(stalled) == 500


def test_senders_that_never_read_their_answers_are_cut_off_with_little_in_memory() -> None:
    with serving(write_seconds=1.0) as server, ExitStack() as stack:
        before = server.memory
        flood = b"".join(message(key="K" * 190) for _ in range(20))
        stuck = [stack.enter_context(_deaf(server.port)) for _ in range(10)]
        left, peak, end = set(stuck), before, time.monotonic() + 20
        while left and time.monotonic() < end:
            left -= {one for one in left if _is_refused(one, flood)}
            peak = max(peak, server.memory)

        assert not left
        assert peak - before <= 10 * 0.5 + 4
        exchange(server.port)


def _deaf(port: int) -> socket.socket:
    """A connection with next to no room for answers."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


def _is_refused(sock: socket.socket, data: bytes) -> bool:
    try:
        sock.send(data)
    except BlockingIOError:
        return is_cut_off(sock, 0.01)
    except OSError:
        return True
    return False


def test_frames_beyond_the_limit_are_refused_and_cost_no_memory() -> None:
    with serving(frame_bytes=1_000_000) as server:
        before = server.memory
        peak = before
        for number in range(10):
            with connect(server.port, number) as one, suppress(ConnectionError):
                one.sendall(message(text="x" * 3_000_000))
                assert b"MSA|AR|1" in answer(one)
            peak = max(peak, server.memory)

        assert peak - before <= 20
        exchange(server.port)


def test_many_half_long_messages_do_not_fill_the_memory() -> None:
    with serving(frame_seconds=3.0) as server, ExitStack() as stack:
        before = server.memory
        begun = message(text="x" * 4_000_000)[:3_000_000]
        senders = [
            threading.Thread(
                target=_send, args=(stack.enter_context(connect(server.port, n)), begun)
            )
            for n in range(20)
        ]
        for sender in senders:
            sender.start()
        peak, end = before, time.monotonic() + 2
        while time.monotonic() < end:
            peak = max(peak, server.memory)
            exchange(server.port)

        # Four of them are read; of each other one a megabyte and what waits in a buffer.
        assert peak - before <= 4 * 4 + 16 * 1.5 + 10
    for sender in senders:
        sender.join(10)


def _send(sock: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        sock.settimeout(5)
        sock.sendall(data)


def test_a_message_of_ten_megabytes_lets_others_through() -> None:
    # As most of them are: one document in one value.
    long = message(text="QUJD" * 2_500_000)
    with serving() as server:
        slow = [threading.Thread(target=exchange, args=(server.port, None, long)) for _ in range(2)]
        for each in slow:
            each.start()
        took = []
        while any(each.is_alive() for each in slow):
            took.append(exchange(server.port))
        for each in slow:
            each.join()

        assert took
        assert max(took) < 10.0


def test_memory_stays_flat_over_many_messages() -> None:
    count = int(os.environ.get("RIS_TEST_MESSAGES", "4000"))
    with serving() as server, connect(server.port) as one:
        pieces = [message(str(number), "text " * 100) for number in range(50)]
        for _ in range(10):
            _rounds(one, pieces)
        before = server.memory
        for _ in range(max(1, count // len(pieces))):
            _rounds(one, pieces)

        assert server.memory - before <= 3.0


def _rounds(sock: socket.socket, pieces: list[bytes]) -> None:
    sock.sendall(b"".join(pieces))
    data = b""
    while data.count(b"\x1c\x0d") < len(pieces):
        part = sock.recv(65_536)
        assert part
        data += part
