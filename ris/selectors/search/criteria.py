"""What can be searched for, per kind of thing. An unset field asks nothing.

States are sets of rows of the protocols' projection tables; None asks nothing, an empty set asks
for what cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex, VisitStatus
from ris.domain.performing import Match, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import Answer, AppointmentStatus, SlotState
from ris.selectors.search.terms import (
    Chosen,
    CodeTerm,
    DateTerm,
    IdentifierTerm,
    Ids,
    Terms,
    TextTerm,
    TimeTerm,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every kind can be searched for.

    ``indexed`` asks the index of what FHIR clients sent, ``without`` leaves out what another search
    finds, ``present`` asks whether the field of this name has a value.
    """

    public_ids: Ids = ()
    updated: Terms[TimeTerm] = ()
    possible: bool = True  # False: something was asked that nothing here can match
    indexed: tuple[tuple[Chosen, ...], ...] = ()
    without: tuple[Chosen, ...] = ()
    present: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPatient(Common):
    patients: Ids = ()
    patient_identifiers: Terms[IdentifierTerm] = ()
    visits: Ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOrder(OfPatient):
    """``requests`` are public ids of orders or of procedures."""

    requests: Ids = ()
    request_identifiers: Terms[IdentifierTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientCriteria(Common):
    identifiers: Terms[IdentifierTerm] = ()
    name: Terms[TextTerm] = ()
    family: Terms[TextTerm] = ()
    given: Terms[TextTerm] = ()
    birth_date: Terms[DateTerm] = ()
    sexes: frozenset[Sex] | None = None
    deceased: frozenset[bool] | None = None
    active: frozenset[bool] | None = None
    phone: Terms[TextTerm] = ()
    email: Terms[TextTerm] = ()
    telecom: Terms[TextTerm] = ()
    address: Terms[TextTerm] = ()
    links: Ids = ()  # what records were merged into


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCriteria(OfPatient):
    """Orders, and the procedures of orders that have several."""

    identifiers: Terms[IdentifierTerm] = ()
    group_numbers: Terms[IdentifierTerm] = ()
    order_states: frozenset[OrderStatus] | None = None
    procedure_states: frozenset[tuple[OrderStatus, Stage]] | None = None
    levels: frozenset[str] | None = None  # "order", "procedure"
    priorities: frozenset[Priority] | None = None
    codes: Terms[CodeTerm] = ()
    based_on: Ids = ()
    requesters: Terms[IdentifierTerm] = ()
    authored: Terms[TimeTerm] = ()
    occurrence: Terms[TimeTerm] = ()
    modalities: Terms[str] = ()
    stations: Ids = ()
    lateralities: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    group_identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[StepStatus, OrderStatus]] | None = None
    statuses: frozenset[StepStatus] | None = None
    priorities: frozenset[Priority] | None = None
    stations: Ids = ()  # public ids of devices
    requesters: Terms[IdentifierTerm] = ()
    authored: Terms[TimeTerm] = ()
    performed: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentCriteria(OfOrder):
    states: frozenset[tuple[AppointmentStatus, StepStatus | None, OrderStatus | None]] | None = None
    start: Terms[TimeTerm] = ()
    stations: Ids = ()
    rooms: Ids = ()
    actors: Ids = ()  # public ids of patients, devices or rooms
    identifiers: Terms[IdentifierTerm] = ()  # what a scheduling system calls it
    slots: Ids = ()
    codes: Terms[CodeTerm] = ()
    reasons: Terms[CodeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[PerformedStatus, Match, bool]] | None = None
    planned: frozenset[tuple[StepStatus, OrderStatus]] | None = None  # nothing performed yet
    codes: Terms[CodeTerm] = ()
    date: Terms[TimeTerm] = ()
    stations: Ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()  # a study's UID has no issuer
    requesters: Terms[IdentifierTerm] = ()
    uids: Terms[str] = ()
    states: frozenset[tuple[PerformedStatus, bool]] | None = None  # with images or without
    series_uids: Terms[str] = ()
    modalities: Terms[str] = ()
    stations: Ids = ()
    started: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[ReportStatus, VersionKind | None, bool]] | None = None
    awaited: frozenset[tuple[Stage, OrderStatus]] | None = None  # not begun yet
    codes: Terms[CodeTerm] = ()
    studies: Ids = ()
    performers: Ids = ()  # the institution, which all reports are of, or a resident
    conclusions: Terms[CodeTerm] = ()
    issued: Terms[TimeTerm] = ()
    date: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitCriteria(Common):
    patients: Ids = ()
    patient_identifiers: Terms[IdentifierTerm] = ()
    identifiers: Terms[IdentifierTerm] = ()
    classes: frozenset[PatientClass] | None = None
    statuses: frozenset[VisitStatus] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerCriteria(Common):
    identifiers: Terms[IdentifierTerm] = ()
    name: Terms[TextTerm] = ()
    family: Terms[TextTerm] = ()
    given: Terms[TextTerm] = ()
    phone: Terms[TextTerm] = ()
    email: Terms[TextTerm] = ()
    telecom: Terms[TextTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCriteria(Common):
    name: Terms[TextTerm] = ()
    sites: Ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationCriteria(Common):
    ae_titles: Terms[str] = ()
    name: Terms[TextTerm] = ()
    modalities: Terms[str] = ()
    rooms: Ids = ()
    active: frozenset[bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCriteria(Common):
    name: Terms[TextTerm] = ()
    address: Terms[TextTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCriteria(Common):
    """Resources kept as clients sent them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCriteria(Common):
    appointments: Ids = ()
    patients: Ids = ()
    patient_identifiers: Terms[IdentifierTerm] = ()
    actors: Ids = ()
    stations: Ids = ()
    rooms: Ids = ()
    answers: frozenset[Answer] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCriteria(Common):
    actors: Ids = ()  # public ids of devices or rooms
    ae_titles: Terms[str] = ()
    codes: Terms[CodeTerm] = ()
    active: frozenset[bool] | None = None
    date: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCriteria(Common):
    """``schedules`` are public ids of devices."""

    schedules: Ids = ()
    names: Terms[str] = ()
    start: Terms[TimeTerm] = ()
    states: frozenset[SlotState] | None = None
    codes: Terms[CodeTerm] = ()
