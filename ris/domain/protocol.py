"""What a protocol edge must offer so that the outbox can send through it.

The core knows the edges only by this interface; each edge registers itself when it starts
(``ris.services.outbox.register_protocol``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInfo:
    """What an edge is told of the endpoint it renders for or sends to."""

    id: int
    public_id: str
    name: str
    protocol_name: str
    host: str
    port: int | None
    version: str
    character_set: str
    time_zone: str
    sends: frozenset[str]
    settings: Mapping[str, Any]
    mapping_version: int = 0  # of its value maps and rules (ris.selectors.mapping); 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A domain event as the outbox hands it to an edge."""

    id: int
    name: str
    payload: Mapping[str, Any]
    at: datetime
    order: str = ""  # public ids, empty if the event is not about one
    patient: str = ""
    actor_endpoint_id: int | None = None  # who caused it, so that nobody is told his own news
    message: int | None = None  # the stored message it was applied for
    subject_type: str = ""  # what it happened to: the table's name, and its public id
    subject_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to send.

    ``lane`` orders deliveries: those of one endpoint and lane leave one after the other.
    ``control_id`` is the message's own key (MSH-10), stable over every retry. ``orders`` are the
    orders it tells of, by public id; none: that of the event.
    """

    lane: str
    control_id: str
    message_type: str
    payload: bytes
    orders: tuple[str, ...] = ()


class Result(StrEnum):
    DELIVERED = "DELIVERED"
    TRANSIENT = "TRANSIENT"  # not sent, or "try again": back off and repeat
    AMBIGUOUS = "AMBIGUOUS"  # sent, no answer: repeat with the same control id
    REFUSED = "REFUSED"  # the peer said never: a person must look


# A peer that answers AE may have been busy with the same record: it is asked this often in all.
REFUSALS_BEFORE_PARKING = 3


class OnRefusal(StrEnum):
    """What becomes of a message that a peer keeps refusing."""

    PARK = "park"  # its lane waits for a person
    SKIP = "skip"  # its lane goes on; the message stays in sight as skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt to send ended, and what was agreed for a refusal.

    ``answered``: TRANSIENT, and yet the peer is well; only this message has to wait, for a
    ``pause`` if one is said, else the longer the oftener it was tried.
    ``says_more``: DELIVERED, and the reply asks for something (:class:`TakesReplies`).
    ``park_after`` refusals in a row the peer is not asked again.
    """

    result: Result
    reply: bytes = b""
    error: str = ""
    answered: bool = False
    pause: timedelta | None = None
    says_more: bool = False
    park_after: int = REFUSALS_BEFORE_PARKING
    on_refusal: OnRefusal = OnRefusal.PARK
    details: Mapping[str, Any] = field(default_factory=dict)


class OutboundProtocol(Protocol):
    """Implemented by each edge that sends."""

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        """The messages this event means for this endpoint; none if it does not care.

        Called inside the fan-out's transaction, so it must not do network input or output. It
        reads what it needs through ``ris.selectors``. ``control_id`` is unique for this event and
        endpoint; several messages append a suffix.
        """

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        """Send and wait for the answer, outside of any transaction.

        Never raises for a peer's fault.
        """

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        """The same message with another control id, to be sent once more as a new message."""

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's protocol settings, completed and checked; raises InvalidValueError."""


@runtime_checkable
class Chooses(Protocol):
    """Implemented by an edge that knows by an event's name that it means nothing to an endpoint."""

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        """Whether ``render`` has to be asked; most events mean nothing to most endpoints."""


@runtime_checkable
class TakesReplies(Protocol):
    """Implemented by an edge for which a reply may say more than "received".

    An order's placer gives its own number in the answer (ORR with NA), for example.
    """

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        """Do what the reply to a delivered message asks for, through the one door.

        Called in the transaction that notes the delivery, so that both are kept or neither; what it
        raises undoes its own work, is shown with the delivery, and undoes nothing else.
        """


@runtime_checkable
class KeepsHours(Protocol):
    """Implemented by an edge whose peers may be closed at times; what waits is sent afterwards."""

    def is_open(self, endpoint: EndpointInfo, now: datetime) -> bool:
        """Whether the endpoint takes messages now."""
