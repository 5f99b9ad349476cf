"""Mending what was performed: corrections that can be undone, and what needs a person's decision.

A modality's word is kept as it came (PS3.4 F.7.2.2.3); what people know better stands beside it,
each correction with who, when and why, and with what was before, so that it can be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.discontinuation import FollowUpAction
from ris.domain.orders import PlacedOrder
from ris.domain.performing import PerformedStatus
from ris.domain.values import Code


class CorrectionKind(StrEnum):
    LINKED = "LINKED"  # tied to other steps by a person
    UNLINKED = "UNLINKED"
    MATCHED_LATER = "MATCHED_LATER"  # its order came after it; tied by itself
    MOVED = "MOVED"  # to another patient
    ORDERED = "ORDERED"  # an order was made from it
    REVISED = "REVISED"  # how or when it ended
    QUARANTINED = "QUARANTINED"  # the wrong worklist entry had been picked


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePerformedStep(Command[str]):
    """Give an exam to the right patient (privileged); returns the correction's public id.

    Steps of another patient are untied. Without ``patient`` one is registered with what the device
    said: a provisional record, which a later merge (ADT^A40) resolves.
    """

    performed: str
    reason: str
    patient: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPerformedStep(Command[PlacedOrder]):
    """Make an order of an exam that was done without one (IHE RAD TF-1 3.4, unscheduled case).

    The order takes the exam's patient, Study Instance UID, station and time; the exam is tied to
    it. Without ``code`` the procedure is what the device said it did.
    """

    performed: str
    reason: str
    code: Code | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisePerformedStep(Command[str]):
    """Say how or when an ended exam really ended; the device's word stays beside it."""

    performed: str
    reason: str
    status: PerformedStatus | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCorrection(Command[None]):
    """Take a correction back; only the last one of an exam can be."""

    correction: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFollowUp(Command[None]):
    """Do what a follow-up proposes, or say that nothing is to be done."""

    follow_up: str
    action: FollowUpAction
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RematchPerformedSteps(Command[int]):
    """Look again for the orders and patients of exams that came before them (timer).

    Exams that came later than ``minutes`` ago; returns how many were found.
    """

    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosePerformedSteps(Command[int]):
    """End exams whose modality has said nothing for ``hours`` (timer); returns how many.

    A device's own setting replaces ``hours``; 0 ends none.
    """

    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepMoved(Event):
    performed: str
    previous_patient: str
    reason: str
    order: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepOrdered(Event):
    """An order was made of an exam; the placer may give it a number of its own (IHE RAD-3)."""

    performed: str
    order: str
    steps: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepRevised(Event):
    performed: str
    order: str
    steps: tuple[str, ...]
    changed: tuple[str, ...]
    reason: str
    leading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionUndone(Event):
    performed: str
    correction: str
    kind: str
    reason: str
    order: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRaised(Event):
    performed: str
    follow_up: str
    kind: str
    order: str = ""
    step: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpSettled(Event):
    performed: str
    follow_up: str
    kind: str
    action: str
    note: str
    order: str = ""
    step: str = ""
