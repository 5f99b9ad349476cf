"""Letters to patients about breast exams: what they tell, their states, commands and events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.mammography import Assessed, Category
from ris.domain.states import StateMachine


class Topic(StrEnum):
    """What a letter tells."""

    NORMAL = "NORMAL"
    ADDITIONAL_IMAGING = "ADDITIONAL"
    SHORT_INTERVAL = "INTERVAL"
    BIOPSY = "BIOPSY"
    KNOWN = "KNOWN"
    REMINDER = "REMINDER"
    RECALLED = "RECALLED"  # the letter before does not hold: its report was withdrawn


class Statement(StrEnum):
    """A part of a letter with words of its own."""

    DENSE = "DENSE"
    NOT_DENSE = "NOT DENSE"
    REPLACES = "REPLACES"


# Letters and parts together: what a site may word in its own way.
TEXT_KINDS: tuple[str, ...] = (
    *(topic.value for topic in Topic),
    *(one.value for one in Statement),
)


class LetterState(StrEnum):
    PLANNED = "PLANNED"
    SENT = "SENT"
    STOPPED = "STOPPED"


class LetterTrigger(StrEnum):
    SEND = "send"
    STOP = "stop"


LETTER = StateMachine[LetterState, LetterTrigger](
    "BreastLetter",
    LetterState.PLANNED,
    {
        (LetterState.PLANNED, LetterTrigger.SEND): LetterState.SENT,
        (LetterState.PLANNED, LetterTrigger.STOP): LetterState.STOPPED,
    },
)


class SentHow(StrEnum):
    POST = "POST"
    HANDED = "HANDED"
    PORTAL = "PORTAL"
    MAIL = "MAIL"  # sent from here, to who said that mail is wanted


def mail_id(letter: str) -> str:
    """The control id of the delivery that a mailed letter is."""
    return f"letter-{letter}"


def topic_of(said: Assessed) -> Topic:
    """What the patient is told of an assessment."""
    if said.recall is not None:
        return Topic(said.recall.value)
    return Topic.KNOWN if said.overall == Category.KNOWN else Topic.NORMAL


# --- commands


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintLetters(Command[tuple[str, ...]]):
    """Settle the words of letters that are due; returns those that may be printed."""

    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLettersSent(Command[int]):
    """Note that printed letters left, and how; returns how many."""

    letters: tuple[str, ...]
    how: SentHow = SentHow.POST


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLetter(Command[None]):
    letter: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLetterChoice(Command[None]):
    """Note whether a patient wants letters about breast exams."""

    patient: str
    wanted: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLetterText(Command[str]):
    """Word a letter or a part of one; with an empty body our own words are used again."""

    kind: str
    language: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReminders(Command[int]):
    """Plan a second letter for recalls whose day has long passed; returns how many."""


# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastLetterPlanned(Event):
    order: str
    letter: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastLetterSent(Event):
    order: str
    letter: str
    topic: str
    how: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastLetterStopped(Event):
    order: str
    letter: str
    topic: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChoiceSet(Event):
    patient: str
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTextSet(Event):
    kind: str
    language: str
