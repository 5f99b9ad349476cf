"""The load driver: conversations over sockets, many at a time, from one thread.

A conversation is sans-I/O (what to say, what an answer means); the driver connects, waits and
takes the time. ``keep`` says whether a connection is used again: then a latency is that of one
request, else that of connecting, asking and parting.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

# More than any answer has. Where one took two reads, its time held the looking through of the first
# part as well: 800 bytes more took twice as long.
_RECEIVE = 1 << 22
_MOST_FAILURES = 500


class Said(Enum):
    """What an answer amounts to."""

    MORE = auto()  # not complete
    OPEN = auto()  # the connection may be used
    ANSWERED = auto()  # the request is answered
    PARTED = auto()  # the peer agrees to end


class TalkError(Exception):
    """The peer did not do what it should; the text is counted."""


class Talk(Protocol):
    """One conversation."""

    def hello(self) -> bytes:
        """What opens a connection; nothing if it can be used at once."""
        ...

    def request(self) -> bytes:
        """The next request."""
        ...

    def hear(self, data: bytes) -> tuple[Said, bytes]:
        """What the peer's bytes mean, and what to answer at once; raises TalkError."""
        ...

    def goodbye(self) -> bytes:
        """What ends a connection; nothing if it is just closed."""
        ...


@dataclass(slots=True)
class Sample:
    """What was measured of one target; several slices add up."""

    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    machine_cpu: float = 0.0
    matches: int = 0  # of a worklist, in all answers

    def add(self, other: Sample) -> None:
        self.latencies += other.latencies
        self.failures += other.failures
        self.seconds += other.seconds
        self.client_cpu += other.client_cpu
        self.server_cpu += other.server_cpu
        self.machine_cpu += other.machine_cpu
        self.matches += other.matches

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """In milliseconds; not a number if nothing was answered."""
        ordered = sorted(self.latencies)
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    @property
    def least(self) -> float:
        return self.percentile(0.0)

    @property
    def median(self) -> float:
        return self.percentile(0.5)

    @property
    def server_ms(self) -> float:
        """CPU of the server for each answer, in milliseconds."""
        return 1000 * self.server_cpu / len(self.latencies) if self.latencies else float("nan")

    @property
    def foreign(self) -> float:
        """Cores that others used meanwhile."""
        others = self.machine_cpu - self.server_cpu - self.client_cpu
        return max(0.0, others / self.seconds) if self.seconds else 0.0


@dataclass(slots=True)
class _Line:
    """One client with its connection."""

    talk: Talk
    socket: socket.socket | None = None
    since: float = 0.0
    connected: bool = False


class Load:
    """``clients`` conversations for ``seconds``, then as long as it takes to end them."""

    def __init__(
        self,
        port: int,
        talk: Callable[[], Talk],
        *,
        clients: int = 1,
        seconds: float,
        keep: bool,
        patience: float = 30.0,
        delay_small_writes: bool = False,
    ) -> None:
        self._address = ("127.0.0.1", port)
        self._talk = talk
        self._clients = clients
        self._seconds = seconds
        self._keep = keep
        self._patience = patience
        self._delay = delay_small_writes  # Nagle's algorithm, as DCMTK's programs leave it on
        self._selector = selectors.DefaultSelector()
        self._sample = Sample()
        self._stop = 0.0
        self._room = memoryview(bytearray(_RECEIVE))

    def run(self) -> Sample:
        began, cpu = time.perf_counter(), time.process_time()
        self._stop = began + self._seconds
        lines = [_Line(self._talk()) for _ in range(self._clients)]
        for line in lines:
            self._connect(line)
        while self._selector.get_map():
            for key, _ in self._selector.select(0.2):
                self._on_event(key.data)
            if time.perf_counter() > self._stop + self._patience:
                self._sample.failures["not answered in time"] += len(self._selector.get_map())
                break
        for line in lines:
            if line.socket is not None:
                line.socket.close()
        self._selector.close()
        self._sample.seconds = time.perf_counter() - began
        self._sample.client_cpu = time.process_time() - cpu
        return self._sample

    def _connect(self, line: _Line) -> None:
        line.since = time.perf_counter()
        line.connected = False
        line.socket = socket.socket()
        if not self._delay:
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.socket.setblocking(False)
        if line.socket.connect_ex(self._address) not in {0, errno.EINPROGRESS}:
            self._fail(line, "cannot connect")
            return
        self._selector.register(line.socket, selectors.EVENT_WRITE, line)

    def _on_event(self, line: _Line) -> None:
        try:
            if not line.connected:
                self._on_connected(line)
            else:
                self._on_data(line)
        except TalkError as error:
            self._fail(line, str(error))
        except OSError as error:
            self._fail(line, os.strerror(error.errno or 0))

    def _on_connected(self, line: _Line) -> None:
        assert line.socket is not None
        error = line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        line.connected = True
        self._selector.modify(line.socket, selectors.EVENT_READ, line)
        hello = line.talk.hello()
        if hello:
            self._send(line, hello)
        else:
            self._ask(line)

    def _on_data(self, line: _Line) -> None:
        assert line.socket is not None
        size = line.socket.recv_into(self._room)
        if not size:
            raise TalkError("closed by the server")
        now = time.perf_counter()
        data = bytes(self._room[:size])
        said, answer = line.talk.hear(data)
        if answer:
            self._send(line, answer)
        if said is Said.OPEN:
            self._ask(line)
        elif said is Said.PARTED:
            self._finish(line, now)
            self._close(line)
            if now < self._stop:
                self._connect(line)
        elif said is Said.ANSWERED:
            self._answered(line, now)

    def _answered(self, line: _Line, now: float) -> None:
        goodbye = line.talk.goodbye()
        if self._keep:
            self._finish(line, now)
            if now < self._stop:
                self._ask(line)
                return
            if goodbye:
                self._send(line, goodbye)
            self._close(line)
        elif goodbye:
            self._send(line, goodbye)
        else:
            self._finish(line, now)
            self._close(line)
            if now < self._stop:
                self._connect(line)

    def _ask(self, line: _Line) -> None:
        if self._keep:
            line.since = time.perf_counter()
        self._send(line, line.talk.request())

    def _send(self, line: _Line, data: bytes) -> None:
        # Requests are small, so to wait for room is no loss.
        assert line.socket is not None
        line.socket.setblocking(True)
        line.socket.sendall(data)
        line.socket.setblocking(False)

    def _finish(self, line: _Line, now: float) -> None:
        self._sample.latencies.append(now - line.since)

    def _close(self, line: _Line) -> None:
        if line.socket is not None:
            self._selector.unregister(line.socket)
            line.socket.close()
            line.socket = None

    def _fail(self, line: _Line, why: str) -> None:
        self._sample.failures[why] += 1
        if line.socket is not None:
            if line.socket in self._selector.get_map():
                self._selector.unregister(line.socket)
            line.socket.close()
            line.socket = None
        if time.perf_counter() < self._stop and self._sample.failures.total() < _MOST_FAILURES:
            line.talk = self._talk()
            self._connect(line)
