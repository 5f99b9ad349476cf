"""Messages to patients: what is told, by which way, when, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from ris.domain import placeholders
from ris.domain.commands import Command, Event
from ris.domain.exchange import Protocol
from ris.domain.states import StateMachine


class Occasion(StrEnum):
    """Why a patient is written to."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELED = "canceled"
    REMINDER = "reminder"
    PREPARATION = "preparation"
    OFFER = "offer"  # an earlier time for somebody on the waiting list


# A change of an appointment; of several in a row only the last is told.
CHANGES = frozenset({Occasion.BOOKED, Occasion.MOVED, Occasion.CANCELED})
# Told so many hours before the appointment.
AHEAD = frozenset({Occasion.REMINDER, Occasion.PREPARATION})

EVENTS: Mapping[str, Occasion] = {
    "AppointmentBooked": Occasion.BOOKED,
    "AppointmentMoved": Occasion.MOVED,
    "AppointmentCanceled": Occasion.CANCELED,
    "SlotOffered": Occasion.OFFER,
}


class Channel(StrEnum):
    """The way a message goes: the protocol of the endpoint that carries it."""

    MAIL = Protocol.MAIL.value
    SMS = Protocol.SMS.value


class PatientMessageState(StrEnum):
    PLANNED = "PLANNED"
    SENT = "SENT"  # handed to the outbox, whose delivery says how it went
    DROPPED = "DROPPED"  # there was no reason to send it any more, or no way


class PatientMessageTrigger(StrEnum):
    SEND = "send"
    DROP = "drop"


PATIENT_MESSAGE = StateMachine[PatientMessageState, PatientMessageTrigger](
    "PatientMessage",
    PatientMessageState.PLANNED,
    {
        (PatientMessageState.PLANNED, PatientMessageTrigger.SEND): PatientMessageState.SENT,
        (PatientMessageState.PLANNED, PatientMessageTrigger.DROP): PatientMessageState.DROPPED,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Whether and when an occasion is told by a channel."""

    active: bool = True
    hours_before: int = 0
    quiet_from: time | None = time(21)
    quiet_until: time | None = time(8)
    names_exam: bool = False  # whether the exam and its preparation stand in the message

    def not_before(self, due: datetime) -> datetime:
        """``due``, or the end of the quiet hours it falls into; ``due`` is site-local."""
        if self.quiet_from is None or self.quiet_until is None:
            return due
        clock = due.timetz().replace(tzinfo=None)
        over_midnight = self.quiet_from > self.quiet_until
        evening, morning = clock >= self.quiet_from, clock < self.quiet_until
        if not (evening or morning if over_midnight else evening and morning):
            return due
        day = due.date() + timedelta(days=1) if over_midnight and evening else due.date()
        return datetime.combine(day, self.quiet_until, due.tzinfo)


# What holds where nobody set a rule. Nothing is sent before an endpoint for the channel exists.
RULES: Mapping[Occasion, Rule] = {
    Occasion.BOOKED: Rule(),
    Occasion.MOVED: Rule(),
    Occasion.CANCELED: Rule(),
    Occasion.REMINDER: Rule(hours_before=48),
    Occasion.PREPARATION: Rule(active=False, hours_before=96),
    Occasion.OFFER: Rule(),
}

# What a text may name.
VARIABLES = (
    "site", "date", "time", "place", "address", "phone", "link", "bring", "exam", "preparation",
)  # fmt: skip
# Of these it says nothing unless the rule lets a message name the exam.
CLINICAL = frozenset({"exam", "preparation"})


def fill(text: str, values: Mapping[str, str]) -> str:
    """A message's text with what it names."""
    return placeholders.filled(text, VARIABLES, values) + "\n"


def check_text(text: str, path: str) -> None:
    """Refuse a name in braces that stands for nothing."""
    placeholders.check(text, VARIABLES, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMessageRule(Command[str]):
    """Set whether and when an occasion is told; for all, one site or one procedure."""

    occasion: Occasion
    channel: Channel
    active: bool
    hours_before: int = 0
    quiet_from: time | None = time(21)
    quiet_until: time | None = time(8)
    names_exam: bool = False
    site: str = ""
    procedure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMessageText(Command[str]):
    """Set the words of an occasion in a language; with an empty body ours are used again."""

    occasion: Occasion
    channel: Channel
    language: str
    subject: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetContactChoice(Command[None]):
    """Note whether a patient wants messages by a channel."""

    patient: str
    channel: Channel
    wanted: bool
    appointment: str = ""  # set where the patient says so on the page of an appointment


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPatientMessages(Command[int]):
    """Hand what is due to the outbox, and drop what has no use any more; returns how many left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRuleSet(Event):
    occasion: str
    channel: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTextSet(Event):
    occasion: str
    channel: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChoiceSet(Event):
    patient: str
    channel: str
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientMessageDropped(Event):
    """A message that a patient should have got was not sent."""

    order: str
    appointment: str
    occasion: str
    channel: str
    reason: str
