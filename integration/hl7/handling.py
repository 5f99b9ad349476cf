"""The way from the event loop to the threads that handle messages, and back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress

import structlog

from integration.hl7 import acks
from integration.hl7.peer import Handle, Peer, Reply
from integration.hl7.threads import Threads

log = structlog.get_logger(__name__)


class Crash(bytes):
    """The answer to a message that our own fault kept from being stored."""


class Handling:
    """Runs the handler in a fixed number of threads; what it raises is answered for."""

    def __init__(self, handle: Handle, threads: int) -> None:
        self._handle = handle
        self._threads = Threads(threads)

    async def run(self, frame: bytes, peer: Peer) -> bytes | Reply | None:
        """The handler's answer, from one of the threads."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | Reply | None] = loop.create_future()

        def finish(reply: bytes | Reply | None) -> None:
            if not future.done():
                future.set_result(reply)

        def work() -> None:
            try:
                reply = self._handle(frame, peer)
            except BaseException:
                error_id = uuid.uuid4().hex[:12]
                log.exception(
                    "an HL7 message failed", error_id=error_id, connection=peer.connection
                )
                reply = _crash(frame, error_id)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, reply)

        self._threads.submit(work)
        return await future

    def tell(self, reply: Reply, *, written: bool) -> None:
        """Let the handler know whether its answer was written."""

        def work() -> None:
            try:
                reply.sent(written)
            except BaseException:
                log.exception("noting an answer as sent failed")

        self._threads.submit(work)

    def note(self, work: Callable[[], None]) -> None:
        """Have something written down; nobody waits for it."""

        def noting() -> None:
            try:
                work()
            except BaseException:
                log.exception("noting a refusal failed")

        self._threads.submit(noting)

    def close(self, seconds: float) -> None:
        self._threads.close(seconds)


def _crash(frame: bytes, error_id: str) -> Crash | None:
    """The answer to a crash; None closes the connection. It must not end the thread as well."""
    try:
        told = acks.crashed(frame, error_id)
    except Exception:
        log.exception("a crash could not be answered", error_id=error_id)
        return None
    return None if told is None else Crash(told)
