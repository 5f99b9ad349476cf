"""The types that are served: what finds them, what writes them, what may be done with them.

Routes, searches, includes and the CapabilityStatement all come from :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from integration.fhir import others, search, search_scheduling
from integration.fhir.definitions.finder import Definitions, Shelf
from integration.fhir.definitions.resources import (
    code_systems,
    operation_definitions,
    search_parameters,
)
from integration.fhir.from_domain.appointment import appointment
from integration.fhir.from_domain.appointmentresponse import appointment_response
from integration.fhir.from_domain.auditevent import audit_event
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.diagnosticreport import diagnostic_report
from integration.fhir.from_domain.directory import device, location, organization, practitioner
from integration.fhir.from_domain.documentreference import binary, document_reference
from integration.fhir.from_domain.encounter import encounter
from integration.fhir.from_domain.endpoint import endpoint
from integration.fhir.from_domain.imagingstudy import imaging_study
from integration.fhir.from_domain.observation import observation
from integration.fhir.from_domain.patient import patient
from integration.fhir.from_domain.procedure import procedure
from integration.fhir.from_domain.provenance import provenance
from integration.fhir.from_domain.schedule import schedule
from integration.fhir.from_domain.servicerequest import procedure_request, service_request
from integration.fhir.from_domain.slot import slot
from integration.fhir.from_domain.subscription import subscription
from integration.fhir.from_domain.task import task
from integration.fhir.journal import AUDIT_EVENT, PROVENANCE
from integration.fhir.kept import DOCUMENTATION, kept
from integration.fhir.parameters import Parameter, ReferenceParameter
from integration.fhir.subscriptions.parameters import SUBSCRIPTION
from integration.fhir.translated import Translated
from ris.selectors import search as selectors
from ris.selectors.search import criteria as asked
from ris.selectors.search import documents, journal, observations, organizations
from ris.selectors.search.endpoints import EndpointCriteria, endpoints
from ris.selectors.search.engine import Finder
from ris.selectors.search.kept import sorted_too
from ris.selectors.search.subscriptions import SubscriptionCriteria, subscriptions
from ris.selectors.search.views import KeptHit, RequestHit

READING = ("read", "vread", "history-instance", "history-type", "search-type")
WRITING = ("create", "update", "patch")
COMPUTED = ("read", "search-type")  # no version of it was ever stored
KEEPING = (*READING, *WRITING, "delete")


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource type."""

    name: str
    finder: Finder[Any, Any]
    criteria: type[asked.Common]
    translate: Callable[[Any, Shown], Resource]
    own_parameters: tuple[Parameter, ...]
    interactions: tuple[str, ...] = READING
    beside: tuple[str, ...] = ()  # parts of the directory its answers name
    documentation: str = ""
    sorts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        return {each.name: each for each in (*search.COMMON, *self.own_parameters)}

    @cached_property
    def unsupported(self) -> Mapping[str, str]:
        """Official search parameters that nothing answers here, with the reason."""
        return others.unsupported(self.name, self.parameters)

    @cached_property
    def references(self) -> tuple[ReferenceParameter, ...]:
        """The references that can be followed."""
        return tuple(each for each in self.own_parameters if isinstance(each, ReferenceParameter))

    @property
    def includes(self) -> Mapping[str, ReferenceParameter]:
        """``Type:parameter`` → the reference that can be followed."""
        return {f"{self.name}:{each.name}": each for each in self.references}


def _make_request(hit: RequestHit, shown: Shown) -> Resource:
    if hit.procedure is None:
        return service_request(hit.order, shown, hit.replaces)
    return procedure_request(hit.order, hit.procedure, shown)


# Orders that did not change are the same objects (ris/selectors/search/bare.py).
_REQUESTS = Translated(_make_request)


def _request(hit: RequestHit, shown: Shown) -> Resource:
    own = hit.procedure or hit.order
    return _REQUESTS.of(own.public_id, (hit.order, own), hit, shown)


def _kind(
    name: str,
    finder: Finder[Any, Any],
    criteria: type[asked.Common],
    translate: Callable[[Any, Shown], Resource],
    parameters: tuple[Parameter, ...],
    *,
    interactions: tuple[str, ...] = READING,
    beside: tuple[str, ...] = (),
    documentation: str = "",
) -> Kind:
    own_sorts = {**search.SORTS.get(name, {}), **search_scheduling.SORTS.get(name, {})}
    every = others.parameters(name, parameters)
    told = others.dates(every, own_sorts)
    sorts = {**search.COMMON_SORTS, **own_sorts, **{each: each for each in told}}
    if told:
        finder = sorted_too(finder, name, told)
    return Kind(
        name, finder, criteria, translate, every, interactions, beside, documentation, sorts
    )


def _organization(hit: organizations.Hit, shown: Shown) -> Resource:
    return kept(hit, shown) if isinstance(hit, KeptHit) else organization(hit, shown)


# Parts of the directory that the core's rows of a kept type name.
_BESIDE = {observations.TYPE: ("stations",), documents.TYPE: ("site",)}


def _kept(name: str) -> Kind:
    """A type that the core has no table for, or some of: every parameter is asked of the index."""
    parameters = others.parameters(name, (), kept=True)
    columns = others.sorts(parameters)
    finder: Finder[Any, Any]
    translate: Callable[[Any, Shown], Resource]
    match name:
        case observations.TYPE:
            finder, translate = observations.observations(columns), observation
        case documents.TYPE:
            finder, translate = documents.documents(columns), document_reference
        case documents.CONTENT:
            finder, translate = documents.contents(columns), binary
        case organizations.TYPE:
            finder, translate = organizations.organizations(columns), _organization
        case _:
            finder, translate = selectors.kept(name, columns), kept
    return Kind(
        name,
        finder,
        asked.KeptCriteria,
        translate,
        parameters,
        interactions=KEEPING,
        beside=_BESIDE.get(name, ()),
        documentation=DOCUMENTATION[name],
        sorts={**search.COMMON_SORTS, **{each: each for each in columns}},
    )


def _defined(name: str, make: Callable[[], Iterable[Resource]], documentation: str) -> Kind:
    """A type of definitions, which are made of the tables and never stored."""
    shelf = Shelf(name, make)
    return Kind(
        name,
        Definitions(sources=(), load=shelf.load, shelf=shelf),
        asked.KeptCriteria,
        lambda hit, shown: hit,
        others.parameters(name, (), kept=True),
        interactions=COMPUTED,
        documentation=documentation,
        sorts={**search.COMMON_SORTS, "date": "date"},
    )


def _operation_definitions() -> Iterable[Resource]:
    from integration.fhir.operations import OPERATIONS  # operations stand on these tables

    return operation_definitions(OPERATIONS)


def _search_parameters() -> Iterable[Resource]:
    return search_parameters((kind.name, kind.parameters.values()) for kind in KINDS.values())


KINDS: Mapping[str, Kind] = {
    each.name: each
    for each in (
        _kind(
            "Patient",
            selectors.patients,
            asked.PatientCriteria,
            patient,
            search.PATIENT,
            interactions=(*READING, *WRITING),
        ),
        _kind(
            "ServiceRequest",
            selectors.requests,
            asked.RequestCriteria,
            _request,
            search.SERVICE_REQUEST,
            interactions=(*READING, *WRITING),
            beside=("stations", "rooms"),
            documentation=(
                "An imaging order. An order of several procedures has one more request for each, "
                "intent filler-order, based on the order's; those are changed through the order."
            ),
        ),
        _kind(
            "Task",
            selectors.steps,
            asked.StepCriteria,
            task,
            search.TASK,
            interactions=(*READING, "update", "patch"),
            beside=("stations", "rooms"),
            documentation=(
                "A scheduled procedure step: what one station is to do. Of it the status is "
                "changed: cancelled or rejected (statusReason), on-hold, and from there accepted. "
                "The rest is said by its appointment, by the device that performs it (MPPS), or "
                "at a page."
            ),
        ),
        _kind(
            "Appointment",
            selectors.appointments,
            asked.AppointmentCriteria,
            appointment,
            (*search.APPOINTMENT, *search_scheduling.APPOINTMENT),
            interactions=(*READING, *WRITING),
            beside=("stations", "rooms"),
            documentation=(
                "The time agreed for one or more steps, also once it was given back. Without slot "
                "and start it is a wish that waits for a scheduler. It is for an order: basedOn, "
                "or the only one of the patient that waits. Canceled by status, not by DELETE."
            ),
        ),
        _kind(
            "AppointmentResponse",
            selectors.answers,
            asked.AnswerCriteria,
            appointment_response,
            search_scheduling.APPOINTMENT_RESPONSE,
            interactions=(*READING, "create"),
            documentation=(
                "What a participant says to an appointment. A patient who declines has it canceled."
            ),
        ),
        _kind(
            "Schedule",
            selectors.schedules,
            asked.ScheduleCriteria,
            schedule,
            search_scheduling.SCHEDULE,
            interactions=COMPUTED,
            beside=("stations", "rooms"),
            documentation="The calendar of a device and the room it stands in.",
        ),
        _kind(
            "Slot",
            selectors.slots,
            asked.SlotCriteria,
            slot,
            search_scheduling.SLOT,
            interactions=COMPUTED,
            documentation=(
                "A time of a device, computed from opening hours, closures, bookings and holds and "
                "never stored: an id means the same time for ever, and is read as it is now."
            ),
        ),
        _kind(
            "Procedure",
            selectors.performed,
            asked.PerformedCriteria,
            procedure,
            search.PROCEDURE,
            beside=("stations", "rooms"),
            documentation="A performed procedure step, as a modality (MPPS) or a person told it.",
        ),
        _kind(
            "ImagingStudy",
            selectors.studies,
            asked.StudyCriteria,
            imaging_study,
            search.IMAGING_STUDY,
            beside=("stations",),
            documentation="A requested procedure of which something was performed.",
        ),
        _kind(
            "DiagnosticReport",
            selectors.reports,
            asked.ReportCriteria,
            diagnostic_report,
            search.DIAGNOSTIC_REPORT,
            interactions=(*READING, *WRITING),
            beside=("site",),
            documentation=(
                "A report with its newest signed version as HTML and plain text. Of one that "
                "nobody signed yet, or that was withdrawn, only the state is shown. One that was "
                "written elsewhere is filed as far as its sender is trusted (endpoint setting "
                "results), and answered as it stands here; withdrawn by status, not by DELETE."
            ),
        ),
        _kind(
            "Endpoint",
            endpoints,
            EndpointCriteria,
            endpoint,
            search.ENDPOINT,
            interactions=COMPUTED,
            beside=("site",),
            documentation=(
                "Where images can be had: the archive's DICOMweb service, and for each study a "
                "viewer, which is found through ImagingStudy.endpoint."
            ),
        ),
        _kind(
            "Encounter",
            selectors.visits,
            asked.VisitCriteria,
            encounter,
            search.ENCOUNTER,
            interactions=(*READING, *WRITING),
            documentation=(
                "A visit, as far as orders, ADT messages and clients tell of it, by its number."
            ),
        ),
        _kind(
            "Practitioner",
            selectors.practitioners,
            asked.PractitionerCriteria,
            practitioner,
            search.PRACTITIONER,
            interactions=(*READING, *WRITING),
            documentation=(
                "A person who orders, performs or reads, by a number. People with a login here are "
                "changed on the page of their login."
            ),
        ),
        _kind(
            "Location",
            selectors.rooms,
            asked.RoomCriteria,
            location,
            search.LOCATION,
            documentation="A room. Rooms are set up by the site, at the pages or the command line.",
        ),
        _kind(
            "Device",
            selectors.stations,
            asked.StationCriteria,
            device,
            search.DEVICE,
            documentation=(
                "A modality, named by its station AE title. It is set up by the site, for what it "
                "may do on the network hangs on it."
            ),
        ),
        _kind(
            "AuditEvent",
            journal.audit_events,
            journal.AuditCriteria,
            audit_event,
            AUDIT_EVENT,
            interactions=("read", "vread", "search-type"),
            beside=("site",),
            documentation=(
                "Who read or changed what: a row for each call, also for those that were refused, "
                "and for what people, devices and interfaces do. Newest first. Calls that are "
                "refused again and again are counted."
            ),
        ),
        _kind(
            "Provenance",
            journal.changes,
            journal.ChangeCriteria,
            provenance,
            PROVENANCE,
            interactions=("read", "vread", "search-type"),
            documentation="Who changed what, and because of which message: one for each change.",
        ),
        _defined(
            "OperationDefinition",
            _operation_definitions,
            "The operations, with the parameters they take here. Never stored.",
        ),
        _defined(
            "SearchParameter",
            _search_parameters,
            "What is searched by here: one for each definition that is named. Never stored.",
        ),
        _defined("CodeSystem", code_systems, "The codes that only this system has. Never stored."),
        *(_kept(name) for name in sorted(DOCUMENTATION)),
        _kind(
            "Subscription",
            subscriptions,
            SubscriptionCriteria,
            subscription,
            SUBSCRIPTION,
            interactions=KEEPING,
            documentation=(
                "rest-hook channels: criteria is a search, or a topic of the R5 backport (1.1.0). "
                "Values of channel.header are masked when read."
            ),
        ),
    )
}


def reverse_includes(kind: str) -> Mapping[str, tuple[Kind, ReferenceParameter]]:
    """``Type:parameter`` of every reference that leads to ``kind``."""
    return {
        name: (source, parameter)
        for source in KINDS.values()
        for name, parameter in source.includes.items()
        if parameter.may_be(kind)
    }
