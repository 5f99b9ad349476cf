"""Patients, their identifiers and their visits: commands and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.places import Place
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
    mother_birth_name: PersonName | None = None
    ethnic_group: str | None = None
    comments: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAllergy:
    """An allergy as its keeper names it: by texts, the one to keep first; by a number; or both."""

    texts: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllergyChanges:
    """Allergies told one by one, where :attr:`Demographics.allergies` tells them all.

    One that is taken away goes by any of its texts, whatever their case, and by its number.
    """

    added: tuple[NamedAllergy, ...] = ()
    removed: tuple[NamedAllergy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDetails:
    """An encounter (HL7 PV1, FHIR Encounter). ``None`` means "not said", empty means "delete"."""

    number: Identifier
    patient_class: PatientClass = PatientClass.UNKNOWN
    location: str | None = None
    attending: PersonName | None = None
    referring: PersonName | None = None
    account: Identifier | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


# Types of identifiers (table 0203) that nobody gives out to tell patients apart: of a citizen, an
# insurance, a bank, an account, a visit. Two persons may be said to have the same one.
SHARED_TYPES = frozenset(
    {"AN", "BC", "DL", "MA", "MB", "MC", "MI", "PPN", "SN", "SS", "TAX", "VN", "WC"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientReference:
    """How a sender names a patient: by identifiers, or by our own public id.

    ``identifiers`` must carry an issuer to match; matching never guesses by name.
    ``demographics`` fills a patient that is not known yet. It never overwrites a known one: what
    differs goes to a person, unless the sender is ``authoritative``. ``places`` says where the
    identifiers stand in the sender's message, for telling what is wrong with them.
    """

    identifiers: tuple[Identifier, ...] = ()
    public_id: str = ""
    demographics: Demographics = field(default_factory=Demographics)
    authoritative: bool = False
    places: tuple[str, ...] = field(default=(), compare=False)

    def place(self, position: int) -> str:
        """Where an identifier stands."""
        return self.places[position] if position < len(self.places) else Place.PATIENT


# --- commands -------------------------------------------------------------------------------------


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
    ``expected_version`` refuses the change when somebody else was faster. Without authority only
    an unknown patient is told of; differences to a known one go to a person.
    """

    patient: PatientReference
    demographics: Demographics
    allergies: AllergyChanges | None = None
    visit: VisitDetails | None = None
    visit_trigger: VisitTrigger | None = None
    prior_visit: Identifier | None = None  # the number this visit had (ADT^A06, A07)
    create: bool = False
    replace_identifiers: bool = False
    authoritative: bool = True
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVisit(Command[str]):
    """Change a visit that is known; returns its public id.

    ``undo_transfer`` takes the patient back to where the visit says, or to where it was before.
    """

    patient: PatientReference
    visit: VisitDetails
    trigger: VisitTrigger | None = None
    undo_transfer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeVisits(Command[str]):
    """Let ``visit`` take over the orders of ``prior``; returns the public id of what remains.

    If ``visit`` is not known yet, the prior one gets its number; with ``rename`` it must not be
    known.
    """

    patient: PatientReference
    visit: Identifier
    prior: Identifier
    rename: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeAccounts(Command[None]):
    """The visits of one account are those of another one from now on (ADT^A35, A41)."""

    patient: PatientReference
    account: Identifier
    prior: Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveVisits(Command[str]):
    """Give a visit, or all visits of an account, with their orders to another patient.

    Returns the public id of the patient who has them now (ADT^A44, A45).
    """

    patient: PatientReference
    previous: PatientReference
    visit: Identifier | None = None
    account: Identifier | None = None
    number: Identifier | None = None  # the visit's number from now on


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleVisit(Command[None]):
    """Leave the open orders of a visit that ended as they are; the note says why."""

    visit: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePatients(Command[str]):
    """Let ``survivor`` take over everything of ``subsumed``; returns the survivor's public id.

    ``ahead`` names all patients of a message with several merges: they are locked together before
    the first, so that two such messages cannot wait for each other.
    """

    survivor: PatientReference
    subsumed: PatientReference
    reason: str = ""
    ahead: tuple[PatientReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmergePatients(Command[str]):
    """Undo the merge of ``subsumed``; returns its public id.

    What had been its own goes back with all that was done for it since: orders, their appointments
    and exams, the visits and what was ordered in them. What was added to the survivor otherwise
    stays.
    """

    subsumed_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIdentifiers(Command[str]):
    """Replace ``prior`` identifiers of a patient by those of ``patient`` (ADT^A47); no merge."""

    patient: PatientReference
    prior: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIdentifiers(Command[str]):
    """Give identifiers of ``previous`` to ``patient`` (ADT^A43); returns who has them now.

    If nothing is left of the previous record it is merged; if it has orders under other numbers,
    nobody but a person can say which of them move, and it is refused.
    """

    patient: PatientReference
    previous: PatientReference


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPatients(Command[None]):
    """Note that two records are of one person and stay apart (ADT^A24)."""

    patient: PatientReference
    other: PatientReference


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkPatients(Command[None]):
    """Take such a note back (ADT^A37)."""

    patient: PatientReference
    other: PatientReference


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePatient(Command[str]):
    """Mark a person as deleted by the hospital (ADT^A29); refused while orders are open."""

    patient: PatientReference


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideReview(Command[None]):
    """Take over what a sender without authority said of a patient, or leave it."""

    review: str
    accept: bool
    note: str = ""


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRegistered(Event):
    patient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientUpdated(Event):
    patient: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRemoved(Event):
    patient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsMerged(Event):
    patient: str
    subsumed: str
    moved: dict[str, list[int]]  # table → row ids that changed hands, so that a merge can be undone
    reason: str = ""
    learned: dict[str, list[str]] = field(default_factory=dict)  # allergies, alerts it had not
    had: dict[str, Any] = field(default_factory=dict)  # measures of its own that gave way


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsUnmerged(Event):
    """``stayed``: how many orders came to the survivor after the merge and stay there."""

    patient: str
    subsumed: str
    at: datetime
    reason: str = ""
    stayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiersChanged(Event):
    """``previous`` is what became of use no more: [value, issuer, type] each."""

    patient: str
    previous: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiersMoved(Event):
    patient: str
    previous: str
    identifiers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsLinked(Event):
    patient: str
    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsUnlinked(Event):
    patient: str
    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemographicsQuestioned(Event):
    """A sender without authority says otherwise; ``fields`` wait for a person."""

    patient: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecided(Event):
    patient: str
    field: str
    accepted: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitUpdated(Event):
    patient: str
    visit: str
    status: VisitStatus
    changed: tuple[str, ...]
    orders: int = 0  # still open when the visit ended


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitsMerged(Event):
    patient: str
    visit: str
    subsumed: str = ""  # empty: it got another number
    previous: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    patient: str
    account: str
    previous: str
    visits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitsMoved(Event):
    patient: str
    previous: str
    visits: tuple[str, ...]
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitSettled(Event):
    patient: str
    visit: str
    note: str
