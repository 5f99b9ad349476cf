"""The requests of one association: one at a time through the pool, cancels, what is left unsent.

Runs on the event loop; only ``_serve`` runs in a pool thread, and what it gives comes back through
the loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from worklist.budget import Budget, Share
from worklist.dimse import C_CANCEL, RESPONSE, Command
from worklist.exchange import CANCELLED, Exchange
from worklist.metrics import Metrics
from worklist.negotiation import Context
from worklist.pdu import AbortReason, PduError
from worklist.service import Association, Outcome, Service
from worklist.sop_classes import Operation
from worklist.status import OUT_OF_RESOURCES

_TOO_MANY_QUERIES = Outcome(OUT_OF_RESOURCES, "too many queries, ask again later")


class Host(Protocol):
    """What serving needs of the listener."""

    service: Service
    metrics: Metrics
    budget: Budget
    owing: set[Serving]  # somebody waits to hear that their answers left

    def now(self) -> float: ...

    def submit(self, function: Callable[..., None], *arguments: object) -> bool: ...

    def post(self, function: Callable[..., None], *arguments: object) -> None: ...

    def may_query(self, ae_title: str) -> bool: ...


class Line(Protocol):
    """What serving needs of its connection."""

    def write(self, frames: bytes) -> None: ...

    def unsent_bytes(self) -> int: ...

    def is_paused(self) -> bool: ...

    def served(self) -> None:
        """A request has ended."""
        ...

    def idle(self) -> None:
        """There is no request any more."""
        ...

    def no_worker(self) -> None: ...


class Serving:
    """Holds the running request, those sent ahead, and who wants to know that an answer left."""

    __slots__ = (
        "_association",
        "_fragment",
        "_host",
        "_line",
        "_most_waiting",
        "_parked",
        "_unsent",
        "_waiting",
        "_write_bytes",
        "running",
        "share",
    )

    def __init__(
        self,
        host: Host,
        line: Line,
        association: Association,
        *,
        fragment: int,
        write_bytes: int,
        most_waiting: int,
    ) -> None:
        self._host = host
        self._line = line
        self._association = association
        self._fragment = fragment
        self._write_bytes = write_bytes
        self._most_waiting = most_waiting
        self.share = Share(host.budget)
        self.running: Exchange | None = None
        self._parked: Exchange | None = None  # waits for the peer to read
        self._waiting: deque[Exchange] = deque()
        self._unsent: list[Callable[[bool], None]] = []

    def receive(self, context: Context, command: Command, dataset: bytes) -> None:
        """One message; raises PduError if the peer sends too far ahead."""
        if command.field == C_CANCEL:
            self.cancel(command.message_id)
            return
        if command.field & RESPONSE:
            return  # we never ask, so this answers nothing
        if len(self._waiting) >= self._most_waiting:
            raise PduError(AbortReason.NOT_SPECIFIED, "too many requests sent ahead")
        host = self._host
        refusal = None
        if command.field == Operation.C_FIND and not host.may_query(
            self._association.calling_ae_title
        ):
            refusal = _TOO_MANY_QUERIES
        self.share.add(len(dataset))
        self._waiting.append(
            Exchange(
                host.service,
                self._association,
                context,
                command,
                dataset,
                fragment=self._fragment,
                write_bytes=self._write_bytes,
                began=host.now(),
                refusal=refusal,
            )
        )
        if self.running is None:
            self.next()

    def cancel(self, message_id: int) -> None:
        """C-CANCEL (PS3.7 9.3.2.3): the final response leaves now, the handler is told to stop."""
        for exchange in (self.running, *self._waiting):
            if exchange is None or exchange.message_id != message_id or not exchange.is_find:
                continue
            if not exchange.answered:
                exchange.answered = exchange.stopped = True
                exchange.outcome = CANCELLED
                self._line.write(exchange.reply.final(CANCELLED))
                if exchange is self._parked:
                    self._parked = None
                    self._submit(exchange)
                elif exchange is not self.running:
                    self._count(exchange)
            return

    def cancel_find(self) -> None:
        """The peer leaves: nobody wants the rest of these matches."""
        if self.running is not None and self.running.is_find:
            self.cancel(self.running.message_id)

    def next(self) -> None:
        """Serve the next request, or say that there is none."""
        while self._waiting:
            exchange = self._waiting.popleft()
            if exchange.answered:
                self.share.add(-exchange.size)
            else:
                self.running = exchange
                known = exchange.at_once()
                if known is not None:
                    self._deliver(exchange, *known)
                elif not exchange.when_known(partial(self._begun, exchange)):
                    self._submit(exchange)
                return
        self._line.idle()

    def resume(self) -> None:
        """The peer has read; go on with what waited for it."""
        self.note_sent()
        if self._parked is not None:
            exchange, self._parked = self._parked, None
            self._submit(exchange)

    def stop(self) -> None:
        """The association has ended."""
        self.share.arriving(0)
        for one in self._waiting:
            self.share.add(-one.size)
        self._waiting.clear()
        self._tell(sent=self._line.unsent_bytes() == 0)
        running = self.running
        if running is None:
            return
        # An operation that began is carried through; only its answer has no receiver any more.
        running.answered = running.stopped = True
        if running is self._parked:
            self._parked = None
            self._host.submit(self._serve, running)

    def note_sent(self) -> None:
        """Tell who waits for it that the answers have been handed to the network."""
        if self._unsent and not self._line.unsent_bytes():
            self._tell(sent=True)

    def _tell(self, *, sent: bool) -> None:
        waiting, self._unsent = self._unsent, []
        if waiting:
            self._host.owing.discard(self)
        for told in waiting:
            self._host.submit(told, sent)

    def _submit(self, exchange: Exchange) -> None:
        if not self._host.submit(self._serve, exchange):
            self.running = None
            self._line.no_worker()

    def _serve(self, exchange: Exchange) -> None:
        """In a pool thread: one step, whose result goes back to the loop."""
        frames, done = exchange.step()
        self._host.post(self._deliver, exchange, frames, done)

    def _begun(self, exchange: Exchange, begun: tuple[bytes, bool] | None) -> None:
        """The service has told whether it has the answer."""
        if begun is None:
            self._submit(exchange)
        else:
            self._deliver(exchange, *begun)

    def _go_on(self, exchange: Exchange) -> None:
        """The next page of an answer that is ready: on the loop, after whoever else is due."""
        self._deliver(exchange, *exchange.step())

    def _deliver(self, exchange: Exchange, frames: bytes, done: bool) -> None:
        was_answered = exchange.answered
        if frames and not was_answered:
            self._line.write(frames)
        if not done:
            if self._line.is_paused() and not exchange.stopped:
                self._parked = exchange
            elif exchange.is_ready:
                self._host.post(self._go_on, exchange)
            else:
                self._submit(exchange)
            return
        exchange.answered = True
        self.share.add(-exchange.size)
        told = exchange.outcome.sent if exchange.outcome is not None else None
        if told is not None:
            if was_answered:  # the peer went away before
                self._host.submit(told, False)
            else:
                self._unsent.append(told)
                self._host.owing.add(self)
                self.note_sent()
        self._count(exchange)
        self.running = None
        self._line.served()

    def _count(self, exchange: Exchange) -> None:
        if exchange.failed:
            self._host.metrics.faults["handler"] += 1
        status = None if exchange.outcome is None else exchange.outcome.status
        self._host.metrics.request(exchange.field, status, self._host.now() - exchange.began)
