"""What becomes of a message that arrives: who sent it, what it asks for, what is answered.

``handle`` is what the MLLP listener calls. The header is read even if the rest is broken, the
message is stored, applied and answered in one transaction (DESIGN 8), and the same bytes again get
the same answer. Queries for one order message are bounded and indexed, whatever it holds.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, close_old_connections, connection

from integration.hl7 import acks, order_replies, schema, times
from integration.hl7.batch import answer, differences, file_difference, is_batch, take_apart
from integration.hl7.er7 import Header, Message
from integration.hl7.mapping.applying import together, understood
from integration.hl7.relay import pass_on
from integration.hl7.profiles import Profile, for_unknown_sender, profile
from integration.hl7.routes import ROUTES, Route
from integration.hl7.server import Peer, Reply
from integration.hl7.to_domain.request import Request, located
from ris import config
from ris.domain.actors import Actor, ActorKind, endpoint_actor
from ris.domain.commands import Command
from ris.domain.errors import (
    BusyError,
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    UnsupportedError,
)
from ris.domain.exchange import Protocol
from ris.domain.orders import PlacedOrder
from ris.domain.protocol import EndpointInfo
from ris.selectors.exchange import find_sender
from ris.selectors.facility import SiteView, site
from ris.services import execute, inbox
from ris.services.audit import record_security
from ris.services.inbox import Answer

log = structlog.get_logger(__name__)

_KEY_LENGTH = 160  # of MSH-10; the journal keeps 200 characters, some of them its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who a message says it is from, and what was agreed with that peer."""

    name: str
    actor: Actor
    profile: Profile
    refusal: RisError | None = None  # not registered, or not from there


# --- the listener's handler ---------------------------------------------------------------------


def handle(frame: bytes, peer: Peer) -> Reply | None:
    """Answer one message, or a batch of them; None if there is nothing an answer could refer to."""
    if is_batch(frame):
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

    return Reply(payload, sent)


def _handle_message(frame: bytes, peer: Peer) -> Reply | None:
    _check_connection()
    started = time.monotonic()
    header = Header.read(frame)
    try:
        receipt = _receive(frame, header, peer.address)
    except OperationalError:
        # Nothing was stored, so nothing may be acknowledged: the sender is asked to try again.
        log.exception("an HL7 message could not be stored")
        _check_connection()
        payload = acks.acknowledge_raw(frame, BusyError("the database is busy, try again"))
        return Reply(payload, _nothing) if payload is not None else None
    log.info(
        "HL7 message",
        message=receipt.message,
        message_type=_type_of(header),
        peer=peer.address,
        outcome=receipt.answer.outcome,
        duplicate=receipt.duplicate,
        milliseconds=round(1000 * (time.monotonic() - started), 1),
    )
    if not receipt.answer.payload:
        return None

    def sent(written: bool) -> None:
        inbox.mark_replied_soon(receipt.message, sent=written)

    return Reply(receipt.answer.payload, sent)


def _check_connection() -> None:
    """Give up a database connection that died or is too old, as Django does between requests."""
    if not connection.in_atomic_block:
        close_old_connections()


def _nothing(written: bool) -> None:
    """For an answer to what was not stored."""


def _receive(frame: bytes, header: Header | None, address: str) -> inbox.Receipt:
    if header is None:
        return _keep_unreadable(frame, address)
    sender = _sender(header, address)
    if isinstance(sender.refusal, DeniedError):
        record_security(
            sender.actor,
            action="HL7 sender refused",
            detail={"sender": sender.name, "message_type": _type_of(header)},
        )
    work = _Work(frame, header, sender)
    return inbox.receive(
        protocol=Protocol.HL7,
        actor=sender.actor,
        key=_column(header.control_id, _KEY_LENGTH),
        raw=frame,
        message_type=_type_of(header),
        apply=work.apply,
        refuse=work.refuse,
        sender=sender.name,
        references=work.references,
        # A refusal for want of registration must not be repeated once the sender is registered.
        dedupe=sender.refusal is None and 0 < len(header.control_id) <= _KEY_LENGTH,
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


# --- who ----------------------------------------------------------------------------------------


def _sender(header: Header, address: str) -> Sender:
    """The registered peer of MSH-3 and MSH-4, or of MSH-3 alone; or an unknown one."""
    application = _column(header.sending_application, 90)
    facility = _column(header.sending_facility, 90)
    name = f"{application}^{facility}".rstrip("^")
    here = site()
    endpoint = find_sender(Protocol.HL7, name) if name else None
    if endpoint is None and facility and application:
        endpoint = find_sender(Protocol.HL7, application)
    if endpoint is None:
        refusal = None
        if config.load().mllp.unknown_senders != "accept":
            refusal = DeniedError("this sender is not registered", path="MSH-3")
        return Sender(
            name=name,
            actor=endpoint_actor(name or "unnamed sender", None, address),
            profile=for_unknown_sender(here, (application, facility)),
            refusal=refusal,
        )
    try:
        agreed = _agreed(endpoint, here, (application, facility))
    except InvalidValueError as error:
        # Our fault, not the sender's, and mended by an operator: it is asked to try again.
        log.error("an endpoint cannot be used", endpoint=endpoint.name, reason=error.message)
        return Sender(
            name=name,
            actor=endpoint_actor(endpoint.name, endpoint.id, address),
            profile=for_unknown_sender(here, (application, facility)),
            refusal=BusyError("the settings for this sender cannot be used at the moment"),
        )
    allowed = agreed.settings.addresses
    refusal = None
    if allowed and not _is_within(address, allowed):
        refusal = DeniedError("this sender may not send from there", path="MSH-3")
    return Sender(
        name=name,
        actor=endpoint_actor(endpoint.name, endpoint.id, address),
        profile=agreed,
        refusal=refusal,
    )


def _agreed(endpoint: EndpointInfo, here: SiteView, sender: tuple[str, str]) -> Profile:
    """The profile of a sender; the same one for as long as endpoint and site are the same."""
    known = _PROFILES.get(sender)
    if known is not None and known[0] is endpoint and known[1] is here:
        return known[2]
    agreed = profile(endpoint, here, sender=sender)
    if len(_PROFILES) >= _MOST_PROFILES:
        _PROFILES.clear()
    _PROFILES[sender] = endpoint, here, agreed
    return agreed


_MOST_PROFILES = 1000
_PROFILES: dict[tuple[str, str], tuple[EndpointInfo, SiteView, Profile]] = {}


def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        here = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(here, "ipv4_mapped", None)
    return any(
        (mapped or here) in ipaddress.ip_network(network, strict=False) for network in networks
    )


# --- what ---------------------------------------------------------------------------------------


class _Work:
    """One message with what it takes to apply and to answer it; the message is read once."""

    def __init__(self, raw: bytes, header: Header, sender: Sender) -> None:
        self.raw = raw
        self.header = header
        self.sender = sender
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
            received = Message.from_bytes(self.raw, default_charset=profile.charset.label)
            self.header = received.header
            self.message, self.refused = understood(received, profile.mapping)
        except RisError as error:
            self.fault = error

    def _named(self) -> list[tuple[str, str]]:
        """The numbers by which a refused message is tied to orders that exist."""
        if self.message is None or self.header.code not in ("ORM", "OMG", "OMI"):
            return []
        found: list[tuple[str, str]] = []
        with suppress(RisError):
            for segment in self.message.segments("ORC")[:20]:
                found += [("placer", segment.get("2") or ""), ("filler", segment.get("3") or "")]
        return [(kind, value) for kind, value in dict.fromkeys(found) if value]

    def apply(self) -> Answer:
        """Do what the message asks for; raises RisError with its place if that is refused."""
        _require_servable(self.header, self.sender)
        if self.fault is not None:
            raise self.fault
        assert self.message is not None  # noqa: S101 - otherwise there is a fault
        profile = self._profile(self.message)
        if profile.settings.strict_tables:
            faults = schema.check(self.message)
            if faults:
                raise faults[0] if len(faults) == 1 else SeveralErrors(faults)
        route = _route(self.header)
        message = self.message
        together(self.refused, lambda: route.translate(message, profile))
        pass_on(self.raw, self.header, self.sender.actor.endpoint_id)
        self.requests = route.translate(message, profile)
        placed = _carry_out(self.requests, self.sender.actor)
        return self._answer(None, placed)

    def refuse(self, error: RisError) -> Answer:
        if self.sender.refusal is None:
            self.references[:] = self._named()
            order_replies.expect_canceled(self.requests, error, self.sender.actor)
        return self._answer(error, {})

    def _profile(self, message: Message) -> Profile:
        """An offset in MSH-7 is in force for all times of the message (2.15.9.7)."""
        agreed = self.sender.profile
        header = message.header
        zone = times.message_zone(header.get("7"), agreed.zone)
        return replace(agreed, zone=zone, message=header.code)

    def _answer(self, error: RisError | None, placed: Mapping[int, PlacedOrder]) -> Answer:
        header = self.header
        if not header.control_id:
            return Answer(payload=b"", outcome="unanswerable")
        settings = self.sender.profile.settings
        accept = settings.acknowledgement == "accept" and acks.is_enhanced(header)
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
            )
        else:
            payload = acks.acknowledge(header, error, accept=accept)
        return Answer(payload=payload, outcome=_outcome(error, accept=accept))


def _require_servable(header: Header, sender: Sender) -> None:
    """What is refused before the content is looked at (2.9.2.2): AR, all of it at once."""
    if sender.refusal is not None:
        raise sender.refusal
    settings = sender.profile.settings
    faults: list[RisError] = []
    if header.version and acks.version_of(header.version)[:1] != (2,):
        faults.append(UnsupportedError("only version 2 is served", path="MSH-12"))
    if header.processing_id and header.processing_id not in settings.processing_ids:
        faults.append(UnsupportedError("this processing id is not taken here", path="MSH-11"))
    event = f"{header.code}^{header.trigger}"
    codes = {code for code, _ in ROUTES}
    if not header.code:
        faults.append(MissingValueError("the message type is required", path="MSH-9"))
    elif header.code not in codes:
        faults.append(UnsupportedError("this message type is not served", path="MSH-9.1"))
    elif (header.code, header.trigger) not in ROUTES or (
        settings.accepts and event not in settings.accepts
    ):
        faults.append(UnsupportedError("this event is not served", path="MSH-9.2"))
    if not header.control_id:
        faults.append(MissingValueError("the control id is required", path="MSH-10"))
    elif len(header.control_id) > _KEY_LENGTH:
        faults.append(InvalidValueError("the control id is too long", path="MSH-10"))
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)


def _route(header: Header) -> Route:
    return ROUTES[header.code, header.trigger]


def _carry_out(requests: list[Request], actor: Actor) -> dict[int, PlacedOrder]:
    """Execute every request; what is wrong with any of them is told together.

    A message is done as a whole: one refusal undoes the rest (the caller's savepoint).
    """
    placed: dict[int, PlacedOrder] = {}
    faults: list[RisError] = []
    for number, request in enumerate(requests):
        try:
            for command in request.commands:
                result = _execute(command, actor)
                if isinstance(result, PlacedOrder):
                    placed[number] = result
        except RisError as error:
            faults.append(located(error, request))
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)
    return placed


def _execute(command: Command[Any], actor: Actor) -> Any:
    """Carry out one command; once more if another connection was faster with the same key.

    The second look finds what the other one stored: the same order is then no duplicate, the same
    new patient is known.
    """
    try:
        return execute(command, actor=actor)
    except DuplicateKeyError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
    return execute(command, actor=actor)


# --- answers ------------------------------------------------------------------------------------


def _reply_type(route: Route, header: Header) -> tuple[str, ...]:
    """MSH-9 of the answer; its structure is named from 2.4 on."""
    return route.reply if acks.version_of(header.version) >= (2, 4) else route.reply[:2]


def _outcome(error: RisError | None, *, accept: bool) -> str:
    first = error.errors[0] if isinstance(error, SeveralErrors) else error
    letter = "A" if first is None else acks.TABLE[first.code].outcome
    return ("C" if accept else "A") + letter


def _type_of(header: Header | None) -> str:
    if header is None:
        return "unreadable"
    return _column(f"{header.code}^{header.trigger}".strip("^"), 60)


def _column(text: str, length: int) -> str:
    """Text of a header for a database column: NUL is none of its characters."""
    return text.replace("\x00", "")[:length].strip()


# --- applying a stored message again ------------------------------------------------------------


def _replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    """A message as it came, by what is agreed with its sender now."""
    header = Header.read(raw)
    if header is None:

        def unreadable() -> Answer:
            raise InvalidValueError("the message does not start with MSH", path="MSH")

        return unreadable, lambda error: Answer(payload=b"", outcome="unreadable")
    known = _sender(header, actor.address)
    if actor.kind is ActorKind.USER:  # who edited it answers for it
        known = replace(known, actor=actor)
    work = _Work(raw, header, known)
    return work.apply, work.refuse


inbox.register_replayer(Protocol.HL7, _replay)
