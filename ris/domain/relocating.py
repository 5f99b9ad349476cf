"""Moving several appointments at once, because a room or device is not to be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ris.domain.commands import Command
from ris.domain.openings import Against


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How an appointment was in the place that it goes back to.

    ``against`` is what stood against that place already then (the room that went down): it counts
    no more on the way back, and all that came since does.
    """

    minutes: int
    overbooked: bool = False
    reason: str = ""
    against: frozenset[Against] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """One appointment and its new place; ``expected_version`` as the proposal saw it.

    With ``before`` it is the place where the appointment was, and the move is taken back.
    """

    appointment: str
    device: str
    start_at: datetime
    expected_version: int | None = None
    before: Before | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelocateAppointments(Command[int]):
    """Move all of these, or none if one cannot be had; returns how many were moved.

    Each goes by the rules of a single move and is told as one. They may take each other's places.
    """

    relocations: tuple[Relocation, ...]
    reason: str = ""
