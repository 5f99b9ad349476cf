"""Sending over MLLP: one persistent connection per peer, one message in flight, answers checked.

An answer counts only if its MSA-2 is the MSH-10 that was sent. Whatever else happens after a
message has left (no answer in time, another message's answer, the end of the connection) closes
the connection, so that a late answer can never be taken for the next message's.

==========  =====================================================================================
DELIVERED   the peer said AA or CA
TRANSIENT   it cannot have got the message whole, or asked for another try (206, NAK): repeat
AMBIGUOUS   it may have: repeat with the same control id
REFUSED     it said AE, AR, CE or CR: a person must look; ``error`` is what it said
==========  =====================================================================================
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from integration.hl7 import acks, mllp
from integration.hl7.acks import Ack
from integration.hl7.er7 import Header
from integration.hl7.mllp import Decoder
from ris.client_tls import ClientTls, client_context, is_expected, words_of
from ris.domain.errors import RisError
from ris.domain.protocol import Result

_READ = 65_536
MAX_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A peer that receives; each different one has a connection of its own."""

    host: str
    port: int
    tls: ClientTls | None = None
    connect_seconds: float = 5.0
    reply_seconds: float = 30.0
    keep_open: bool = True  # some receivers take one message per connection
    release_2: bool = False  # a peer that must say COMMIT before its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How sending one message ended."""

    result: Result
    error: str = ""
    reply: bytes = b""
    ack: Ack | None = None
    seconds: float = 0.0


class InvalidCertificateError(OSError):
    """The peer's certificate does not have the fingerprint we know."""


class _Failed(Exception):  # noqa: N818 - carries a result out of the steps
    def __init__(self, result: Result, text: str, reply: bytes = b"") -> None:
        super().__init__(text)
        self.result = result
        self.reply = reply


@dataclass(slots=True, eq=False)
class _Line:
    """One connection and the lock that keeps one message in flight on it."""

    target: Target
    lock: threading.Lock = field(default_factory=threading.Lock)
    sock: socket.socket | None = None
    owner: int = 0  # the process that opened it: a fork must not share it

    def exchange(self, frame: bytes, control_id: str) -> tuple[bytes, Ack]:
        """Send and read the answer to it; raises _Failed, after which the line is closed."""
        try:
            sock = self._ready()
            deadline = monotonic() + self.target.reply_seconds
            self._send(sock, frame)
            reply, ack = self._receive(sock, deadline)
            if ack.control_id != control_id:
                raise _Failed(
                    Result.AMBIGUOUS, "the answer belongs to another message (MSA-2)", reply
                )
        except BaseException:
            self.close()
            raise
        if not self.target.keep_open:
            self.close()
        return reply, ack

    def close(self) -> None:
        sock, self.sock = self.sock, None
        if sock is not None:
            with suppress(OSError):
                sock.close()

    def _ready(self) -> socket.socket:
        """The open connection, or a new one."""
        if self.sock is not None and self.owner != os.getpid():
            self.sock.detach()  # its other holder goes on with it
            self.sock = None
        if self.sock is not None and not _is_quiet(self.sock):
            self.close()
        if self.sock is None:
            self.sock = self._connect()
            self.owner = os.getpid()
        return self.sock

    def _connect(self) -> socket.socket:
        target = self.target
        deadline = monotonic() + target.connect_seconds
        try:
            plain = _dial(target, deadline)
        except (OSError, UnicodeError) as error:  # the latter for what can be no host name
            raise _Failed(Result.TRANSIENT, f"no connection: {words_of(error)}") from None
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.settimeout(_left(deadline))  # for the handshake
            return _secure(plain, target) if target.tls else plain
        except (OSError, ValueError) as error:
            plain.close()
            raise _Failed(Result.TRANSIENT, f"no TLS connection: {words_of(error)}") from None

    def _send(self, sock: socket.socket, frame: bytes) -> None:
        try:
            sock.settimeout(self.target.reply_seconds)
            sock.sendall(frame)
        except OSError as error:
            # Not all of it was taken, so the peer cannot have the whole frame.
            raise _Failed(Result.TRANSIENT, f"not sent: {words_of(error)}") from None

    def _receive(self, sock: socket.socket, deadline: float) -> tuple[bytes, Ack]:
        decoder = Decoder(MAX_ANSWER)
        committed = False
        while True:
            try:
                frames = decoder.feed(_read(sock, deadline))
            except EOFError:
                last = decoder.flush()
                if last is None:
                    raise _Failed(Result.AMBIGUOUS, "closed without an answer") from None
                frames = [last]
            except OSError as error:
                raise _Failed(Result.AMBIGUOUS, f"no answer: {words_of(error)}") from None
            except RisError as error:
                raise _Failed(Result.AMBIGUOUS, f"unreadable answer: {error.message}") from None
            for position, frame in enumerate(frames, start=1):
                if frame == mllp.COMMIT:
                    committed = True
                    continue
                if frame == mllp.NAK:
                    raise _Failed(Result.TRANSIENT, "the peer could not store the message (NAK)")
                ack = acks.read(frame)
                if ack is None:
                    raise _Failed(Result.AMBIGUOUS, "the answer is no acknowledgement", frame)
                if self.target.release_2 and not committed:
                    raise _Failed(Result.AMBIGUOUS, "an answer without COMMIT", frame)
                if position < len(frames) or decoder.begun:
                    # More than was asked for: what comes next could not be told apart.
                    self.close()
                return frame, ack


class Connections:
    """Open connections by target; safe to use from many threads."""

    def __init__(self) -> None:
        self._lines: dict[Target, _Line] = {}
        self._lock = threading.Lock()

    def send(self, target: Target, message: bytes) -> Exchange:
        """Send one message (without frame) and wait for its answer; never raises for the peer.

        A message without MSH-10, or one that cannot be framed, is our fault: ValueError or
        InvalidValueError.
        """
        header = Header.read(message)
        if header is None or not header.control_id:
            raise ValueError("a message is not sent without MSH-10")
        frame = mllp.encode(message)
        with self._lock:
            line = self._lines.setdefault(target, _Line(target))
        started = monotonic()
        try:
            with line.lock:
                reply, ack = line.exchange(frame, header.control_id.strip())
        except _Failed as failed:
            return Exchange(
                result=failed.result,
                error=str(failed),
                reply=failed.reply,
                seconds=monotonic() - started,
            )
        if ack.accepted:
            result = Result.DELIVERED
        else:
            result = Result.TRANSIENT if ack.locked else Result.REFUSED
        return Exchange(
            result=result,
            error="" if ack.accepted else ack.reason,
            reply=reply,
            ack=ack,
            seconds=monotonic() - started,
        )

    def close(self) -> None:
        """Close all connections, each after the message in flight on it."""
        with self._lock:
            lines = list(self._lines.values())
            self._lines.clear()
        for line in lines:
            with line.lock:
                line.close()


def _dial(target: Target, deadline: float) -> socket.socket:
    """Connect to the first of the host's addresses that answers, all of them in time."""
    error: OSError = ConnectionRefusedError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        target.host, target.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
        except OSError as failed:
            error = failed
            sock.close()
        else:
            return sock
    raise error


def _left(deadline: float) -> float:
    wait = deadline - monotonic()
    if wait <= 0:
        raise TimeoutError("timed out")
    return wait


def _read(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(_left(deadline))
    data = sock.recv(_READ)
    if not data:
        raise EOFError
    return data


def _is_quiet(sock: socket.socket) -> bool:
    """Still open, and nothing came that nobody asked for."""
    try:
        sock.settimeout(0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _secure(plain: socket.socket, target: Target) -> ssl.SSLSocket:
    tls = target.tls or ClientTls()
    context = client_context(tls)
    secured = context.wrap_socket(plain, server_hostname=tls.server_name or target.host)
    if not is_expected(secured, tls.fingerprint):
        secured.close()
        raise InvalidCertificateError("the peer's certificate is not the one expected")
    return secured


def try_connection(target: Target) -> str:
    """Connect, shake hands if it is TLS, and hang up: what went wrong, or ""."""
    try:
        _Line(target)._connect().close()
    except _Failed as failed:
        return str(failed)
    return ""


# The connections of this process.
CONNECTIONS = Connections()


def send(target: Target, message: bytes) -> Exchange:
    """Send over the connections that this process keeps."""
    return CONNECTIONS.send(target, message)
