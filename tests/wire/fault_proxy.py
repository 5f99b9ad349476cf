"""A peer's network and manners at their worst: a proxy for MLLP that does a fault per message.

It stands between our sender and a real listener. Each message takes the next fault of the script;
when the script is over all is well. A fault is a function of the :class:`Case` it is given.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

START, END = b"\x0b", b"\x1c\r"
LIMIT = 60.0  # no wait is longer


@dataclass(frozen=True, slots=True)
class Case:
    """One message on its way: who sent it, who shall have it, and the whole frame."""

    client: socket.socket
    upstream: socket.socket
    frame: bytes
    proxy: FaultProxy

    def exchange(self) -> bytes:
        """Give the message to the peer; its answer, with its frame."""
        self.upstream.sendall(self.frame)
        return read_frame(self.upstream)

    @property
    def control_id(self) -> str:
        return self.frame.split(b"\r", 1)[0].split(b"|")[9].decode()

    def answer(self, code: str, err: str = "", *, control_id: str | None = None) -> bytes:
        """An acknowledgement that the peer did not give."""
        named = self.control_id if control_id is None else control_id
        head = f"MSH|^~\\&|PEER|X|RIS|X|2029||ACK|{time.monotonic_ns()}|P|2.5.1\r"
        body = f"{head}MSA|{code}|{named}\r" + (f"{err}\r" if err else "")
        return START + body.encode() + END


Fault = Callable[[Case], bool | None]  # False: the connection is over


class FaultProxy:
    """``port`` is where the sender connects; ``seen`` are the control ids of all tries."""

    def __init__(self, upstream_port: int, *script: Fault) -> None:
        self._upstream_port = upstream_port
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[str] = []
        self.accepted = 0
        self.kept: list[bytes] = []  # answers that come later than they should
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            client.settimeout(LIMIT)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        address = ("127.0.0.1", self._upstream_port)
        with client, suppress(OSError), socket.create_connection(address, LIMIT) as upstream:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, upstream}
            while not self.stopped.is_set():
                frame = read_frame(client)
                if not frame:
                    return
                case = Case(client, upstream, frame, self)
                with self._lock:
                    self.seen.append(case.control_id)
                    fault = self._script.pop(0) if self._script else well
                if fault(case) is False:
                    return

    def then(self, *script: Fault) -> None:
        with self._lock:
            self._script += script

    def close(self) -> None:
        self.stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_frame(sock: socket.socket) -> bytes:
    """One frame, or nothing if the other side has closed."""
    data = b""
    while not data.endswith(END):
        chunk = sock.recv(65_536)
        if not chunk:
            return b""
        data += chunk
    return data


# --- faults -------------------------------------------------------------------------------------


def well(case: Case) -> None:
    case.client.sendall(case.exchange())


def delay(seconds: float) -> Fault:
    def fault(case: Case) -> None:
        case.proxy.stopped.wait(seconds)
        well(case)

    return fault


def fragments(case: Case) -> None:
    """Every byte by itself, both ways."""
    case.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in case.frame:
        case.upstream.sendall(bytes([byte]))
    for byte in read_frame(case.upstream):
        case.client.sendall(bytes([byte]))


def cut_before(case: Case) -> bool:
    """The line is cut before the peer has anything."""
    return False


def cut_after(case: Case) -> bool:
    """The peer has the message; its answer is lost."""
    case.exchange()
    return False


def cut_in_reply(case: Case) -> bool:
    reply = case.exchange()
    case.client.sendall(reply[: len(reply) // 2])
    return False


def reset(case: Case) -> bool:
    """The line is reset after the peer had the message."""
    case.exchange()
    case.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def black_hole(case: Case) -> bool:
    """Everything is swallowed and nothing comes back, until the sender hangs up."""
    with suppress(OSError):
        while case.client.recv(65_536):
            pass
    return False


def silence(case: Case) -> bool:
    """The peer has the message and keeps its answer to itself."""
    case.exchange()
    return black_hole(case)


def late(case: Case) -> bool:
    """The peer answers after the sender has given up; the answer waits for the next message."""
    case.proxy.kept.append(case.exchange())
    return black_hole(case)


def slow_half(case: Case) -> bool:
    """Half of the answer, and then no more."""
    reply = case.exchange()
    case.client.sendall(reply[: len(reply) // 2])
    return black_hole(case)


def wrong_message(case: Case) -> None:
    """An answer to some other message (MSA-2)."""
    case.exchange()
    case.client.sendall(case.answer("AA", control_id="SOMETHING ELSE"))


def blank(case: Case) -> None:
    """A frame without anything in it."""
    case.exchange()
    case.client.sendall(START + END)


def no_acknowledgement(case: Case) -> None:
    """A message that is none of an answer."""
    case.exchange()
    case.client.sendall(START + b"MSH|^~\\&|PEER\rMSA||\r" + END)


def twice(case: Case) -> None:
    """The same answer, two times."""
    reply = case.exchange()
    case.client.sendall(reply + reply)


def refuses(code: str, number: str = "", text: str = "no") -> Fault:
    """An answer of AE, AR, CE or CR; ``number`` is ERR-3."""
    err = f"ERR||PID^1^3|{number}^{text}^HL70357|E||||{text}" if number else ""

    def fault(case: Case) -> None:
        case.client.sendall(case.answer(code, err))

    return fault
