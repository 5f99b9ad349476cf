"""What becomes of a message that arrives: who sent it, what it asks for, what is answered.

``handle`` is what the MLLP listener calls. The header is read even if the rest is broken, the
message is stored, applied and answered in one transaction (DESIGN 8), and the same bytes again get
the same answer. Queries for one order message are bounded and indexed, whatever it holds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import OperationalError, close_old_connections, connection

from integration.hl7 import (
    acks,
    carrying,
    continuation,
    later,
    order_replies,
    times,
    validation,
    versions,
)
from integration.hl7.batch import (
    answer,
    differences,
    file_difference,
    holds_several,
    is_batch,
    take_apart,
)
from integration.hl7.er7 import Header, Message
from integration.hl7.faults import LeftOut
from integration.hl7.mapping.applying import together, understood
from integration.hl7.numbers import named_orders
from integration.hl7.peer import Commit, Peer, Reply
from integration.hl7.profiles import Profile
from integration.hl7.relay import pass_on
from integration.hl7.routes import ROUTES, Route
from integration.hl7.senders import Sender, column, sender_of
from integration.hl7.sequence import Link, refuses
from integration.hl7.servable import KEY_LENGTH, is_ignored, require_servable
from integration.hl7.to_domain.request import Request
from integration.hl7.unasked import Unasked
from ris.domain.actors import Actor, ActorKind, endpoint_actor
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
    UnsupportedError,
    unavailable,
)
from ris.domain.exchange import Protocol
from ris.services import deferred, inbox
from ris.services.audit import record_security
from ris.services.inbox import Answer
from ris.services.parts import keep, use

log = structlog.get_logger(__name__)


# What these say cannot be answered, and the connection is closed.
_UNANSWERED = frozenset({"unanswerable", "unreadable"})
# Which senders agreed to release 2 of MLLP, for when the database cannot be asked.
_release_2: set[str] = set()
_MOST_NAMES = 1_000


# --- the listener's handler ---------------------------------------------------------------------


def handle(frame: bytes, peer: Peer) -> Reply | None:
    """Answer one message, or a batch of them; None if there is nothing an answer could refer to."""
    if is_batch(frame) or (peer.folder and holds_several(frame)):
        return _handle_batch(frame, peer)
    return _handle_message(frame, peer)


def _handle_batch(frame: bytes, peer: Peer) -> Reply:
    """Every message by itself; what is wrong with one does not stop the rest (2.10.3)."""
    batch = take_apart(frame)
    replies = [
        [_handle_message(message, peer) for message in group.messages] for group in batch.groups
    ]
    for group in batch.groups:
        if group.stray:
            _handle_message(group.stray, peer)  # kept as what cannot be read
    payload = answer(
        batch,
        [[reply.payload for reply in told if reply is not None] for told in replies],
        control_id=acks.new_control_id()[:18],
        at=datetime.now(UTC),
    )
    wrong = [*filter(None, (*differences(batch), file_difference(batch)))]
    if wrong:
        log.warning("an HL7 batch is not what it says", peer=peer.address, differences=wrong)

    def sent(written: bool) -> None:
        for told in replies:
            for reply in told:
                if reply is not None:
                    reply.sent(written)

    commits = {reply.commit for told in replies for reply in told if reply is not None}
    # One that could not be stored is reason to send all again: the rest has no second effect.
    commit = next((each for each in (Commit.NOT_STORED, Commit.STORED) if each in commits), None)
    return Reply(payload, sent, commit or Commit.NONE, complete=not wrong)


def _handle_message(frame: bytes, peer: Peer) -> Reply | None:
    _check_connection()
    started = time.monotonic()
    header = Header.read(frame)
    try:
        receipt = _receive(frame, header, peer)
    except OperationalError as error:
        # Nothing was stored, so nothing may be acknowledged: the sender is asked to try again.
        log.exception("an HL7 message could not be stored")
        _check_connection()
        payload = acks.acknowledge_raw(frame, unavailable(error))
        commit = Commit.NOT_STORED if _name(header) in _release_2 else Commit.NONE
        return Reply(payload, _nothing, commit) if payload is not None else None
    log.info(
        "HL7 message",
        message=receipt.message,
        message_type=_type_of(header),
        peer=peer.address,
        outcome=receipt.answer.outcome,
        duplicate=receipt.duplicate,
        milliseconds=round(1000 * (time.monotonic() - started), 1),
    )
    if not receipt.answer.payload and receipt.answer.outcome in _UNANSWERED:
        return None

    def sent(written: bool) -> None:
        inbox.mark_replied_soon(receipt.message, sent=written)

    commit = Commit.STORED if _name(header) in _release_2 else Commit.NONE
    return Reply(receipt.answer.payload, sent, commit)


def _name(header: Header | None) -> str:
    return f"{header.sending_application}^{header.sending_facility}" if header else ""


def _check_connection() -> None:
    """Give up a database connection that died or is too old, as Django does between requests."""
    if not connection.in_atomic_block:
        close_old_connections()


def _nothing(written: bool) -> None:
    """For an answer to what was not stored."""


def _receive(frame: bytes, header: Header | None, peer: Peer) -> inbox.Receipt:
    if header is None:
        return _keep_unreadable(frame, peer.address)
    sender = sender_of(header, peer.address, peer)
    if sender.profile.settings.release_2:
        if len(_release_2) > _MOST_NAMES:  # one may send under many facilities
            _release_2.clear()
        _release_2.add(_name(header))
    else:
        _release_2.discard(_name(header))
    if isinstance(sender.refusal, DeniedError):
        record_security(
            sender.actor,
            action="HL7 sender refused",
            detail={"sender": sender.name, "message_type": _type_of(header)},
        )
    work = _work(frame, header, sender)
    return inbox.receive(
        protocol=Protocol.HL7,
        actor=sender.actor,
        key=column(header.control_id, KEY_LENGTH),
        raw=frame,
        message_type=_type_of(header),
        apply=work.apply,
        refuse=work.refuse,
        sender=sender.name,
        references=work.references,
        # A refusal for want of registration must not be repeated once the sender is registered.
        dedupe=sender.refusal is None and 0 < len(header.control_id) <= KEY_LENGTH,
    )


def _keep_unreadable(frame: bytes, address: str) -> inbox.Receipt:
    """Store what has no header to answer to; the connection is closed without a word."""

    def apply() -> Answer:
        raise InvalidValueError("the message does not start with MSH", path="MSH")

    def refuse(error: RisError) -> Answer:
        return Answer(payload=b"", outcome="unreadable")

    return inbox.receive(
        protocol=Protocol.HL7,
        actor=endpoint_actor("unknown", None, address),
        key="",
        raw=frame,
        message_type="unreadable",
        apply=apply,
        refuse=refuse,
        dedupe=False,
    )


# --- what ---------------------------------------------------------------------------------------


class _Work:
    """One message with what it takes to apply and to answer it; the message is read once."""

    def __init__(
        self, raw: bytes, header: Header, sender: Sender, *, is_stored: bool = False
    ) -> None:
        self.raw = self.whole = raw
        self.header = header
        self.sender = sender
        self.is_stored = is_stored  # it came before, and was answered then
        settings = sender.profile.settings
        strict = settings.sequence_numbers and not is_stored
        self.link = Link(header, sender.actor.endpoint_id, strict=strict)
        self.part = continuation.WHOLE
        self.parts: Sequence[str] = ()  # the messages in which the earlier parts came
        self.requests: list[Request] = []
        # Filled by a refusal; what was applied is tied to its orders by its events.
        self.references: list[tuple[str, str]] = []
        self.message: Message | None = None
        self.fault: RisError | None = None
        self.refused: Sequence[RisError] = ()  # by the peer's mapping
        self._read()

    def _read(self) -> None:
        profile = self.sender.profile
        try:
            raw = self._whole()
            if raw is None:
                return
            self.whole = raw
            received = Message.from_bytes(raw, default_charset=profile.charset.label)
            if not self.parts:
                self.header = received.header
            self.message, self.refused = understood(received, profile.mapping)
        except RisError as error:
            self.fault = error

    def _whole(self) -> bytes | None:
        """The message with the parts that came before; None if its rest is still to come."""
        part = self.part = continuation.part_of(self.raw, self.header)
        if part.is_whole or self.sender.refusal is not None:
            return self.raw
        if not self.sender.profile.settings.continuation_minutes:
            raise UnsupportedError("messages in parts are not taken here", path="MSH-14")
        if part.pointer:
            return None
        parts, self.parts = continuation.earlier(self.sender.name, part, in_time=not self.is_stored)
        return continuation.join([*parts, self.raw])

    def _keep_part(self, message: Any) -> None:
        keep(
            message,
            sender=self.sender.name,
            pointer=self.part.pointer,
            previous=self.part.previous,
            minutes=self.sender.profile.settings.continuation_minutes,
        )
        self.link.note()

    def _keep(self, message: Any) -> None:
        self.link.note()
        deferred.ring()

    def apply(self) -> Answer:
        """Do what the message asks for; raises RisError with its place if that is refused."""
        if self.sender.refusal is None:
            self.link.check()
        require_servable(self.header, self.sender)
        if is_ignored(self.header, self.sender):
            self.link.note()
            return self._answer(None, {})
        if self.fault is not None:
            raise self.fault
        if self.message is None:
            if self.is_stored:
                raise StateConflictError("a part is applied with the last one", path="DSC-1")
            raise inbox.Defer(self._answer(None, {}), self._keep_part)
        settings = self.sender.profile.settings
        if not self.is_stored and later.is_deferred(self.header, settings):
            raise inbox.Defer(self._answer(None, {}), self._keep)
        answer = self._apply(self.message)
        self.link.note()
        return answer

    def _apply(self, message: Message) -> Answer:
        profile = self._profile(message)
        route = _route(self.header)
        found = [*self.refused, *validation.faults(message, profile.settings.level)]
        together(found, lambda: route.translate(message, profile))
        self.requests = route.translate(message, profile)
        placed = carrying.carry_out(self.requests, self.sender.actor)
        pass_on(self.whole, self.header, self.sender.actor.endpoint_id)
        use(self.parts)
        return self._answer(None, placed)

    def left_out(self) -> Sequence[LeftOut]:
        """What it is taken without; nothing of what is not taken at all."""
        if self.message is None or (self.header.code, self.header.trigger) not in ROUTES:
            return ()
        requests = _route(self.header).translate(self.message, self._profile(self.message))
        return tuple(dict.fromkeys(each for request in requests for each in request.left_out))

    def refuse(self, error: RisError) -> Answer:
        if self.sender.refusal is None:
            self.references[:] = named_orders(self.message) if self.message else []
            if carrying.is_told(error):
                return self._told()
            order_replies.expect_canceled(self.requests, error, self.sender.actor)
            if not refuses(error):
                self.link.note()
        return self._answer(error, {})

    def _told(self) -> Answer:
        """The peer refused what we had told it: that we know now, and people will see it."""
        carrying.keep_granted(self.requests, self.sender.actor)
        self.link.note()
        return self._answer(None, {})

    def _profile(self, message: Message) -> Profile:
        """An offset in MSH-7 is in force for all times of the message (2.15.9.7)."""
        agreed = self.sender.profile
        header = message.header
        zone = times.message_zone(header.get("7"), agreed.zone)
        return replace(agreed, zone=zone, message=header.code)

    def _answer(self, error: RisError | None, placed: Mapping[int, order_replies.Done]) -> Answer:
        header = self.header
        if not header.control_id:
            return Answer(payload=b"", outcome="unanswerable")
        settings = self.sender.profile.settings
        enhanced = later.is_strict(header, settings)
        accept = enhanced and not self.is_stored
        if accept and later.accept_is_silent(header, failed=error is not None):
            return Answer(payload=b"", outcome=_outcome(error, accept=True))
        conditions = later.CONDITIONS if enhanced and self.is_stored else ()
        route = ROUTES.get((header.code, header.trigger))
        typed = order_replies.is_wanted(settings.reply, self.requests)
        if typed and route is not None and route.reply and not accept:
            payload = acks.acknowledge(
                header,
                error,
                message_type=_reply_type(route, header),
                segments=order_replies.segments(
                    self.message,
                    self.requests,
                    placed,
                    error,
                    self.sender.profile,
                    with_ipc=header.code == "OMI",
                ),
                expected=self.link.told,
                conditions=conditions,
            )
        else:
            payload = acks.acknowledge(
                header, error, accept=accept, expected=self.link.told, conditions=conditions
            )
        return Answer(payload=payload, outcome=_outcome(error, accept=accept))


def _work(
    raw: bytes, header: Header, sender: Sender, *, is_stored: bool = False
) -> _Work | Unasked:
    if acks.is_acknowledgement(header):
        return Unasked(raw, header, sender)
    return _Work(raw, header, sender, is_stored=is_stored)


def work_on(raw: bytes, header: Header, sender: Sender | None = None) -> _Work:
    """What is done with a message, for a rehearsal; of the sender it names, or of another one."""
    return _Work(raw, header, sender or sender_of(header, ""), is_stored=True)


def left_out(raw: bytes) -> Sequence[LeftOut]:
    """What a message is taken without, by what is agreed with its sender now."""
    header = Header.read(raw)
    if header is None or acks.is_acknowledgement(header):
        return ()
    return work_on(raw, header).left_out()


def _route(header: Header) -> Route:
    return ROUTES[header.code, header.trigger]


# --- answers ------------------------------------------------------------------------------------


def _reply_type(route: Route, header: Header) -> tuple[str, ...]:
    """MSH-9 of the answer; its structure is named from 2.4 on."""
    return route.reply if versions.numbers(header.version) >= (2, 4) else route.reply[:2]


def _outcome(error: RisError | None, *, accept: bool) -> str:
    first = error.errors[0] if isinstance(error, SeveralErrors) else error
    letter = "A" if first is None else acks.TABLE[first.code].outcome
    return ("C" if accept else "A") + letter


def _type_of(header: Header | None) -> str:
    if header is None:
        return "unreadable"
    return column(f"{header.code}^{header.trigger}".strip("^"), 60)


# --- applying a stored message again ------------------------------------------------------------


def _replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    """A message as it came, by what is agreed with its sender now."""
    header = Header.read(raw)
    if header is None:

        def unreadable() -> Answer:
            raise InvalidValueError("the message does not start with MSH", path="MSH")

        return unreadable, lambda error: Answer(payload=b"", outcome="unreadable")
    known = sender_of(header, actor.address)
    if actor.kind is ActorKind.USER:  # who edited it answers for it
        known = replace(known, actor=actor)
    work = _work(raw, header, known, is_stored=True)
    return work.apply, work.refuse


def _later(
    raw: bytes, actor: Actor, sender: str
) -> tuple[inbox.Apply, inbox.Refuse, Sequence[tuple[str, str]]]:
    """A message that was only stored: what is answered to it now leaves through the outbox."""
    header = Header.read(raw)
    if header is None:
        raise InvalidValueError("the message does not start with MSH", path="MSH")
    known = sender_of(header, actor.address)
    work = _Work(raw, header, known, is_stored=True)
    settings = known.profile.settings

    def queued(told: Answer) -> Answer:
        return later.queue(work.header, settings, actor, sender, told)

    return (
        lambda: queued(work.apply()),
        lambda error: queued(work.refuse(error)),
        work.references,
    )


inbox.register_replayer(Protocol.HL7, _replay)
deferred.register(Protocol.HL7, _later)
