"""Radiation dose of exams: documents, irradiation events, commands, events, reference levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.measures import MEASURES, PART_WORDS, Measure, Part, Quantity, plain
from ris.domain.values import Code, Identifier

ANY_AGE = 200  # years; the upper end of a level that is for everybody
ANY_WEIGHT = 999  # kg, likewise


class DoseKind(StrEnum):
    """What kind of document it is."""

    CT = "CT"
    PROJECTION = "PROJECTION"
    MAMMOGRAPHY = "MAMMOGRAPHY"
    NUCLEAR = "NUCLEAR"
    PATIENT = "PATIENT"


class DoseSource(StrEnum):
    """Where a dose was learned, the best first (DOSE-04)."""

    RDSR = "RDSR"
    MPPS = "MPPS"
    MANUAL = "MANUAL"


RANK: Mapping[DoseSource, int] = {source: rank for rank, source in enumerate(DoseSource)}


class DoseMatch(StrEnum):
    """Whether a dose document found its exam."""

    MATCHED = "MATCHED"
    WAITING = "WAITING"  # names no exam we know, or several: the order may come later
    MISMATCH = "MISMATCH"  # names an exam of another patient
    SET_ASIDE = "SET ASIDE"  # a person said that it belongs to none


# How a record was joined by people; what they decided is not looked at again.
BY_HAND = "by hand"
ENTERED = "entered for the order"


class Scope(StrEnum):
    """Scope of accumulation (113705, DCM)."""

    STUDY = "study"
    PERFORMED_STEP = "performed step"
    SERIES = "series"
    STEP_SO_FAR = "step to this point"
    EVENT = "event"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IrradiationEventDetails:
    """One irradiation event, or one administration of a radiopharmaceutical."""

    uid: str  # empty: the sender gave none, so it cannot be told from others
    started_at: datetime | None = None
    type: str = ""
    protocol: str = ""
    region: str = ""
    quantities: tuple[Quantity, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What is kept besides the UID and the time."""
        return {
            "type": self.type,
            "protocol": self.protocol,
            "region": self.region,
            "quantities": [quantity.as_json() for quantity in self.quantities],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDose(Command[str]):
    """Keep a dose document, or a value typed in; returns its public id.

    ``source_uid`` is the document's SOP Instance UID (of an MPPS: that of the performed step).
    ``order`` names the exam by public id, for what a person enters; documents are joined by what
    they say of themselves.
    """

    source: DoseSource
    source_uid: str
    kind: DoseKind
    study_instance_uid: str = ""
    accession_number: str = ""
    accession_issuer: str = ""
    patient_identifier: Identifier | None = None
    patient_name: str = ""
    patient_birth_date: str = ""
    performed_uids: tuple[str, ...] = ()
    ae_title: str = ""  # who sent it
    station_name: str = ""
    device: str = ""  # what made it, for people
    device_uid: str = ""
    title: str = ""
    scope: Scope = Scope.UNKNOWN
    scope_uid: str = ""
    content_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    totals: tuple[Quantity, ...] = ()
    events: tuple[IrradiationEventDetails, ...] = ()
    predecessors: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    order: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDose(Command[None]):
    """Tie a dose document to the order it belongs to (privileged); empty: to none."""

    dose: str
    order: str
    reason: str
    procedure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDoseAside(Command[None]):
    """Say that a dose document belongs to no exam here: a test, a phantom."""

    dose: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawDose(Command[None]):
    """Take back a dose that was typed in; what devices sent stays."""

    dose: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinDoses(Command[int]):
    """Look again for the exams of documents that wait; returns how many found theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReferenceLevel(Command[str]):
    """A diagnostic reference level of a catalog procedure; returns its public id.

    ``value`` is in the measure's unit; ages in years and weights in kg, both ends included.
    """

    code: Code
    measure: Measure
    value: Decimal
    from_age: int = 0
    to_age: int = ANY_AGE
    from_kg: int = 0
    to_kg: int = ANY_WEIGHT
    origin: str = ""  # whose level it is


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveReferenceLevel(Command[None]):
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeDose(Command[None]):
    """Note that an exam above its level was looked at, and what came of it."""

    order: str
    note: str
    expected_version: str | None = None  # of the alert that was looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRecorded(Event):
    performed: str
    order: str = ""
    dose: str = ""
    source: str = ""
    match: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseLinked(Event):
    """``how`` says by what the exam was found, or ``by hand``."""

    dose: str
    order: str = ""
    previous_order: str = ""
    how: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseSetAside(Event):
    dose: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseWithdrawn(Event):
    dose: str
    order: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseLevelExceeded(Event):
    """The dose of an exam is above a diagnostic reference level; told once per exam."""

    order: str
    note: str
    exceeded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseAcknowledged(Event):
    """Somebody answerable looked at an exam above its level."""

    order: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLevelSet(Event):
    level: str
    code: str
    measure: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLevelRemoved(Event):
    level: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseInPregnancy(Event):
    """An exam with radiation of a patient who is, or may be, pregnant; told once per exam."""

    order: str
    note: str


# What is known of a pregnancy, as DICOM says it (0010,21C0), that radiation is warned of.
PREGNANCY_WORDS: Mapping[str, str] = {
    "2": "the patient may be pregnant",
    "3": "the patient is pregnant",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLevel:
    """A level as the rule below reads it."""

    measure: Measure
    value: Decimal
    from_age: int = 0
    to_age: int = ANY_AGE
    from_kg: int = 0
    to_kg: int = ANY_WEIGHT

    def applies_to(self, age: int | None, weight_kg: float | None = None) -> bool:
        """Whether it is for such patients; a level with ages or weights needs to know them."""
        if (self.from_age, self.to_age) != (0, ANY_AGE) and (
            age is None or not self.from_age <= age <= self.to_age
        ):
            return False
        if (self.from_kg, self.to_kg) == (0, ANY_WEIGHT):
            return True
        # Bands are whole kilograms: who weighs 14.6 kg is in the one that ends with 15.
        return weight_kg is not None and self.from_kg <= round(weight_kg) <= self.to_kg


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A total and the level it was compared with."""

    measure: Measure
    part: Part
    value: Decimal
    level: Decimal

    def as_json(self) -> dict[str, str]:
        return {
            "measure": self.measure.value,
            "part": self.part.value,
            "value": plain(self.value),
            "level": plain(self.level),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Compared:
        return cls(
            measure=Measure(data["measure"]),
            part=Part(data["part"]),
            value=Decimal(data["value"]),
            level=Decimal(data["level"]),
        )

    @property
    def is_above(self) -> bool:
        return self.value > self.level

    @property
    def percent(self) -> int:
        """How much of the level it is."""
        return round(100 * self.value / self.level)

    @property
    def words(self) -> str:
        info = MEASURES[self.measure]
        unit = info.dimension.value
        part = f", {PART_WORDS[self.part]}" if self.part else ""
        return f"{info.words}{part}: {plain(self.value)} {unit}, level {plain(self.level)} {unit}"

    @property
    def share(self) -> str:
        """The same as a part of the level."""
        info = MEASURES[self.measure]
        part = f", {PART_WORDS[self.part]}" if self.part else ""
        level = f"{plain(self.level)} {info.dimension.value}"
        return f"{info.words}{part}: {self.percent} % of the level {level}"


def age_on(birth_date: str, on: date) -> int | None:
    """Whole years; None unless the day of birth is known."""
    parts = birth_date.split("-")
    if len(parts) != 3:
        return None
    year, month, day = (int(part) for part in parts)
    return max(on.year - year - ((on.month, on.day) < (month, day)), 0)


def is_worse(now: Iterable[Compared], then: Iterable[Compared]) -> bool:
    """Whether something is above its level that was not, or by more than it was."""
    known = {(one.measure, one.part): one.value for one in then}
    return any(one.value > known.get((one.measure, one.part), Decimal(-1)) for one in now)
