"""Messages that are stored now and applied later (HL7 v2.5.1 2.9.3; reliability 3.1).

A message whose sender was answered as soon as it was stored waits as RECEIVED. Whoever calls
``apply_stored`` — the worker, again and again — applies what waits: the messages of one sender in
the order in which they were stored, one at a time, those of different senders beside each other.
The rows are the queue, so a crash loses nothing and applies nothing twice. What is wrong with a
message is found among the exceptions, as with any other; the next one of its sender goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from django.db import OperationalError
from django.db.models import QuerySet

from ris.domain.actors import Actor, endpoint_actor
from ris.domain.exchange import MessageState, Protocol
from ris.models import InboundMessage
from ris.services import inbox
from ris.services._execute import call_after_commit, transactional
from ris.services._transition import set_reply_state, touch
from ris.services.inbox import Answer, Apply, Refuse

log = structlog.get_logger(__name__)

# What an edge registers: (raw bytes, actor, sender) → how to apply and to refuse the message, and
# the numbers that tie it to orders if it is refused. Its answers are those that come later, and it
# queues them itself; the one that was given stays what a repeat gets.
Later = Callable[[bytes, Actor, str], tuple[Apply, Refuse, Sequence[tuple[str, str]]]]

_AT_ONCE = 200  # looked up together, each applied in a transaction of its own

_LATER: dict[Protocol, Later] = {}


def register(protocol: Protocol, later: Later) -> None:
    _LATER[protocol] = later


def ring() -> None:
    """Have the worker called once the transaction is committed."""
    call_after_commit()


def apply_stored(limit: int = 500) -> int:
    """Apply what waits; how many messages were."""
    count = 0
    done: list[str] = []
    while count < limit:
        # By time, which an index knows; within a sender by the order of storing.
        oldest = _waiting().exclude(sender__in=done).order_by("received_at").first()
        if oldest is None:
            break
        done.append(oldest.sender)
        count += _apply_of(oldest.sender, limit - count)
    return count


def _apply_of(sender: str, limit: int) -> int:
    """Apply the messages of one sender, in their order, as long as nobody else does."""
    count = 0
    while count < limit:
        waiting = _waiting().filter(sender=sender).order_by("received_at")
        keys = sorted(waiting.values_list("pk", flat=True)[: min(_AT_ONCE, limit - count)])
        for key in keys:
            try:
                outcome = _apply_one(key)
            except OperationalError:
                # The message stays, and with it those that came after it.
                log.warning("a stored message could not be applied now", exc_info=True)
                return count
            if outcome is None:
                return count
            count += outcome
        if not keys:
            break
    return count


@transactional
def _apply_one(key: int) -> bool | None:
    """Apply a message; False if that was done already, None if another worker is at it."""
    locked = InboundMessage.objects.select_for_update(skip_locked=True, of=("self",))
    message = locked.filter(pk=key).first()
    if message is None:
        return None
    if message.state != MessageState.RECEIVED.value:
        return False
    _apply(message)
    return True


def _waiting() -> QuerySet[InboundMessage]:
    """What is stored and not applied; a part of a message waits for its rest."""
    return InboundMessage.objects.filter(
        state=MessageState.RECEIVED.value,
        protocol__in=[protocol.value for protocol in _LATER],
        part__isnull=True,
    )


def _apply(message: InboundMessage) -> None:
    name = message.endpoint.name if message.endpoint else message.sender
    actor = endpoint_actor(name, message.endpoint_id, message.peer)
    apply, refuse, references = _LATER[Protocol(message.protocol)](
        bytes(message.raw), actor, message.sender
    )
    given, state, at = bytes(message.reply), message.reply_state, message.answered_at

    def as_given(answer: Answer) -> Answer:
        return Answer(payload=given, outcome=answer.outcome)

    inbox._apply(
        message,
        lambda: as_given(apply()),
        lambda error: as_given(refuse(error)),
        references,
    )
    set_reply_state(message, state)
    message.answered_at = at
    touch(message, "reply_state", "answered_at")
