"""Questions about an order that wait for an answer ("Needs information")."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event
from ris.domain.orders import OrderReference

LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForInformation(Command[str]):
    """Ask what is not clear of an order; returns the question's public id.

    The order waits under "Needs information" until the question is answered or taken back.
    """

    order: OrderReference
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInformation(Command[None]):
    """Answer a question; ``by`` is who said it, if that was somebody else (a call, a letter)."""

    question: str
    answer: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationAsked(Event):
    order: str
    question: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationGiven(Event):
    order: str
    question: str
    note: str
    by: str = ""
