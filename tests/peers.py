"""Peer systems played by the tests: an MLLP receiver that keeps what it gets."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

START, END = b"\x0b", b"\x1c\x0d"


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it arrived."""

    at: float
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8")

    def field(self, segment: str, number: int) -> str:
        """A field of the first such segment; MSH counted as HL7 does."""
        for line in self.text.split("\r"):
            if line.startswith(segment):
                parts = line.split("|")
                position = number - 1 if segment == "MSH" else number
                return parts[position] if position < len(parts) else ""
        return ""

    @property
    def control_id(self) -> str:
        return self.field("MSH", 10)

    @property
    def type(self) -> str:
        return "^".join(self.field("MSH", 9).split("^")[:2])


def accept(message: Heard) -> bytes | None:
    """Answer AA."""
    return (
        f"MSH|^~\\&|PEER|PEER|RIS|RIS|20260101||ACK|{message.control_id}A|P|2.5.1\r"
        f"MSA|AA|{message.control_id}\r"
    ).encode()


class MllpReceiver:
    """Listens on a free port of this machine; answers as ``answer`` says (None: silence)."""

    def __init__(self, answer: Callable[[Heard], bytes | None] = accept, port: int = 0) -> None:
        self.answer = answer
        self.heard: list[Heard] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        with connection:
            while not self._closing:
                try:
                    chunk = connection.recv(65536)
                except OSError:
                    return
                if not chunk:
                    return
                data += chunk
                while END in data:
                    frame, data = data.split(END, 1)
                    message = Heard(time.monotonic(), frame[frame.index(START) + 1 :])
                    with self._lock:
                        self.heard.append(message)
                    reply = self.answer(message)
                    if reply is not None:
                        try:
                            connection.sendall(START + reply + END)
                        except OSError:
                            return

    def of_type(self, pattern: str) -> list[Heard]:
        with self._lock:
            return [message for message in self.heard if re.fullmatch(pattern, message.type)]

    def close(self) -> None:
        self._closing = True
        self._listener.close()


def exchange(port: int, message: bytes, *, timeout: float = 10.0) -> bytes:
    """Send one message by MLLP on a connection of its own; the answer without its frame.

    Raises OSError if the connection ends before the answer is complete.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(START + message + END)
        data = b""
        while END not in data:
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError("closed before the answer")
            data += chunk
    return data[data.index(START) + 1 : data.index(END)]
