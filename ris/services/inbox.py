"""Every message in: stored, applied and answered in one transaction (DESIGN 8, ADR 0006).

``receive`` commits the raw bytes, the effect and the answer together, so whatever was acknowledged
is durable, and what comes again gets the stored answer and has no second effect. Messages that wait
for the only writer of SQLite are committed together (docs/adr/0021).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, TypeVar

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import CharField, F, Field, QuerySet, UUIDField

from ris.domain.actors import Actor
from ris.domain.errors import (
    DeniedError,
    ErrorCode,
    InternalError,
    RisError,
    UnknownKeyError,
    UnsupportedError,
)
from ris.domain.exchange import MESSAGE, UNPROVEN, MessageTrigger, Protocol, ReplyState
from ris.models import InboundMessage, driver
from ris.models.columns import preparing
from ris.models.driver import Text
from ris.models.prepared import Given, Select
from ris.services import _clock
from ris.services._context import Cause, caused_by
from ris.services._execute import execute
from ris.services._locks import lock_name
from ris.services._notes import Notes
from ris.services._together import Together
from ris.services._transition import move, set_reply_state, touch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply exactly as it goes on the wire, and the word lists show for it (AA, 201, 0000)."""

    payload: bytes
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """``duplicate``: the stored answer of an earlier identical message was given."""

    answer: Answer
    message: str
    duplicate: bool


class Defer(Exception):  # noqa: N818 - an outcome of ``apply``, not a fault
    """Raised by ``apply``: the message is stored and answered now, and applied later.

    ``then`` is called with the message inside the transaction that stores it.
    """

    def __init__(self, answer: Answer, then: Callable[[InboundMessage], None]) -> None:
        super().__init__()
        self.answer = answer
        self.then = then


R = TypeVar("R")

Apply = Callable[[], Answer]
Refuse = Callable[[RisError], Answer]
# What an edge registers so that a stored message can be applied again:
# (raw bytes, actor, sender) → what `receive` would have been given.
Replayer = Callable[[bytes, Actor, str], tuple[Apply, Refuse]]

_REPLAYERS: dict[Protocol, Replayer] = {}

_NUMBERS_AT_ONCE = 6
_MOST_NAMED = " LIMIT 100"
# Where each kind of number is looked for, and the field that it is of.
_REFERENCES: dict[str, tuple[str, Field[Any, Any]]] = {
    "placer": ("SELECT id FROM ris_order WHERE placer_order_number = %s", CharField()),
    "filler": ("SELECT id FROM ris_order WHERE filler_order_number = %s", CharField()),
    "accession": ("SELECT id FROM ris_order WHERE accession_number = %s", CharField()),
    "study": (
        "SELECT order_id FROM ris_requestedprocedure WHERE study_instance_uid = %s",
        CharField(),
    ),
    "order": ("SELECT id FROM ris_order WHERE public_id = %s", UUIDField()),
}


def register_replayer(protocol: Protocol, replayer: Replayer) -> None:
    _REPLAYERS[protocol] = replayer


def replayer(protocol: Protocol) -> Replayer:
    """How messages of a protocol are applied; raises UnsupportedError where that cannot be done."""
    found = _REPLAYERS.get(protocol)
    if found is None:
        raise UnsupportedError(f"{protocol.value} messages cannot be applied again")
    return found


def receive(
    *,
    protocol: Protocol,
    actor: Actor,
    key: str,
    raw: bytes,
    message_type: str,
    apply: Apply,
    refuse: Refuse,
    sender: str = "",
    references: Sequence[tuple[str, str]] = (),
    dedupe: bool = True,
    in_turn: str = "",
) -> Receipt:
    """Store a message, apply it, store the answer; commit; give the answer.

    Of messages with the same ``in_turn`` each sees what the one before has done.

    A RisError of ``apply`` undoes what it did and nothing else: the message stays as REJECTED with
    ``refuse(error)``. Any other exception makes it FAILED and is answered as internal, by id. An
    error of the database itself propagates: then nothing was stored and nothing may be
    acknowledged.
    """
    incoming = _Incoming(
        protocol=protocol,
        actor=actor,
        key=key,
        raw=raw,
        message_type=message_type,
        apply=apply,
        refuse=refuse,
        sender=sender,
        references=references,
        dedupe=dedupe and bool(key),
        in_turn=in_turn,
    )
    if connection.in_atomic_block or connection.vendor != "sqlite":
        # PostgreSQL has many writers, and puts their commits together by itself.
        return _store([incoming])[0]
    _TOGETHER.submit(incoming)
    if incoming.error is not None:
        raise incoming.error
    assert incoming.receipt is not None  # noqa: S101 - there is one or the other
    return incoming.receipt


@dataclass(slots=True, kw_only=True)
class _Incoming:
    """A message on its way in, and what came of it."""

    protocol: Protocol
    actor: Actor
    key: str
    raw: bytes
    message_type: str
    apply: Apply
    refuse: Refuse
    sender: str
    references: Sequence[tuple[str, str]]
    dedupe: bool
    in_turn: str
    # Of the thread it came on: another one may store it.
    context: Context = field(default_factory=copy_context)
    receipt: Receipt | None = None
    error: Exception | None = None


def _store_together(waiting: Sequence[_Incoming | None]) -> None:
    """Several messages in one transaction, each in a savepoint of its own; else one by one.

    What is wrong with a message undoes that message alone. Only what the database itself refuses
    (a full disk, a lock) undoes them all; then each is tried by itself. (None stands for nothing
    but the notes.)
    """
    messages = [one for one in waiting if one is not None]
    with _WRITING.held():
        error = _tried(messages)
        if error is None:
            return
        if not messages:
            raise error
        if len(messages) > 1:
            for one in messages:
                one.error = _tried([one])
        else:
            messages[0].error = error


def _tried(messages: Sequence[_Incoming]) -> Exception | None:
    """Store them; what undid them, whatever it was: those who wait for their receipts raise it."""
    try:
        for one, receipt in zip(messages, _store(messages), strict=True):
            one.receipt = receipt
    except Exception as error:
        connection.close()  # what may be wrong with it must not be the next one's
        return error
    return None


_MOST_TOGETHER = 32
_WRITING = driver.SharedConnection()
_TOGETHER = Together(_store_together, at_most=_MOST_TOGETHER)


def _store(messages: Sequence[_Incoming]) -> list[Receipt]:
    """The messages and what waits to be noted, in one transaction."""
    notes = _NOTES.take() if not connection.in_atomic_block else []
    try:
        with transaction.atomic():
            receipts = [one.context.run(_receive, one) for one in messages]
            _write_notes(notes)
    except BaseException:
        _NOTES.put_back(notes)
        raise
    return receipts


def _receive(incoming: _Incoming) -> Receipt:
    protocol, sender, key = incoming.protocol, incoming.sender, incoming.key
    digest = hashlib.sha256(incoming.raw).hexdigest()
    reused = False
    if incoming.in_turn:
        lock_name(incoming.in_turn)
    if incoming.dedupe:
        reused = _SAME_KEY.first(protocol=protocol.value, sender=sender, key=key) is not None
        earlier = _earlier(protocol, sender, key, digest) if reused else None
        if earlier is not None:
            return earlier
    message = InboundMessage(
        endpoint_id=incoming.actor.endpoint_id,
        protocol=protocol.value,
        sender=sender,
        peer=incoming.actor.address,
        key=key if incoming.dedupe else f"{key} {uuid.uuid4().hex}".strip(),
        digest=digest,
        message_type=incoming.message_type,
        raw=incoming.raw,
        correlation=uuid.uuid4().hex,
        received_at=_clock.now(),
        key_reused=reused,
    )
    if not message.insert_unless_known():
        # The same message on another connection committed first: its answer is the answer.
        earlier = _earlier(protocol, sender, key, digest)
        if earlier is None:
            raise OperationalError("a message could neither be stored nor found")
        return earlier
    answer = _apply(message, incoming.apply, incoming.refuse, incoming.references)
    return Receipt(answer=answer, message=str(message.public_id), duplicate=False)


def _of_key() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(
        protocol=Given("protocol", CharField()),
        sender=Given("sender", CharField()),
        key=Given("key", CharField()),
    )


_SAME = Select(lambda: _of_key().filter(digest=Given("digest", CharField())))
_SAME_KEY = Select(lambda: _of_key().only("pk")[:1])


def _earlier(protocol: Protocol, sender: str, key: str, digest: str) -> Receipt | None:
    message = _SAME.first(protocol=protocol.value, sender=sender, key=key, digest=digest)
    if message is None:
        return None
    InboundMessage.objects.filter(pk=message.pk).update(repeats=F("repeats") + 1)
    return Receipt(
        answer=Answer(payload=bytes(message.reply), outcome=message.outcome),
        message=str(message.public_id),
        duplicate=True,
    )


def _apply(
    message: InboundMessage,
    apply: Apply,
    refuse: Refuse,
    references: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Run ``apply`` in a savepoint and move the message by how it ended, in one statement."""
    trigger: MessageTrigger | None = MessageTrigger.APPLY
    cause = Cause(message_id=message.pk, correlation=message.correlation)
    message.error = message.error_path = message.error_id = ""
    try:
        with caused_by(cause), cause.keeping(), transaction.atomic():
            answer = apply()
    except OperationalError:
        raise
    except Defer as deferred:
        trigger, answer = None, deferred.answer
        deferred.then(message)
    except RisError as error:
        trigger = MessageTrigger.FAIL if error.code is ErrorCode.INTERNAL else MessageTrigger.REJECT
        message.error, message.error_path = error.message, error.path[:200]
        with caused_by(cause):  # a refusal may leave something to remember of the message
            answer = refuse(error)
    except Exception:
        trigger = MessageTrigger.FAIL
        message.error_id = uuid.uuid4().hex[:12]
        message.error = f"internal error {message.error_id}"
        log.exception(
            "a message could not be applied",
            error_id=message.error_id,
            message=str(message.public_id),
            message_type=message.message_type,
        )
        answer = refuse(InternalError("internal error", details={"error_id": message.error_id}))
    _follow_refusals(message, cause)
    message.reply = answer.payload
    message.outcome = answer.outcome[:20]
    message.answered_at = _clock.now()
    # What has no answer, as an answer to ours, waits for none; who writes one notes that later.
    due = ReplyState.PENDING if answer.payload else ReplyState.NOT_DUE
    set_reply_state(message, due.value)
    _tie(message, cause, references)
    fields = (
        "patient", "reply", "reply_state", "outcome", "answered_at",
        "error", "error_path", "error_id",
    )  # fmt: skip
    if trigger is None:
        touch(message, *fields)
    else:
        move(message, MESSAGE, trigger, *fields)
    return answer


def _follow_refusals(message: InboundMessage, cause: Cause) -> None:
    """What a refusal leaves to be seen; its answer is the same whether that succeeds or not."""
    while cause.refused:
        command, actor = cause.refused.pop(0)
        try:
            with caused_by(cause), transaction.atomic():
                execute(command, actor=actor)
        except RisError as error:
            log.warning(
                "a refusal could not be noted", message=str(message.public_id), error=error.message
            )


def _named(references: Sequence[tuple[str, str]]) -> set[int]:
    """The orders that these numbers are of: a number is one order's for each who gives them out."""
    known = sorted({(kind, value) for kind, value in references if kind in _REFERENCES and value})
    connection = driver.here()
    found: set[int] = set()
    for first in range(0, len(known), _NUMBERS_AT_ONCE):
        some = known[first : first + _NUMBERS_AT_ONCE]
        params = [
            preparing(_REFERENCES[kind][1], connection.vendor)(value, connection)
            for kind, value in some
        ]
        text = _naming(tuple(kind for kind, _ in some), connection.vendor)
        found.update(order for (order,) in driver.rows(connection, text, params))
    return found


@lru_cache(maxsize=256)
def _naming(kinds: tuple[str, ...], vendor: str) -> Text:
    """Each number by itself: no index serves a choice between tables."""
    return Text(" UNION ".join(_REFERENCES[kind][0] for kind in kinds) + _MOST_NAMED, vendor)


def _tie(message: InboundMessage, cause: Cause, references: Sequence[tuple[str, str]]) -> None:
    """Tie a message to the orders it changed and to those it names, for the timeline.

    The patient is set, for the caller to save.
    """
    orders = cause.orders | _named(references)
    here = driver.here()
    for order in sorted(orders):
        driver.count(here, _tying(here.vendor), [message.pk, order])
    if len(cause.patients) == 1:
        (message.patient_id,) = cause.patients


@cache
def _tying(vendor: str) -> Text:
    return Text(
        "INSERT INTO ris_inboundmessage_orders (inboundmessage_id, order_id) VALUES (%s, %s)"
        " ON CONFLICT DO NOTHING",
        vendor,
    )


def mark_replied(message: str, *, sent: bool) -> None:
    """Note whether the answer could be written to the peer; it stays available for a repeat."""
    state = ReplyState.SENT if sent else ReplyState.UNDELIVERED
    InboundMessage.objects.filter(public_id=message).update(reply_state=state.value)


def mark_replied_soon(message: str, *, sent: bool) -> None:
    """The same along with the next message, or a moment later; what a crash loses stays PENDING."""
    if connection.in_atomic_block:
        mark_replied(message, sent=sent)
    else:
        _NOTES.add((message, sent))


def _write_notes(notes: Sequence[tuple[str, bool]]) -> None:
    if not notes:
        return
    here = driver.here()
    text = _noting(here.vendor)
    key = preparing(_PUBLIC_ID, here.vendor)
    for message, sent in notes:
        state = ReplyState.SENT if sent else ReplyState.UNDELIVERED
        driver.count(here, text, [state.value, key(uuid.UUID(message), here)])


@cache
def _noting(vendor: str) -> Text:
    return Text("UPDATE ris_inboundmessage SET reply_state = %s WHERE public_id = %s", vendor)


def attempt(part: Callable[[], R]) -> R:
    """A part of a message that stands for itself: if it fails, what it did is undone, no more."""
    with transaction.atomic():
        return part()


_PUBLIC_ID = InboundMessage._meta.get_field("public_id")


def _write_notes_alone() -> None:
    if connection.vendor == "sqlite":
        _TOGETHER.submit(None)
    else:
        _store([])


_NOTES: Notes[tuple[str, bool]] = Notes(_write_notes_alone)


def write_notes_now() -> None:
    """Write what was noted so far without waiting for the moment."""
    _NOTES.write_rest()


def apply_again(public_id: uuid.UUID, actor: Actor) -> InboundMessage:
    """Apply a rejected or failed message once more, inside the caller's transaction.

    The commands run as the original sender: a replay gives nobody rights the sender lacked.
    """
    message = (
        InboundMessage.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .filter(public_id=public_id)
        .first()
    )
    if message is None:
        raise UnknownKeyError("no such message")
    again = replayer(Protocol(message.protocol))
    if message.error in UNPROVEN:
        raise DeniedError("who sent it did not prove who it is: it has to be sent again")
    move(message, MESSAGE, MessageTrigger.REPLAY)
    apply, refuse = again(bytes(message.raw), actor, message.sender)
    _apply(message, apply, refuse)
    return message
