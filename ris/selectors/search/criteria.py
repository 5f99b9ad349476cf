"""What can be searched for, per kind of thing. An unset field asks nothing.

States are sets of rows of the protocols' projection tables; None asks nothing, an empty set asks
for what cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex
from ris.domain.performing import Match, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.search.terms import CodeTerm, DateTerm, IdentifierTerm, Terms, TextTerm, TimeTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    public_ids: Terms[str] = ()
    updated: Terms[TimeTerm] = ()
    possible: bool = True  # False: something was asked that nothing here can match


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPatient(Common):
    patients: Terms[str] = ()
    patient_identifiers: Terms[IdentifierTerm] = ()
    visits: Terms[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOrder(OfPatient):
    """``requests`` are public ids of orders or of procedures."""

    requests: Terms[str] = ()
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
    based_on: Terms[str] = ()
    authored: Terms[TimeTerm] = ()
    occurrence: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    group_identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[StepStatus, OrderStatus]] | None = None
    statuses: frozenset[StepStatus] | None = None
    priorities: frozenset[Priority] | None = None
    stations: Terms[str] = ()  # public ids of devices
    authored: Terms[TimeTerm] = ()
    performed: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentCriteria(OfOrder):
    states: frozenset[tuple[AppointmentStatus, StepStatus | None, OrderStatus | None]] | None = None
    start: Terms[TimeTerm] = ()
    stations: Terms[str] = ()
    rooms: Terms[str] = ()
    actors: Terms[str] = ()  # public ids of patients, devices or rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[PerformedStatus, Match, bool]] | None = None
    codes: Terms[CodeTerm] = ()
    date: Terms[TimeTerm] = ()
    stations: Terms[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()  # a study's UID has no issuer
    uids: Terms[str] = ()
    series_uids: Terms[str] = ()
    modalities: Terms[str] = ()
    started: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCriteria(OfOrder):
    identifiers: Terms[IdentifierTerm] = ()
    states: frozenset[tuple[ReportStatus, VersionKind | None]] | None = None
    codes: Terms[CodeTerm] = ()
    issued: Terms[TimeTerm] = ()
    date: Terms[TimeTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitCriteria(Common):
    patients: Terms[str] = ()
    patient_identifiers: Terms[IdentifierTerm] = ()
    identifiers: Terms[IdentifierTerm] = ()
    classes: frozenset[PatientClass] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerCriteria(Common):
    identifiers: Terms[IdentifierTerm] = ()
    name: Terms[TextTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCriteria(Common):
    name: Terms[TextTerm] = ()
    sites: Terms[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationCriteria(Common):
    ae_titles: Terms[str] = ()
    name: Terms[TextTerm] = ()
    modalities: Terms[str] = ()
    rooms: Terms[str] = ()
    active: frozenset[bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCriteria(Common):
    name: Terms[TextTerm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCriteria(Common):
    """Resources kept as clients sent them."""
