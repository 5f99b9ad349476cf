"""A DICOM service for tests of the listener: small handlers that a test can replace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from worklist.config import Deadlines, Limits, ListenerConfig
from worklist.server import ServerThread
from worklist.service import (
    SUCCESS,
    Admission,
    AssociationRequest,
    FindAnswer,
    Outcome,
    Rejection,
    Request,
)

# Short enough for tests to wait for, long enough for a loaded machine.
QUICK = Deadlines(
    associate=0.4,
    pdu=0.4,
    message=0.6,
    idle=30.0,
    idle_holding=60.0,
    write=0.5,
    tls_handshake=0.5,
    linger=0.1,
    drain=5.0,
)
# For clients that behave: nothing runs out, however slow the machine is.
CONFIG = ListenerConfig(port=0, threads=4)


def config(*, limits: Limits | None = None, **deadlines: float) -> ListenerConfig:
    """Settings whose deadlines a test can wait for."""
    return replace(CONFIG, limits=limits or Limits(), deadlines=replace(QUICK, **deadlines))


class Handlers:
    """Each attribute is what the listener calls; what it asked is kept."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.callers: list[AssociationRequest] = []
        self.admit: Callable[[AssociationRequest], Admission | Rejection] = self._admit
        self.c_echo: Callable[[Request], Outcome] = self._note
        self.c_find: Callable[[Request], FindAnswer] = self._find
        self.c_store: Callable[[Request], Outcome] = self._note
        self.n_create: Callable[[Request], Outcome] = self._note
        self.n_set: Callable[[Request], Outcome] = self._note
        self.n_get: Callable[[Request], Outcome] = self._note
        self.n_event_report: Callable[[Request], Outcome] = self._note

    def _admit(self, request: AssociationRequest) -> Admission | Rejection:
        self.callers.append(request)
        return Admission(peer=request.calling_ae_title)

    def _note(self, request: Request) -> Outcome:
        self.requests.append(request)
        return SUCCESS

    def _find(self, request: Request) -> FindAnswer:
        self.requests.append(request)
        return FindAnswer()


class Rows:
    """A generator of rows that knows how far it was drawn and that it was closed."""

    def __init__(self, row: bytes, count: int = 1_000_000) -> None:
        self._row = row
        self._count = count
        self.drawn = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for _ in range(self._count):
                self.drawn += 1
                yield self._row
        finally:
            self.closed.set()


@contextmanager
def listening(handlers: Handlers, settings: ListenerConfig = CONFIG) -> Iterator[ServerThread]:
    server = ServerThread(settings, handlers)
    server.start()
    try:
        yield server
    finally:
        server.stop(drain_seconds=1.0)
