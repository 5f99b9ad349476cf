"""Patients, their identifiers and their visits: commands and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine
from ris.domain.values import Identifier, PartialDate, PersonName


class Sex(StrEnum):
    """Administrative sex; DICOM (0010,0040) knows M, F, O and empty."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"
    UNKNOWN = ""


class PatientClass(StrEnum):
    """HL7 table 0004, as far as a department tells them apart."""

    INPATIENT = "I"
    OUTPATIENT = "O"
    EMERGENCY = "E"
    PREADMIT = "P"
    RECURRING = "R"
    OBSTETRICS = "B"
    UNKNOWN = "U"


class VisitStatus(StrEnum):
    """How a visit stands (FHIR Encounter.status, as far as ADT tells it)."""

    UNKNOWN = "UNKNOWN"  # named by an order; nobody told of the visit itself
    PLANNED = "PLANNED"
    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"


class VisitTrigger(StrEnum):
    PLAN = "plan"
    ADMIT = "admit"
    DISCHARGE = "discharge"
    CANCEL_ADMIT = "cancel_admit"
    CANCEL_PLAN = "cancel_plan"
    CANCEL_DISCHARGE = "cancel_discharge"


def _visits() -> dict[tuple[VisitStatus, VisitTrigger], VisitStatus]:
    """Messages are late, repeated or never sent, so what is true already is no conflict.

    An admission under a number that was discharged or canceled takes it up again. What is not
    possible: to cancel the admission of who has left, or a plan that came true.
    """
    s, t = VisitStatus, VisitTrigger
    table = {(state, t.ADMIT): s.IN_PROGRESS for state in s}
    table |= {(state, t.DISCHARGE): s.FINISHED for state in s if state is not s.CANCELED}
    # A pre-admission that is overtaken by the admission tells nothing new.
    table |= {(state, t.PLAN): state for state in (s.IN_PROGRESS, s.FINISHED)}
    table |= {(state, t.PLAN): s.PLANNED for state in (s.UNKNOWN, s.PLANNED, s.CANCELED)}
    table |= {
        (state, t.CANCEL_ADMIT): s.CANCELED
        for state in (s.UNKNOWN, s.PLANNED, s.IN_PROGRESS, s.CANCELED)
    }
    table |= {(state, t.CANCEL_PLAN): s.CANCELED for state in (s.UNKNOWN, s.PLANNED, s.CANCELED)}
    table |= {
        (state, t.CANCEL_DISCHARGE): s.IN_PROGRESS
        for state in (s.UNKNOWN, s.IN_PROGRESS, s.FINISHED)
    }
    return table


VISIT = StateMachine[VisitStatus, VisitTrigger]("Visit", VisitStatus.UNKNOWN, _visits())


class ReviewState(StrEnum):
    """What became of a difference that a person looks at."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    OUTDATED = "OUTDATED"  # the patient's data became what was said


class ReviewTrigger(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    OUTDATE = "outdate"


REVIEW = StateMachine[ReviewState, ReviewTrigger](
    "DemographicReview",
    ReviewState.OPEN,
    {
        (ReviewState.OPEN, ReviewTrigger.ACCEPT): ReviewState.ACCEPTED,
        (ReviewState.OPEN, ReviewTrigger.REJECT): ReviewState.REJECTED,
        (ReviewState.OPEN, ReviewTrigger.OUTDATE): ReviewState.OUTDATED,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demographics:
    """What a sender says of a person. ``None`` means "not said": the stored value stays.

    An empty value means "delete" (HL7 ``""``). Clinical lists replace the stored list.
    """

    name: PersonName | None = None
    birth_date: PartialDate | None = None
    sex: Sex | None = None
    deceased: bool | None = None
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    language: str | None = None
    weight_kg: float | None = None
    height_m: float | None = None
    allergies: tuple[str, ...] | None = None
    alerts: tuple[str, ...] | None = None
    pregnancy_status: str | None = (
        None  # DICOM (0010,21C0): 1 not, 2 possible, 3 definite, 4 unknown
    )
    special_needs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDetails:
    """An encounter (HL7 PV1, FHIR Encounter)."""

    number: Identifier
    patient_class: PatientClass = PatientClass.UNKNOWN
    location: str = ""
    attending: PersonName = field(default_factory=PersonName)
    referring: PersonName = field(default_factory=PersonName)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientReference:
    """How a sender names a patient: by identifiers, or by our own public id.

    ``identifiers`` must carry an issuer to match; matching never guesses by name.
    ``demographics`` fills a patient that is not known yet; it never overwrites a known one.
    """

    identifiers: tuple[Identifier, ...] = ()
    public_id: str = ""
    demographics: Demographics = field(default_factory=Demographics)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPatient(Command[str]):
    """Create a patient; returns the public id. Refuses an identifier that is taken.

    Without any identifier the site's own number is assigned.
    """

    identifiers: tuple[Identifier, ...] = ()
    demographics: Demographics = field(default_factory=Demographics)
    visit: VisitDetails | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePatient(Command[str]):
    """Change what is said of a patient, and add identifiers or a visit; returns the public id.

    ``create`` registers a patient that is not known (an ADT A08 may be the first we hear of one).
    ``replace_identifiers`` drops identifiers of the same issuers that are not named (FHIR PUT).
    ``expected_version`` refuses the change when somebody else was faster.
    """

    patient: PatientReference
    demographics: Demographics
    visit: VisitDetails | None = None
    create: bool = False
    replace_identifiers: bool = False
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePatients(Command[str]):
    """Let ``survivor`` take over everything of ``subsumed``; returns the survivor's public id."""

    survivor: PatientReference
    subsumed: PatientReference
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmergePatients(Command[str]):
    """Undo the last merge of ``subsumed``; what came after it stays with the survivor."""

    subsumed_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRegistered(Event):
    patient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientUpdated(Event):
    patient: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsMerged(Event):
    patient: str
    subsumed: str
    moved: dict[str, list[int]]  # table → row ids that changed hands, so that a merge can be undone


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsUnmerged(Event):
    patient: str
    subsumed: str
    at: datetime
