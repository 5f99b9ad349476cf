"""The reading list: who reads what, by when, and who is at it now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ris.domain.commands import Command, Event
from ris.domain.orders import Priority

# Suggested where a subspecialty is typed; a site may use words of its own.
SUBSPECIALTIES: Final = (
    "abdomen",
    "breast",
    "cardiac",
    "chest",
    "emergency",
    "interventional",
    "MSK",
    "neuro",
    "nuclear",
    "pediatric",
    "vascular",
)

# A page says that it is open once a minute; after five without a word its reader has left.
LEASE: Final = timedelta(minutes=5)
SKIPPED: Final = timedelta(minutes=30)
LONGEST_TARGET: Final = 60 * 24 * 60  # minutes: sixty days


class LeaseEnd(StrEnum):
    """Why somebody reads a report no longer."""

    RELEASED = "RELEASED"
    SIGNED = "SIGNED"
    DISCARDED = "DISCARDED"
    SILENT = "SILENT"
    TAKEN_OVER = "TAKEN_OVER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Exams of a priority and class of patient are final within so many minutes; empty: any."""

    priority: str = ""
    patient_class: str = ""  # HL7 table 0004
    minutes: int


# In force until a manager says others.
TARGETS: Final = (
    Target(priority=Priority.STAT.value, minutes=60),
    Target(patient_class="E", minutes=60),
    Target(priority=Priority.ASAP.value, minutes=2 * 60),
    Target(priority=Priority.URGENT.value, minutes=4 * 60),
    Target(patient_class="I", minutes=24 * 60),
    Target(minutes=72 * 60),
)


def target_minutes(targets: Iterable[Target], priority: str, patient_class: str) -> int | None:
    """The shortest of the times that hold for an exam; None if none does."""
    return min(
        (
            each.minutes
            for each in targets
            if each.priority in {"", priority} and each.patient_class in {"", patient_class}
        ),
        default=None,
    )


class Haste(StrEnum):
    """How an exam stands against its time."""

    NONE = "NONE"
    IN_TIME = "IN_TIME"
    SOON = "SOON"
    OVERDUE = "OVERDUE"


def haste(since: datetime | None, minutes: int | None, now: datetime) -> Haste:
    """Soon is the last quarter of the time."""
    if since is None or minutes is None:
        return Haste.NONE
    left = since + timedelta(minutes=minutes) - now
    if left < timedelta():
        return Haste.OVERDUE
    return Haste.SOON if left <= timedelta(minutes=minutes) / 4 else Haste.IN_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReadingScope(Command[None]):
    """Say what the actor reads; a list that is empty means all."""

    subspecialties: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()  # public ids


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReadingTargets(Command[None]):
    """Replace the times in which exams are to be final; none at all brings back the proposed."""

    targets: tuple[Target, ...]
    expected_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReading(Command[None]):
    """Become the one who reads, as long as nobody else does."""

    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReading(Command[None]):
    """Leave a report to others; nothing happens if somebody else reads it."""

    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOverReading(Command[None]):
    """Become the reader in place of another, who is told why."""

    report: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipReading(Command[None]):
    """Let an exam wait behind the others of the actor's list for half an hour."""

    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSilentReadings(Command[int]):
    """Free what no open page has spoken for; returns how many there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingScopeSet(Event):
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTargetsSet(Event):
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingClaimed(Event):
    report: str
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingReleased(Event):
    report: str
    order: str
    how: str = LeaseEnd.RELEASED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTakenOver(Event):
    report: str
    order: str
    reader: str  # who read it before
    reason: str
