"""Subscriptions of FHIR clients: states, commands, events (FHIR R4 Subscription; backport 1.1.0).

A subscription is sent through an endpoint of its own, so that its queue, its pauses and its faults
are nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine

# Tries in a row without success after which a subscription is said to be in error.
FAILURES_BEFORE_ERROR = 3
# Each event is held against each subscription, so that no client may have any number of them.
MOST_OF_ONE_CLIENT = 500


class SubscriptionStatus(StrEnum):
    """FHIR R4 value set subscription-status, in its own words."""

    REQUESTED = "requested"
    ACTIVE = "active"
    ERROR = "error"
    OFF = "off"


class SubscriptionTrigger(StrEnum):
    REQUEST = "request"
    ACTIVATE = "activate"
    FAIL = "fail"
    TURN_OFF = "turn_off"


def _table() -> dict[tuple[SubscriptionStatus, SubscriptionTrigger], SubscriptionStatus]:
    s, t = SubscriptionStatus, SubscriptionTrigger
    table = {(state, t.REQUEST): s.REQUESTED for state in s}
    table |= {(state, t.ACTIVATE): s.ACTIVE for state in (s.REQUESTED, s.ERROR)}
    table |= {(state, t.FAIL): s.ERROR for state in (s.REQUESTED, s.ACTIVE)}
    table |= {(state, t.TURN_OFF): s.OFF for state in (s.REQUESTED, s.ACTIVE, s.ERROR)}
    return table


SUBSCRIPTION = StateMachine[SubscriptionStatus, SubscriptionTrigger](
    "Subscription", SubscriptionStatus.REQUESTED, _table()
)


class Content(StrEnum):
    """How much of a resource a notification carries (backport-payload-content)."""

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL = "full-resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionTerms:
    """What a client asks to be told of, and how.

    ``topic`` is the canonical of a topic; without one ``criteria`` is a search. ``content`` is
    told with a topic only. ``document`` is the resource as it came, without what the server keeps.
    """

    criteria: str
    topic: str = ""
    filters: tuple[str, ...] = ()
    url: str
    headers: tuple[str, ...] = ()
    payload: str = ""
    content: str = ""
    heartbeat_seconds: int = 0
    timeout_seconds: int = 0
    max_count: int = 0
    ends_at: datetime | None = None
    base: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Command[str]):
    """Take up a subscription of a client; returns its public id."""

    client: str
    terms: SubscriptionTerms
    status: SubscriptionStatus = SubscriptionStatus.REQUESTED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseSubscription(Command[bool]):
    """Change a subscription; whether it has to be taken up again.

    ``status`` is what the client asks for: requested, off, or the one it has.
    """

    subscription: str
    terms: SubscriptionTerms
    status: SubscriptionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSubscription(Command[None]):
    """Note that a subscription works, does not, or is over."""

    subscription: str
    trigger: SubscriptionTrigger
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSubscription(Command[None]):
    """End a subscription for good; what waits to be sent is not sent any more."""

    subscription: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(Event):
    subscription: str
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRevised(Event):
    subscription: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionMoved(Event):
    subscription: str
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRemoved(Event):
    subscription: str
    reason: str
