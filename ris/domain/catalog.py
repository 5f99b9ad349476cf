"""The procedure catalog: commands and events."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command, Event
from ris.domain.values import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTemplateDetails:
    """A step the procedure is made of."""

    modality: str
    description: str = ""
    duration_minutes: int = 30
    protocol_codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRuleDetails:
    """What holds on one device; one without a rule does the procedure as the others do."""

    device: str  # AE title
    allowed: bool = True
    minutes: int | None = None  # None: as everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineProcedure(Command[str]):
    """Create or change a procedure of the catalog; returns its public id.

    What was ordered before keeps the code it was ordered with. Of what booking has to know, None
    leaves a procedure as it is.
    """

    code: Code
    modality: str
    duration_minutes: int = 30
    preparation: str = ""
    body_part: str = ""
    contrast: str = ""
    laterality_required: bool = False
    steps: tuple[StepTemplateDetails, ...] = ()
    # Kept free around it: for the patient to change, for the room to be cleaned.
    buffer_before_minutes: int | None = None
    buffer_after_minutes: int | None = None
    lead_hours: int | None = None  # the earliest it can be booked, from now: for preparation
    radiologist_present: bool | None = None
    required_skills: tuple[str, ...] | None = None
    staff_required: int | None = None  # how many people are booked with it
    device_rules: tuple[DeviceRuleDetails, ...] | None = None
    subspecialty: str | None = None  # who reads it; empty: every radiologist


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireProcedure(Command[None]):
    """Stop offering a procedure; past orders keep it."""

    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProcedures(Command[int]):
    """Define many procedures at once, all or none; those of ``retired`` are no longer offered.

    Returns how many there were.
    """

    procedures: tuple[DefineProcedure, ...]
    retired: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCode(Command[None]):
    """Translate a peer's code: ``table`` says which kind (procedure, sex, priority, location)."""

    table: str
    source: Code
    target: Code
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureDefined(Event):
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureRetired(Event):
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMapped(Event):
    table: str
    source: str
    target: str
