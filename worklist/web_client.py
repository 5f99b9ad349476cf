"""HTTP to an archive's DICOMweb service: one deadline for each request, no redirects, little kept.

The address is an operator's, so it may be in the hospital's own network. What went wrong is sorted
as for associations (:mod:`.requestor`): by what the peer may have got of the request.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from ris.client_tls import ClientTls, words_of
from ris.domain.protocol import Result
from ris.version import version
from worklist.requestor import CallError, Target, connected

MOST: Final = 8 << 20  # of an answer; no list of studies is that long
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A DICOMweb service, and how long to wait for what."""

    url: str
    tls: ClientTls | None = None
    authorization: str = ""
    connect_seconds: float = 10.0
    answer_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes


def ask(
    service: Service,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Answer:
    """One request to ``path`` below the service's address; raises CallError."""
    parts = urlsplit(service.url)
    tls = (service.tls or ClientTls()) if parts.scheme == "https" else None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    sock = connected(
        Target(
            host=host,
            port=port,
            called="",
            calling="",
            tls=tls,
            connect_seconds=service.connect_seconds,
        )
    )
    line = _Line(sock, monotonic() + service.answer_seconds)
    connection = _Connection(host, port)
    connection.sock = line
    try:
        _send(connection, service, method, parts.path.rstrip("/") + path, headers, body)
        return _answer(connection)
    finally:
        sock.close()


def _send(
    connection: _Connection,
    service: Service,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.putheader("User-Agent", f"RIS/{version()}")
    connection.putheader("Connection", "close")
    if body or method != "GET":
        connection.putheader("Content-Length", str(len(body)))
    if service.authorization:
        connection.putheader("Authorization", service.authorization)
    for name, value in headers.items():
        connection.putheader(name, value)
    try:
        connection.endheaders(body or None)
    except (OSError, http.client.HTTPException) as failed:
        # Not all of it was taken, so the peer cannot have the whole object.
        raise CallError(Result.TRANSIENT, f"not sent: {words_of(failed)}") from None


def _answer(connection: _Connection) -> Answer:
    try:
        response = connection.getresponse()
        body = response.read(MOST + 1)
    except (OSError, http.client.HTTPException) as failed:
        raise CallError(Result.AMBIGUOUS, f"no answer: {words_of(failed)}") from None
    if len(body) > MOST:
        raise CallError(Result.AMBIGUOUS, "the answer is larger than any answer is")
    if response.length:
        # What is left of it may say that the object was refused.
        raise CallError(Result.AMBIGUOUS, "the answer ends early")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.reason, headers, body)


class _Connection(http.client.HTTPConnection):
    """A connection over a socket that was opened before."""

    sock: Any

    def connect(self) -> None:
        raise OSError("the peer closed the connection")


class _Timed(io.RawIOBase):
    """The reading end of a socket that has one deadline for all that is read."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.wait()
        return self._line.sock.recv_into(buffer)


class _Line:
    """A socket for http.client, whose deadline no dripping peer can stretch."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self._deadline = deadline

    def wait(self) -> None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self))

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            self.wait()
            self.sock.sendall(data[start : start + _PIECE])

    def close(self) -> None:
        """http.client closes before it has read: the socket stays until the answer is whole."""
