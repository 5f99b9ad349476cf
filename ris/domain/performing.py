"""Performed procedure steps and their series: states, commands, events (PS3.4 F)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.discontinuation import INCORRECT_WORKLIST_ENTRY as INCORRECT_WORKLIST_ENTRY
from ris.domain.orders import StepStatus
from ris.domain.states import StateMachine
from ris.domain.values import Code, Identifier


class PerformedStatus(StrEnum):
    """(0040,0252); the values are DICOM's own."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


# The state that tells most of a study whose steps differ: images there, being made, not made.
FURTHEST = (PerformedStatus.COMPLETED, PerformedStatus.IN_PROGRESS, PerformedStatus.DISCONTINUED)


class PerformedTrigger(StrEnum):
    UPDATE = "update"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"


PERFORMED_STEP = StateMachine[PerformedStatus, PerformedTrigger](
    "PerformedProcedureStep",
    PerformedStatus.IN_PROGRESS,
    {
        (PerformedStatus.IN_PROGRESS, PerformedTrigger.UPDATE): PerformedStatus.IN_PROGRESS,
        (PerformedStatus.IN_PROGRESS, PerformedTrigger.COMPLETE): PerformedStatus.COMPLETED,
        (PerformedStatus.IN_PROGRESS, PerformedTrigger.DISCONTINUE): PerformedStatus.DISCONTINUED,
    },
)


class Match(StrEnum):
    """How a performed step relates to what was scheduled."""

    MATCHED = "MATCHED"
    UNMATCHED = "UNMATCHED"  # names no step we know
    UNSCHEDULED = "UNSCHEDULED"  # names no step at all: done without an order
    MISMATCH = "MISMATCH"  # names a step of another patient
    QUARANTINED = "QUARANTINED"  # ended with "incorrect worklist entry selected"
    EVIDENCE = "EVIDENCE"  # made from images (report, presentation state): moves no other's step


class Origin(StrEnum):
    MPPS = "MPPS"
    MANUAL = "MANUAL"


# Objects made from images that are there (IHE RAD-20, RAD-21), not by acquiring any.
EVIDENCE_MODALITIES = frozenset(
    {
        *("DOC", "FID", "KO", "M3D", "OT", "PLAN", "PR", "REG", "RTDOSE", "RTPLAN"),
        *("RTRECORD", "RTSTRUCT", "RWV", "SEG", "SR", "TEXTUREMAP"),
    }
)

# Of these two a device may well acquire something itself: without a step it is an exam.
ONLY_EVIDENCE = EVIDENCE_MODALITIES - {"DOC", "OT"}


def step_status_from(performed: Iterable[PerformedStatus]) -> StepStatus | None:
    """The state of a step over all that was performed for it; None if nothing was.

    Any in progress: STARTED; else any completed: COMPLETED; else DISCONTINUED.
    """
    states = set(performed)
    if not states:
        return None
    if PerformedStatus.IN_PROGRESS in states:
        return StepStatus.STARTED
    if PerformedStatus.COMPLETED in states:
        return StepStatus.COMPLETED
    return StepStatus.DISCONTINUED


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledReference:
    """One item of the Scheduled Step Attributes Sequence (0040,0270).

    ``referenced_study_uids`` are those of the Referenced Study Sequence: where several studies were
    acquired as one, the ordered ones.
    """

    study_instance_uid: str = ""
    accession_number: str = ""
    procedure_id: str = ""
    step_id: str = ""
    accession_issuer: str = ""
    placer_order_number: str = ""
    placer_issuer: str = ""
    filler_order_number: str = ""
    filler_issuer: str = ""
    referenced_study_uids: tuple[str, ...] = ()

    @property
    def names_a_step(self) -> bool:
        """Whether it names something of ours; a Study UID alone may be the modality's own."""
        return bool(
            self.step_id
            or self.accession_number
            or self.procedure_id
            or self.placer_order_number
            or self.filler_order_number
        )

    def as_json(self) -> dict[str, Any]:
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in fields(self)
            if (value := getattr(self, field.name))
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScheduledReference:
        said: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value, list) else value
            for field in fields(cls)
            if (value := data.get(field.name))
        }
        return cls(**said)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesDetails:
    """One item of the Performed Series Sequence (0040,0340)."""

    series_instance_uid: str
    protocol_name: str = ""
    description: str = ""
    modality: str = ""
    retrieve_ae_title: str = ""
    performing_physician: str = ""
    operators: tuple[str, ...] = ()
    instance_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedDetails:
    """What may be said of a performed step in N-CREATE and again in N-SET; None: not said."""

    ended_at: datetime | None = None
    description: str | None = None
    procedure_codes: tuple[Code, ...] | None = None
    protocol_codes: tuple[Code, ...] | None = None
    series: tuple[SeriesDetails, ...] | None = None
    comments: str | None = None
    discontinuation_reason: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPerformedStep(Command[str]):
    """Begin performing (MPPS N-CREATE, or a technologist's click); returns the public id.

    ``steps`` names the scheduled steps by public id (manual start); ``references`` names them as
    the modality does. ``dataset`` is what came, as DICOM JSON, kept whole.
    """

    sop_instance_uid: str
    station_ae_title: str
    started_at: datetime
    modality: str = ""
    station_name: str = ""
    location: str = ""
    performed_step_id: str = ""
    study_id: str = ""
    references: tuple[ScheduledReference, ...] = ()
    steps: tuple[str, ...] = ()
    patient_identifier: Identifier | None = None
    other_identifiers: tuple[Identifier, ...] = ()
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    details: PerformedDetails = field(default_factory=PerformedDetails)
    dataset: dict[str, Any] = field(default_factory=dict)
    origin: Origin = Origin.MPPS
    flags: tuple[str, ...] = ()  # what had to be repaired, for people to see


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePerformedStep(Command[None]):
    """N-SET while in progress: sequences replace the stored ones whole (PS3.4 F.7.2.2.2)."""

    sop_instance_uid: str
    details: PerformedDetails
    dataset: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletePerformedStep(Command[None]):
    """N-SET with COMPLETED, or a technologist's click."""

    sop_instance_uid: str
    details: PerformedDetails = field(default_factory=PerformedDetails)
    dataset: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscontinuePerformedStep(Command[None]):
    """N-SET with DISCONTINUED, or a technologist's click with a reason."""

    sop_instance_uid: str
    details: PerformedDetails = field(default_factory=PerformedDetails)
    dataset: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelinkPerformedStep(Command[None]):
    """Tie a performed step to the right scheduled steps (privileged); empty: to none."""

    performed: str
    steps: tuple[str, ...]
    reason: str


# What was performed may belong to several orders (the group case). Then each of these events is
# written once for each order, so that each is told in full; ``leading`` is true in the first of
# them, and who passes on what was performed (N-EVENT-REPORT, forwarding) takes only that one.


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepStarted(Event):
    performed: str
    order: str = ""
    steps: tuple[str, ...] = ()
    match: str = ""
    leading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepUpdated(Event):
    performed: str
    order: str = ""
    leading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepCompleted(Event):
    performed: str
    order: str = ""
    steps: tuple[str, ...] = ()
    all_done: bool = False  # no step of the order is open any more
    leading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepDiscontinued(Event):
    performed: str
    order: str = ""
    steps: tuple[str, ...] = ()
    reason: str = ""
    all_done: bool = False
    returned: tuple[str, ...] = ()  # the steps that went back to the worklist
    leading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedStepRelinked(Event):
    performed: str
    order: str = ""
    steps: tuple[str, ...] = ()
    previous_steps: tuple[str, ...] = ()
    reason: str = ""
    leading: bool = True
