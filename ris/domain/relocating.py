"""Moving several appointments at once, because a room or device is not to be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ris.domain.commands import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """One appointment and its new place; ``expected_version`` as the proposal saw it."""

    appointment: str
    device: str
    start_at: datetime
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelocateAppointments(Command[int]):
    """Move all of these, or none if one cannot be had; returns how many were moved.

    Each goes by the rules of a single move and is told as one. They may take each other's places.
    """

    relocations: tuple[Relocation, ...]
    reason: str = ""
