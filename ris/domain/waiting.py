"""The waiting list: whoever wants an earlier or any time is offered what becomes free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine


class WaitingStatus(StrEnum):
    WAITING = "WAITING"
    SERVED = "SERVED"  # has a time that was offered, or was booked otherwise
    WITHDRAWN = "WITHDRAWN"


class WaitingTrigger(StrEnum):
    SERVE = "serve"
    WITHDRAW = "withdraw"


WAITING = StateMachine[WaitingStatus, WaitingTrigger](
    "WaitingEntry",
    WaitingStatus.WAITING,
    {
        (WaitingStatus.WAITING, WaitingTrigger.SERVE): WaitingStatus.SERVED,
        (WaitingStatus.WAITING, WaitingTrigger.WITHDRAW): WaitingStatus.WITHDRAWN,
    },
)


class OfferStatus(StrEnum):
    OPEN = "OPEN"  # the time is held until somebody says yes or no
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"


class OfferTrigger(StrEnum):
    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"


OFFER = StateMachine[OfferStatus, OfferTrigger](
    "SlotOffer",
    OfferStatus.OPEN,
    {
        (OfferStatus.OPEN, OfferTrigger.ACCEPT): OfferStatus.ACCEPTED,
        (OfferStatus.OPEN, OfferTrigger.DECLINE): OfferStatus.DECLINED,
        (OfferStatus.OPEN, OfferTrigger.EXPIRE): OfferStatus.EXPIRED,
    },
)


class DayPart(StrEnum):
    """A part of the day that suits somebody, in site-local time."""

    MORNING = "MORNING"
    AFTERNOON = "AFTERNOON"
    EVENING = "EVENING"


# From and to, in hours of the day.
DAY_PARTS: dict[DayPart, tuple[int, int]] = {
    DayPart.MORNING: (0, 12),
    DayPart.AFTERNOON: (12, 17),
    DayPart.EVENING: (17, 24),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForSlot(Command[str]):
    """Put a step on the waiting list; returns the entry's public id.

    One that is booked waits for something earlier; it keeps its time until an offer is accepted.
    ``notice_hours``: how long before the exam somebody has to know. Given again it changes the
    entry, which keeps its place in the queue.
    """

    step: str
    earliest: date | None = None
    latest: date | None = None
    day_parts: tuple[DayPart, ...] = ()
    notice_hours: int = 24
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWaiting(Command[None]):
    """Take a step off the waiting list; what is held for it is given back."""

    entry: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSlot(Command[str]):
    """Hold a time that became free for somebody who waits; returns the offer's public id."""

    entry: str
    device: str
    start_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer(Command[str]):
    """Book the time that was offered, or move the exam there; returns the appointment."""

    offer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineOffer(Command[None]):
    """The time does not suit: it goes to the next; the step keeps waiting."""

    offer: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStarted(Event):
    order: str
    step: str
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStopped(Event):
    order: str
    step: str
    entry: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOffered(Event):
    order: str
    step: str
    entry: str
    offer: str
    start_at: datetime
    station: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted(Event):
    order: str
    step: str
    offer: str
    start_at: datetime
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeclined(Event):
    order: str
    step: str
    offer: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferExpired(Event):
    order: str
    step: str
    offer: str
