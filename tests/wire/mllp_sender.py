"""A sender over MLLP that the tests drive byte by byte, and a listener to drive it against."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from integration.hl7 import acks, server
from integration.hl7.er7 import Header, Message
from integration.hl7.server import Handle, Listener, ListenerConfig, Peer


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


def listening(handle: Handle = accept, **options: Any) -> AbstractContextManager[Listener]:
    return server.running(ListenerConfig(port=0, **options), handle)


Connect = Callable[..., Client]
