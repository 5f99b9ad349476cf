"""Several processes on one port: started, watched, restarted and drained (SO_REUSEPORT).

The kernel spreads new connections over the processes. They are forked before anything has opened
the database, share the code in memory, and end with the process above them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

import structlog

from ris.parent import watch_process_above

log = structlog.get_logger(__name__)

_STOP_SECONDS = 12.0  # the drain of ten, and some
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_HEALTHY_SECONDS = 60.0
_FAILURES_BEFORE_READY = 3
_LOOK_SECONDS = 1.0

Serve = Callable[[int, Callable[[], None]], int]


def require_free(host: str, ports: Sequence[int]) -> None:
    """Raise OSError if anybody listens there; sockets that share a port would not notice."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)


@dataclass(slots=True)
class _Child:
    number: int
    process: ForkProcess | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    delay: float = _FIRST_DELAY
    failures: int = 0


class Processes:
    """``serve(number, ready)`` in each of ``count`` processes, until SIGTERM or SIGINT."""

    def __init__(self, count: int, serve: Serve, on_ready: Callable[[], None]) -> None:
        self._serve = serve
        self._on_ready = on_ready
        self._children = [_Child(number) for number in range(1, count + 1)]
        self._fork = multiprocessing.get_context("fork")
        self._stopping = False
        self._ready = 0
        self._announced = False
        self._ready_reader, self._ready_writer = -1, -1
        self._wake_reader, self._wake_writer = -1, -1

    def run(self) -> int:
        """The exit code: 1 if they do not start at all."""
        self._ready_reader, self._ready_writer = os.pipe()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        before = [
            (number, signal.signal(number, self._stop))
            for number in (signal.SIGTERM, signal.SIGINT)
        ]
        former_fd = signal.set_wakeup_fd(self._wake_writer)
        gc.freeze()  # what is here now is shared by all and will not be garbage
        try:
            while not self._stopping:
                if not self._look():
                    return 1
            return 0
        finally:
            self._end()
            signal.set_wakeup_fd(former_fd)
            for number, handler in before:
                signal.signal(number, handler)
            for handle in (
                self._ready_reader, self._ready_writer, self._wake_reader, self._wake_writer
            ):  # fmt: skip
                os.close(handle)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _look(self) -> bool:
        """Start what is due and wait for something to happen; False to give up."""
        for child in self._children:
            self._look_after(child)
            if not self._announced and child.failures >= _FAILURES_BEFORE_READY:
                return False
        running = [child.process.sentinel for child in self._children if child.process]
        for found in wait([*running, self._wake_reader, self._ready_reader], _LOOK_SECONDS):
            if found == self._ready_reader:
                self._ready += len(os.read(self._ready_reader, 64))
                if not self._announced and self._ready >= len(self._children):
                    self._announced = True
                    self._on_ready()
        return True

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                child.process = self._fork.Process(
                    target=self._become, args=[child.number], name=f"dicom-{child.number}"
                )
                child.process.start()
                child.started_at = now
            return
        code = child.process.exitcode
        if code is None:
            if now - child.started_at > _HEALTHY_SECONDS:
                child.delay, child.failures = _FIRST_DELAY, 0
            return
        child.process = None
        child.failures += 1
        child.start_at = now + child.delay
        child.delay = min(child.delay * 2, _LONGEST_DELAY)
        log.error("dicom process ended, starting it again", number=child.number, code=code)

    def _become(self, number: int) -> None:
        """In the child: let go of what is the parent's, and serve."""
        signal.set_wakeup_fd(-1)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_DFL)
        watch_process_above()
        writer = self._ready_writer
        raise SystemExit(self._serve(number, lambda: _tell(writer)))

    def _end(self) -> None:
        """SIGTERM to all at once, so that all drain; SIGKILL to what takes too long."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in running:
            if process.exitcode is None:
                process.kill()
                process.join()


def _tell(handle: int) -> None:
    os.write(handle, b"r")
