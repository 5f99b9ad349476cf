"""Follow-up recommendations: an exam that a report asks for, tracked until it happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine


class FollowUpState(StrEnum):
    OPEN = "OPEN"
    ORDERED = "ORDERED"
    BOOKED = "BOOKED"
    DONE = "DONE"
    OVERDUE = "OVERDUE"
    DECLINED = "DECLINED"


class FollowUpTrigger(StrEnum):
    ORDER = "order"
    BOOK = "book"
    UNBOOK = "unbook"
    LOSE = "lose"  # its order was canceled, or was another exam's
    PERFORM = "perform"
    LAPSE = "lapse"
    DECLINE = "decline"
    REOPEN = "reopen"


def _table() -> dict[tuple[FollowUpState, FollowUpTrigger], FollowUpState]:
    """An appointment that is agreed is not overdue; an order alone may well be."""
    s, t = FollowUpState, FollowUpTrigger
    return {
        (s.OPEN, t.ORDER): s.ORDERED,
        (s.OVERDUE, t.ORDER): s.OVERDUE,
        (s.ORDERED, t.BOOK): s.BOOKED,
        (s.OVERDUE, t.BOOK): s.BOOKED,
        (s.BOOKED, t.UNBOOK): s.ORDERED,
        (s.ORDERED, t.LOSE): s.OPEN,
        (s.BOOKED, t.LOSE): s.OPEN,
        (s.OVERDUE, t.LOSE): s.OVERDUE,
        (s.ORDERED, t.PERFORM): s.DONE,
        (s.BOOKED, t.PERFORM): s.DONE,
        (s.OVERDUE, t.PERFORM): s.DONE,
        (s.OPEN, t.LAPSE): s.OVERDUE,
        (s.ORDERED, t.LAPSE): s.OVERDUE,
        **{(state, t.DECLINE): s.DECLINED for state in (s.OPEN, s.ORDERED, s.BOOKED, s.OVERDUE)},
        (s.DECLINED, t.REOPEN): s.OPEN,
        (s.DONE, t.REOPEN): s.OPEN,
    }


FOLLOW_UP = StateMachine[FollowUpState, FollowUpTrigger](
    "FollowUpRecommendation", FollowUpState.OPEN, _table()
)
LIVE = (
    FollowUpState.OPEN,
    FollowUpState.ORDERED,
    FollowUpState.BOOKED,
    FollowUpState.OVERDUE,
)


class Arranger(StrEnum):
    """Who sees to it that the exam happens."""

    REFERRER = "REFERRER"
    DEPARTMENT = "DEPARTMENT"
    PATIENT = "PATIENT"


class Reminder(StrEnum):
    """How somebody was reminded."""

    PHONE = "PHONE"
    LETTER = "LETTER"
    MAIL = "MAIL"


class Fit(StrEnum):
    """Whether an exam is the one that was recommended."""

    SAME = "SAME"
    MAYBE = "MAYBE"
    NO = "NO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An exam as far as it is known: by its code, else by modality and part of the body."""

    code: str = ""
    modality: str = ""
    body_part: str = ""


def fit(wanted: Wanted, exam: Wanted) -> Fit:
    """The code says it is the same; modality and region that agree let a person decide."""
    if wanted.code and wanted.code == exam.code:
        return Fit.SAME
    if not wanted.modality or wanted.modality != exam.modality:
        return Fit.NO
    here, there = wanted.body_part.upper(), exam.body_part.upper()
    return Fit.MAYBE if not here or not there or here == there else Fit.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendFollowUp(Command[str]):
    """Track an exam that a report recommends; returns the recommendation's public id."""

    report: str
    words: str
    due_to: date
    due_from: date | None = None
    reason: str = ""
    procedure: str = ""  # public id of the catalog's procedure, if it is known
    modality: str = ""
    body_part: str = ""
    arranger: Arranger = Arranger.REFERRER


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFollowUpOrder(Command[None]):
    """This order is for the exam that was recommended."""

    follow_up: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkFollowUpOrder(Command[None]):
    """This order is for something else; it is not proposed again."""

    follow_up: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineFollowUp(Command[None]):
    """It will not be done: the patient does not want it, it is done elsewhere."""

    follow_up: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenFollowUp(Command[None]):
    """It is to be done after all."""

    follow_up: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteFollowUpReminder(Command[None]):
    """Somebody was reminded of the exam."""

    follow_up: str
    how: Reminder
    who: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchFollowUps(Command[int]):
    """Look again what became of these orders (timer); returns how many recommendations moved."""

    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseFollowUps(Command[int]):
    """Call overdue what was to be done by now (timer); returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRecommended(Event):
    order: str
    follow_up: str
    report: str
    due_to: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpOrderProposed(Event):
    order: str
    follow_up: str
    proposed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpOrderLinked(Event):
    order: str
    follow_up: str
    linked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpOrderUnlinked(Event):
    order: str
    follow_up: str
    linked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpMoved(Event):
    """Booked, done, overdue: what became of the exam."""

    order: str
    follow_up: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpDeclined(Event):
    order: str
    follow_up: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpReopened(Event):
    order: str
    follow_up: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpReminded(Event):
    order: str
    follow_up: str
    how: str
