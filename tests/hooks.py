"""A subscriber played by the tests: an HTTP receiver that keeps what it gets, and can misbehave."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.running import wait_until


@dataclass(frozen=True, slots=True)
class Hooked:
    """One request as it arrived."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def status(self) -> dict[str, Any]:
        """The Parameters of a notification Bundle, by name; of repeated ones the last."""
        first = self.body["entry"][0]["resource"]
        found = {}
        for part in first["parameter"]:
            found[part["name"]] = next(
                (value for name, value in part.items() if name.startswith("value")), part
            )
        return found

    @property
    def kind(self) -> str:
        return str(self.status["type"])

    @property
    def numbers(self) -> list[int]:
        first = self.body["entry"][0]["resource"]
        return [
            int(part["part"][0]["valueString"])
            for part in first["parameter"]
            if part["name"] == "notification-event"
        ]


# What a receiver writes for a request; None: it closes without a word.
Answer = Callable[[Hooked], bytes | None]


def said(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def well(request: Hooked) -> bytes | None:
    return said(200)


@dataclass
class Hook:
    """Listens on a free port of this machine; ``answer`` may be changed while it does."""

    answer: Answer = well
    tls: ssl.SSLContext | None = None
    heard: list[Hooked] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/hook"

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                request = _read(connection)
                self.heard.append(request)
                answer = self.answer(request)
                if answer is not None:
                    connection.sendall(answer)
            except OSError:
                return
            finally:
                connection.close()

    def wait_for(self, count: int, seconds: float = 10) -> list[Hooked]:
        """The first ``count`` requests, once they are there."""
        wait_until(lambda: len(self.heard) >= count, f"{count} requests came", seconds)
        return self.heard[:count]

    def close(self) -> None:
        self._done.set()
        # A blocked accept() is not woken by close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def _read(connection: socket.socket) -> Hooked:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, path, _ = first.split(" ")
    return Hooked(time.monotonic(), method, path, headers, body)


@contextmanager
def hook(answer: Answer = well, tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    receiver = Hook(answer, tls)
    try:
        yield receiver
    finally:
        receiver.close()
