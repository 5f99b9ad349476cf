"""What ``$find``, ``$hold`` and ``$book`` share: whose appointment, for which order."""

from __future__ import annotations

from collections.abc import Sequence

from integration.fhir.criteria import allowed
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.inputs import PATH, Inputs
from integration.fhir.operations.interface import Call
from integration.fhir.operations.match import Grade, grade
from integration.fhir.outcome import HttpError
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain import patient as translated
from integration.fhir.to_domain.references import Named, Reader, Target
from integration.fhir.writing import profile_for
from integration.fhir.writing.booking import Desk, Work
from integration.fhir.writing.message import Message
from ris.domain.errors import DuplicateKeyError
from ris.domain.patients import PatientReference
from ris.domain.values import Identifier
from ris.selectors import search
from ris.selectors.search import Page
from ris.selectors.search.criteria import PatientCriteria
from ris.selectors.search.terms import IdentifierTerm
from ris.selectors.views import PatientView


def desk_of(call: Call, patient: PatientReference | None = None) -> Desk:
    client = call.client
    profile = profile_for(client.actor.name, client.endpoint)
    return Desk(Message(client, profile, call.reading.base), patient)


def reader_of(desk: Desk) -> Reader:
    return Reader({}, desk.message.base, desk.message.systems)


def patient_named(inputs: Inputs, desk: Desk) -> Named | None:
    """The reference to the patient; several would be a group, which is not booked here."""
    elements = inputs.references("patient-reference")
    if len(elements) > 1:
        raise HttpError(422, "not-supported", "one patient: groups are not booked here", path=PATH)
    if not elements:
        return None
    return reader_of(desk).named(elements[0], PATH, frozenset({"Patient"}), default="Patient")


def known_patient(inputs: Inputs, desk: Desk) -> PatientView | None:
    """The patient that the call is about, if it names one who is known and may be seen."""
    found = desk.patient_of(patient_named(inputs, desk))
    if found is None:
        described = inputs.resource("patient-resource", "Patient")
        found = patient_described(described, desk) if described else None
    if found is not None:
        filters = desk.message.client.filters("Patient", "rs")
        if not allowed(KINDS["Patient"], [found.public_id], filters, inputs.call.reading):
            raise HttpError(403, "forbidden", "the token does not reach this patient")
    return found


def patient_described(resource: Resource, desk: Desk) -> PatientView | None:
    """Who has one of the numbers of a patient-resource; nobody is ever guessed by name.

    A number without system names nobody. Numbers of different people, and a number whose owner has
    another name and birth date, are refused.
    """
    reference = patient_reference(resource, desk)
    found: dict[str, PatientView] = {}
    for number in reference.identifiers:
        term = IdentifierTerm(number.value, number.issuer)
        criteria = PatientCriteria(identifiers=((term,),))
        for hit in search.patients.search(criteria, Page(2)).hits:
            found[hit.public_id] = hit
    if not found:
        return None
    if len(found) > 1:
        raise DuplicateKeyError("these identifiers belong to different patients", path=PATH)
    [patient] = found.values()
    match = grade(patient, reference.identifiers, reference.demographics)
    if match is None or match.grade is not Grade.CERTAIN:
        raise DuplicateKeyError("this identifier is another person's", path=PATH)
    return patient


def patient_reference(resource: Resource, desk: Desk) -> PatientReference:
    said = translated.identifiers(resource, "Patient", desk.message.systems)
    qualified = tuple(number for number in said if number.issuer)
    if not qualified:
        raise HttpError(
            422, "required", "a patient-resource needs an identifier with system", path=PATH
        )
    return PatientReference(
        identifiers=qualified, demographics=translated.demographics(resource, "Patient")
    )


def referral(inputs: Inputs, desk: Desk) -> Identifier | None:
    element = inputs.element("referral-identifier")
    if element is None:
        return None
    return datatypes.identifier(element, PATH, desk.message.systems)


def referred(inputs: Inputs, desk: Desk) -> list[Work] | None:
    """The steps of the order that ``referral-identifier`` names; None if it is not given."""
    number = referral(inputs, desk)
    if number is None:
        return None
    works = desk.referred(number)
    if not works:
        raise HttpError(422, "not-found", "there is no such order here", path=PATH)
    return works


def named_patient(public_id: str) -> Named:
    return Named(PATH, "Patient", Target("Patient", id=public_id))


def appointment(public_id: str, call: Call) -> Resource:
    """The appointment as it is now, if the client may see it."""
    kind = KINDS["Appointment"]
    found = load(kind, [public_id], shown_for([kind], call.reading.systems))
    filters = call.client.filters("Appointment", "crus")
    if not found or not allowed(kind, [public_id], filters, call.reading):
        raise HttpError(403, "forbidden", "the token does not reach this appointment")
    return found[0]


def searchset(resources: Sequence[Resource], base: str) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"{base}/{each['resourceType']}/{each['id']}",
                "resource": each,
                "search": {"mode": "match"},
            }
            for each in resources
        ],
    }
