"""Safety questions that patients answer themselves, at the page of their appointment.

What they say is known from then on and settles nothing: a person confirms it. The other way round
it does: who says that an answer which counts is wrong opens that question again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event
from ris.domain.safety import SafetyAnswerGiven


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareSafetyAnswers(Command[int]):
    """Say at the page of an appointment what its questions ask; returns how many are new."""

    appointment: str
    answers: tuple[SafetyAnswerGiven, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyAnswersDeclared(Event):
    """``reopened`` are questions that were settled by another answer and are open again."""

    order: str
    appointment: str
    questions: tuple[str, ...]
    unsafe: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
