"""Taking back what was just done: the inverse of a cancellation, an arrival, a no-show.

A booking is taken back by canceling it, a move by moving back, a hold by releasing: those have
commands of their own. Peers are told of an undoing as of any other change.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event
from ris.domain.orders import OrderReference

RESTORE_HOURS = 24  # after that a canceled order is ordered anew


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOrder(Command[tuple[str, ...]]):
    """Take back a cancellation of ours: the order is open as it was.

    What was booked is booked again where the time is still free; returns the public ids of the
    steps that wait to be booked because it is not. Refused when the placer canceled, when another
    order stands for it, and after :data:`RESTORE_HOURS`.
    """

    order: OrderReference
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoArrival(Command[None]):
    """The patient was checked in by mistake; refused once an exam has begun or is prepared."""

    appointment: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoNoShow(Command[None]):
    """The patient came after all: the appointment stands again if its time is still free."""

    appointment: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalUndone(Event):
    order: str
    step: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoShowUndone(Event):
    order: str
    step: str
    appointment: str
