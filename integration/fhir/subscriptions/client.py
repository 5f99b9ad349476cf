"""One HTTP request to a subscriber: to a checked address, no redirects, a deadline, little read.

http.client and not a library above it: those resolve names themselves, follow redirects and read
answers whole.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from integration.fhir.subscriptions import ssrf
from ris.client_tls import ClientTls, client_context
from ris.version import version

CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 20.0
_CHUNK = 64 * 1024
MAX_ANSWER = 16 * 1024  # an answer's body means nothing to us; so much of it is shown

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sending:
    """A request, and under which rules it is sent."""

    method: str
    url: str
    headers: Headers
    body: bytes
    allowed: Sequence[str] = ()
    ca: Path | None = None
    seconds: float = DEADLINE_SECONDS
    resolve: ssrf.Resolve = field(default=ssrf.resolve)


@dataclass(frozen=True, slots=True)
class Answered:
    """Status and the beginning of the answer; ``retry_after`` is the header of that name."""

    status: int
    reason: str
    body: bytes
    retry_after: str = ""


class NotSentError(Exception):
    """Nothing was sent, so nothing can have arrived."""


class NoAnswerError(Exception):
    """It was sent, at least in part, and no answer came."""


def send(sending: Sending) -> Answered:
    """Send and wait for the answer; raises NotSentError, NoAnswerError, ForbiddenAddressError."""
    deadline = time.monotonic() + sending.seconds
    try:
        target = ssrf.check(sending.url, sending.allowed, sending.resolve)
    except (OSError, UnicodeError) as error:
        raise NotSentError(f"the name does not resolve ({type(error).__name__})") from None
    connection = _connect(target, sending.ca, deadline)
    try:
        return _exchange(connection, target, sending)
    finally:
        connection.close()


class _Timed(io.RawIOBase):
    """The reading end of a socket that has one deadline for all that is read."""

    def __init__(self, opened: socket.socket, deadline: float) -> None:
        self._opened = opened
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._opened.settimeout(_left(self._deadline))
        return self._opened.recv_into(buffer)


class _Line:
    """A socket for http.client, whose deadline no dripping peer can stretch."""

    def __init__(self, opened: socket.socket, deadline: float) -> None:
        self.opened = opened
        self.deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self.opened, self.deadline))

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            self.opened.settimeout(_left(self.deadline))
            self.opened.sendall(data[start : start + _CHUNK])

    def close(self) -> None:
        self.opened.close()


class _Connection(http.client.HTTPConnection):
    """A connection over a socket that was opened and checked before."""

    def __init__(self, target: ssrf.Target, line: _Line) -> None:
        super().__init__(target.host, target.port)
        self.sock: Any = line

    def connect(self) -> None:
        raise NoAnswerError("the peer closed the connection")  # never to another address


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(target: ssrf.Target, ca: Path | None, deadline: float) -> _Connection:
    opened = _open(target, deadline)
    if target.scheme == "https":
        try:
            opened.settimeout(max(0.1, min(CONNECT_SECONDS, deadline - time.monotonic())))
            opened = _context(ca).wrap_socket(opened, server_hostname=target.host)
        except ssl.SSLCertVerificationError as error:
            opened.close()
            raise NotSentError(f"its certificate is not accepted: {error.verify_message}") from None
        except (OSError, ValueError) as error:
            opened.close()
            raise NotSentError(f"TLS failed ({type(error).__name__})") from None
    return _Connection(target, _Line(opened, deadline))


def _open(target: ssrf.Target, deadline: float) -> socket.socket:
    fault = "no address"
    for address in target.addresses:
        left = min(CONNECT_SECONDS, deadline - time.monotonic())
        if left <= 0:
            break
        try:
            return socket.create_connection((address, target.port), timeout=left)
        except OSError as error:
            fault = type(error).__name__
    raise NotSentError(f"no connection ({fault})")


@lru_cache(maxsize=4)
def _context(ca: Path | None) -> ssl.SSLContext:
    return client_context(ClientTls(ca=ca))


def _exchange(connection: _Connection, target: ssrf.Target, sending: Sending) -> Answered:
    try:
        connection.putrequest(
            sending.method, target.path, skip_host=True, skip_accept_encoding=True
        )
        connection.putheader("Host", target.netloc)
        connection.putheader("User-Agent", f"RIS/{version()}")
        connection.putheader("Accept", "*/*")
        connection.putheader("Connection", "close")
        connection.putheader("Content-Length", str(len(sending.body)))
        for name, value in sending.headers:
            connection.putheader(name, value)
        connection.endheaders(sending.body)
        answer = connection.getresponse()
        body = _beginning(answer)
        return Answered(
            answer.status, answer.reason, body, answer.getheader("Retry-After", "") or ""
        )
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"no answer ({type(error).__name__})") from None


def _beginning(answer: http.client.HTTPResponse) -> bytes:
    """The first bytes of the body; who drips them or never ends is left, with what he said."""
    found = b""
    try:
        while len(found) < MAX_ANSWER:
            chunk = answer.read1(MAX_ANSWER - len(found))
            if not chunk:
                break
            found += chunk
    except (OSError, http.client.HTTPException):
        return found  # the status came, and it is the status that counts
    return found
