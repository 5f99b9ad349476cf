"""Encounter → UpdatePatient, UpdateVisit (FHIR R4 8.11)."""

from __future__ import annotations

from datetime import datetime

from integration.fhir import bindings
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.references import Known, Reader, Target
from ris.domain.errors import InvalidValueError, MissingValueError, UnsupportedError
from ris.domain.patients import (
    Demographics,
    PatientClass,
    PatientReference,
    UpdatePatient,
    UpdateVisit,
    VisitDetails,
    VisitTrigger,
)
from ris.domain.values import Identifier, PersonName
from ris.selectors.views import PatientView

PATH = "Encounter"
PATIENTS = frozenset({"Patient"})
PLACES = frozenset({"Location"})
PEOPLE = frozenset({"Practitioner", "PractitionerRole", "RelatedPerson"})
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

# What a status makes of a visit (R4 encounter-status); those that say nothing new are not here.
TRIGGERS = {
    "planned": VisitTrigger.PLAN,
    "arrived": VisitTrigger.ADMIT,
    "triaged": VisitTrigger.ADMIT,
    "in-progress": VisitTrigger.ADMIT,
    "onleave": VisitTrigger.ADMIT,
    "finished": VisitTrigger.DISCHARGE,
    "cancelled": VisitTrigger.CANCEL_ADMIT,
}
STATUS = frozenset({*TRIGGERS, "entered-in-error", "unknown"})


def targets(reader: Reader) -> frozenset[Target]:
    """What the references lead to: whose visit it is."""
    named = reader.named(_subject(reader), f"{PATH}.subject", PATIENTS, "Patient")
    return frozenset({named.target}) if named.target else frozenset()


def _subject(reader: Reader) -> Json:
    element = datatypes.single(reader.resource, "subject", PATH)
    if element is None:
        raise MissingValueError("a visit needs its patient", path=f"{PATH}.subject")
    return element


def patient(reader: Reader, known: Known) -> PatientView:
    named = reader.named(_subject(reader), f"{PATH}.subject", PATIENTS, "Patient")
    found = known.find(named.target, PatientView)
    if found is None:
        raise InvalidValueError(
            "this patient is not known here: register the patient first",
            path=f"{PATH}.subject",
            details={"issue": "not-found"},
        )
    return found


def record_visit(reader: Reader, patient_id: str) -> UpdatePatient:
    """A visit we may not know yet; nothing is said of the patient but whose visit it is."""
    datatypes.refuse_modifiers(reader.resource, PATH)
    return UpdatePatient(
        patient=PatientReference(public_id=patient_id),
        demographics=Demographics(),
        visit=details(reader, whole=False),
        visit_trigger=_trigger(reader),
    )


def update_visit(reader: Reader, patient_id: str, known: Identifier) -> UpdateVisit:
    """PUT replaces: what the resource leaves out is emptied."""
    datatypes.refuse_modifiers(reader.resource, PATH)
    said = details(reader, whole=True)
    if (said.number.value, said.number.issuer) != (known.value, known.issuer):
        raise UnsupportedError(
            "the number of a visit is changed by ADT messages", path=f"{PATH}.identifier"
        )
    return UpdateVisit(
        patient=PatientReference(public_id=patient_id), visit=said, trigger=_trigger(reader)
    )


def number(reader: Reader) -> Identifier:
    """The number of the visit."""
    numbers = datatypes.several(reader.resource, "identifier", PATH)
    if not numbers:
        raise MissingValueError("an encounter needs an identifier", path=f"{PATH}.identifier")
    found = datatypes.identifier(*numbers[0], reader.systems)
    return Identifier(found.value, found.issuer)


def details(reader: Reader, *, whole: bool) -> VisitDetails:
    """``whole``: what is not there is to be deleted, else it is not said."""
    resource = reader.resource
    kind = datatypes.single(resource, "class", PATH) or {}
    period = datatypes.single(resource, "period", PATH) or {}
    empty = PersonName() if whole else None
    return VisitDetails(
        number=number(reader),
        patient_class=bindings.PATIENT_CLASS_IN.get(
            datatypes.text(kind, "code", f"{PATH}.class"), PatientClass.UNKNOWN
        ),
        location=_location(reader) or ("" if whole else None),
        attending=_participant(reader, "ATND") or empty,
        referring=_participant(reader, "REF") or empty,
        started_at=_at(period, "start"),
        ended_at=_at(period, "end"),
    )


def _at(period: Json, name: str) -> datetime | None:
    return datatypes.when(period, name, f"{PATH}.period").at


def _location(reader: Reader) -> str:
    for element, path in datatypes.several(reader.resource, "location", PATH):
        place = datatypes.single(element, "location", path)
        if place is not None and datatypes.text(element, "status", path) in {"", "active"}:
            reader.named(place, f"{path}.location", PLACES, "Location")
            return datatypes.one_line(place, "display", f"{path}.location", 200)
    return ""


def _participant(reader: Reader, code: str) -> PersonName | None:
    for element, path in datatypes.several(reader.resource, "participant", PATH):
        kinds = datatypes.several(element, "type", path)
        person = datatypes.single(element, "individual", path)
        wanted = frozenset({code})
        if person is not None and any(
            datatypes.has_coding(kind, where, _PARTICIPATION, wanted) for kind, where in kinds
        ):
            words = datatypes.text(person, "display", f"{path}.individual")
            return datatypes.name_from_display(words, f"{path}.individual.display")
    return None


def _trigger(reader: Reader) -> VisitTrigger | None:
    status = datatypes.text(reader.resource, "status", PATH)
    bindings.require(status, STATUS, f"{PATH}.status", "encounter-status")
    if status == "entered-in-error":
        raise UnsupportedError(
            "a visit that was never there is withdrawn by ADT messages", path=f"{PATH}.status"
        )
    return TRIGGERS.get(status)
