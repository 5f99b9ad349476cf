"""One connection as association acceptor: the state machine of PS3.8 9.2, with deadlines.

Runs on the event loop. Nothing in here blocks: deciding on the association happens in the pool as
serving its requests does (:mod:`worklist.serving`), and what that gives comes back through the
loop.
"""

from __future__ import annotations

import asyncio
import socket
from math import inf
from struct import pack
from typing import TYPE_CHECKING, Any, Final

import structlog

from worklist.admission import Caller, Decision
from worklist.assembly import Assembler
from worklist.dimse import CommandError
from worklist.exchange import fault
from worklist.negotiation import ae_titles
from worklist.noting import Noting, status_of
from worklist.pdu import (
    HEADER,
    HEADER_BYTES,
    RELEASE_RP,
    RELEASE_RQ,
    USER_ABORT,
    AbortReason,
    PduError,
    PduType,
    fragment_bytes,
    provider_abort,
    rejection,
)
from worklist.service import (
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    Association,
    Rejection,
)
from worklist.serving import Serving
from worklist.states import State, check_header
from worklist.tls import peer_certificate

if TYPE_CHECKING:
    from worklist.upper_layer import UpperLayer

log = structlog.get_logger(__name__)

_QUICK_ACK: Final = getattr(socket, "TCP_QUICKACK", None)
_RESET: Final = pack("ii", 1, 0)  # linger for no time
# After an abort a peer may go on sending for a moment; more than this and it is cut off.
_DISCARDED_BYTES: Final = 256 * 1024


class Connection(asyncio.Protocol):
    """A peer's connection, from accept to close."""

    def __init__(self, layer: UpperLayer, *, tls: bool) -> None:
        self._layer = layer
        self._limits = layer.config.limits
        self._deadlines = layer.config.deadlines
        self.state = State.AWAITING_REQUEST
        self.address = ""
        self.calling_ae_title = ""
        self.number = 0
        # Looked at by the layer's clock; each of them ends in expire().
        self.deadline = inf
        self.write_deadline = inf
        # Set by the layer if there is no room; told to the peer once its request is there.
        self.refusal: Rejection | None = None
        # Whether this connection counts against the limits of its address or AE title.
        self.is_counted = False
        self.is_admitted = False

        self._transport: Any = None
        self._socket: Any = None
        self._rest = bytearray()
        self._wanted = 0
        self._partial_since = inf
        self._discarded = 0

        self._caller = Caller("", 0, tls, None)
        self._serving: Serving | None = None
        self._assembler: Assembler | None = None
        self._idle_seconds = 0.0
        self._message_since = inf

        self._paused = False
        self._release_requested = False
        self._draining = False

    # Transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("", 0)
        self.address = plain_address(str(peer[0]))
        self._socket = transport.get_extra_info("socket")
        certificate = peer_certificate(transport.get_extra_info("ssl_object"))
        self._caller = Caller(self.address, int(peer[1]), self._caller.tls, certificate)
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        self.deadline = self._layer.now() + self._deadlines.associate
        if not self._layer.register(self):
            self.state = State.CLOSED
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        self.deadline = self.write_deadline = inf
        if self._serving is not None:
            self._serving.stop()
        self._layer.forget(self)

    def pause_writing(self) -> None:
        self._paused = True
        self.write_deadline = self._layer.now() + self._deadlines.write

    def resume_writing(self) -> None:
        self._paused = False
        self.write_deadline = inf
        if self._serving is not None:
            self._serving.resume()

    def data_received(self, data: bytes) -> None:
        if _QUICK_ACK is not None:
            # The kernel falls back to delayed acknowledgements after each answer of ours; a peer
            # with Nagle's algorithm then waits 40 ms before it sends the rest of its request.
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        if self.state in (State.CLOSING, State.CLOSED):
            self._discarded += len(data)
            if self._discarded > _DISCARDED_BYTES:
                self._transport.abort()
            return
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            buffer = self._rest
        try:
            used = self._consume(buffer)
        except PduError as error:
            self._abort(provider_abort(error.reason), str(error))
        except CommandError as error:
            self._abort(USER_ABORT, str(error))
        except Exception as error:
            self._layer.metrics.faults["connection"] += 1
            log.error("dicom association failed", **fault(error), **self._who())
            self._abort(provider_abort(AbortReason.NOT_SPECIFIED), type(error).__name__)
        else:
            if buffer is self._rest:
                del self._rest[:used]
            elif used < len(buffer):
                self._rest += memoryview(buffer)[used:]
            self._set_deadline(progress=used > 0)

    # PDUs

    def _consume(self, buffer: bytes | bytearray) -> int:
        """Act on all complete PDUs in ``buffer``; return how many bytes they took."""
        pos, size = 0, len(buffer)
        while size - pos >= HEADER_BYTES:
            kind, length = HEADER.unpack_from(buffer, pos)
            check_header(kind, length, self.state, self._limits)
            end = pos + HEADER_BYTES + length
            if end > size:
                self._wanted = end - pos
                return pos
            self._layer.metrics.pdus[kind] += 1
            self._receive(kind, buffer, pos, end)
            pos = end
            if self.state in (State.CLOSING, State.CLOSED):
                return size
        self._wanted = HEADER_BYTES
        return pos

    def _receive(self, kind: int, buffer: bytes | bytearray, start: int, end: int) -> None:
        if kind == PduType.P_DATA_TF:
            # Data that crosses our release request is not served any more.
            serving, assembler = self._serving, self._assembler
            if self.state is State.ESTABLISHED and serving and assembler is not None:
                for message in assembler.receive(buffer, start, end):
                    self._message_since = inf
                    serving.receive(*message)
                    if self.state is not State.ESTABLISHED:
                        return  # it was the end
                serving.share.arriving(assembler.size)
                if serving.share.is_too_much:
                    raise PduError(AbortReason.NOT_SPECIFIED, "too much is under way")
                if assembler.is_begun and self._message_since == inf:
                    self._message_since = self._layer.now()
        elif kind == PduType.ASSOCIATE_RQ:
            self._receive_request(bytes(memoryview(buffer)[start:end]))
        elif kind == PduType.RELEASE_RQ:
            self._receive_release()
        elif kind == PduType.RELEASE_RP:
            if self.state is State.RELEASE_COLLIDED:
                # The acceptor answers after the requestor (PS3.8 7.2.2.7).
                self._transport.write(RELEASE_RP)
                self._close_later(self._deadlines.associate)
            else:
                self._leave(State.CLOSED)
                self._transport.close()
        else:  # A-ABORT
            self._layer.metrics.aborted_by_peer += 1
            self._leave(State.CLOSED)
            self._transport.abort()

    def _receive_request(self, raw: bytes) -> None:
        titles = ae_titles(raw)
        self.state = State.NEGOTIATING
        if self.refusal is not None:
            self._reject(self.refusal)
        elif isinstance(titles, Rejection):
            self._reject(titles)
        else:
            self.calling_ae_title = titles[0]
            known = self._layer.gatekeeper.recall(raw, self._caller)
            if known is not None:
                self._decided(known)
            elif not self._layer.submit(self._decide, raw, titles):
                self._reject(TEMPORARY_CONGESTION)

    def _receive_release(self) -> None:
        if self.state is State.RELEASING:
            self.state = State.RELEASE_COLLIDED
            return
        self._release_requested = True
        if self._is_idle:
            self.idle()
        elif self._serving is not None:
            # Nobody wants the rest of the matches.
            self._serving.cancel_find()

    # What serving asks for

    def write(self, frames: bytes) -> None:
        self._transport.write(frames)

    def unsent_bytes(self) -> int:
        """What the peer has not made room for yet."""
        size: int = self._transport.get_write_buffer_size()
        return size

    def is_paused(self) -> bool:
        return self._paused

    def served(self) -> None:
        """A request has ended: go on with the next."""
        if self.state is State.ESTABLISHED and self._serving is not None:
            self._serving.next()
            self._set_deadline(progress=True)

    def idle(self) -> None:
        """There is no request any more: do what waited for that."""
        if self._release_requested:
            self._transport.write(RELEASE_RP)
            self._close_later(self._deadlines.associate)
        elif self._draining:
            self._request_release()

    def no_worker(self) -> None:
        self._abort(USER_ABORT, "no worker is left")

    # Decision on the association

    def _decide(self, raw: bytes, titles: tuple[str, str]) -> None:
        """In a pool thread: decide, and let the loop act on it."""
        decision = self._layer.gatekeeper.decide(raw, titles, self._caller)
        self._layer.post(self._decided, decision)

    def _decided(self, decision: Decision | Rejection | PduError) -> None:
        if self.state is not State.NEGOTIATING:
            return  # the peer went away meanwhile
        if isinstance(decision, PduError):
            self._abort(provider_abort(decision.reason), str(decision))
        elif isinstance(decision, Rejection):
            self._reject(decision)
        elif self._draining:
            self._reject(TEMPORARY_CONGESTION)
        elif not self._layer.admit(self, decision.admission):
            self._reject(LOCAL_LIMIT_EXCEEDED)
        else:
            self._establish(decision)

    def _establish(self, decision: Decision) -> None:
        agreement, admission = decision.agreement, decision.admission
        self._assembler = Assembler(agreement.contexts, self._limits.command_set_bytes)
        if admission.idle_seconds is not None:
            self._idle_seconds = admission.idle_seconds
        elif agreement.holds:
            self._idle_seconds = self._deadlines.idle_holding
        else:
            self._idle_seconds = self._deadlines.idle
        self._serving = Serving(
            self._layer,
            self,
            Association(
                self.number,
                decision.request,
                admission.peer,
                agreement.offered_information,
                agreement.agreed_information,
            ),
            fragment=fragment_bytes(agreement.peer_maximum, self._limits.pdu_bytes),
            write_bytes=self._limits.write_buffer_bytes,
            most_waiting=self._limits.waiting_requests,
        )
        self._layer.metrics.accepted += 1
        self.state = State.ESTABLISHED
        self._transport.write(decision.answer)
        self._set_deadline(progress=False)

    # Time

    def _set_deadline(self, *, progress: bool) -> None:
        """How long the peer may now be silent; ``progress`` means a PDU was completed."""
        if self.state not in (State.NEGOTIATING, State.ESTABLISHED):
            return
        now = self._layer.now()
        if not self._rest:
            self._partial_since = inf
        elif progress or self._partial_since == inf:
            self._partial_since = now
        self.deadline = min(
            self._partial_since + self._deadlines.pdu, self._message_since + self._deadlines.message
        )
        serving = self._serving
        if self.deadline == inf and serving is not None and serving.running is None:
            self.deadline = now + self._idle_seconds

    def expire(self, now: float) -> None:
        """Called by the layer's clock when a deadline has passed."""
        late = self._layer.metrics.deadlines
        if self.write_deadline <= now:
            log.info("dicom peer does not read", **self._who())
            late["reading"] += 1
            # Or the system would keep what it does not read, and try on.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._cut_off()
        elif self.state in (State.RELEASING, State.RELEASE_COLLIDED):
            late["release"] += 1
            self._transport.write(USER_ABORT)
            self._cut_off()
        elif self.state in (State.NEGOTIATING, State.ESTABLISHED):
            if self._partial_since == inf and self._message_since == inf:
                late["request"] += 1
                self._request_release()
            else:
                late["rest of a PDU" if self._partial_since < inf else "rest of a message"] += 1
                self._abort(provider_abort(AbortReason.NOT_SPECIFIED), "a PDU came too slowly")
        else:
            late["association request" if self.state is State.AWAITING_REQUEST else "close"] += 1
            self._cut_off()

    # Endings

    def drain(self) -> None:
        """End as soon as the running request is answered."""
        self._draining = True
        if self.state is State.AWAITING_REQUEST:
            self._cut_off()
        elif self.state is State.ESTABLISHED and self._is_idle:
            self._request_release()

    def abort(self) -> None:
        """End at once, with an A-ABORT if the peer still reads."""
        if self.state in (State.NEGOTIATING, State.ESTABLISHED):
            self._transport.write(USER_ABORT)
        self._cut_off()

    @property
    def _is_idle(self) -> bool:
        return self._serving is None or self._serving.running is None

    def _request_release(self) -> None:
        self.state = State.RELEASING
        patience = self._deadlines.linger if self._draining else self._deadlines.associate
        self.deadline = self._layer.now() + patience
        self._transport.write(RELEASE_RQ)

    def _reject(self, verdict: Rejection) -> None:
        self._layer.metrics.rejected[verdict.reason] += 1
        log.info("dicom association rejected", reason=verdict.reason, **self._who())
        self._note(status_of(verdict), verdict.reason)
        self._transport.write(rejection(verdict))
        self._close_later(self._deadlines.associate)

    def _abort(self, pdu: bytes, reason: str) -> None:
        self._layer.metrics.aborted[reason] += 1
        log.info("dicom association aborted", reason=reason, **self._who())
        self._note("abort", reason)
        self._transport.write(pdu)
        self._close_later(self._deadlines.linger)

    def _note(self, status: str, reason: str) -> None:
        """Have it kept for the device's page; a peer that never said who it is has none."""
        service = self._layer.service
        if self.calling_ae_title and isinstance(service, Noting):
            told = (self.calling_ae_title, self.address, "A-ASSOCIATE", status, reason)
            self._layer.submit(service.note_refusal, *told)

    def _close_later(self, seconds: float) -> None:
        """Leave the closing to the peer, so that it can read our last PDU, but not for long."""
        self._leave(State.CLOSING)
        self.deadline = self._layer.now() + seconds

    def _cut_off(self) -> None:
        self._leave(State.CLOSED)
        self._transport.abort()

    def _leave(self, state: State) -> None:
        self.state = state
        self.deadline = inf
        self._rest = bytearray()
        self._assembler = None  # with what had come of a message
        if self._serving is not None:
            self._serving.stop()
        self._layer.leave(self)

    def _who(self) -> dict[str, Any]:
        return {
            "association": self.number,
            "address": self.address,
            "calling_ae_title": self.calling_ae_title,
        }


def plain_address(host: str) -> str:
    """An address as it is written in a device's settings: no zone, no mapped IPv4."""
    host = host.partition("%")[0]
    return host[7:] if host.startswith("::ffff:") and "." in host else host
