"""What FHIR calls the places of the core: the element of each, as a FHIRPath.

The one table for it. What writes of one kind of resource call otherwise is beside those writes
(``_PLACES`` in :mod:`integration.fhir.writing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ris.domain.errors import RisError, SeveralErrors
from ris.domain.places import OF_EXAMS, Place

EXPRESSIONS: Mapping[str, str] = {
    Place.PATIENT: "Patient.identifier",
    Place.PATIENT_KEY: "ServiceRequest.subject",
    Place.NAME: "Patient.name",
    Place.PHONE: "Patient.telecom",
    Place.EMAIL: "Patient.telecom",
    Place.ADDRESS: "Patient.address",
    Place.LANGUAGE: "Patient.communication",
    Place.VISIT: "ServiceRequest.encounter",
    Place.VISIT_LOCATION: "ServiceRequest.encounter",
    Place.ORDER_STATUS: "ServiceRequest.status",
    Place.PLACER: "ServiceRequest.identifier",
    Place.FILLER: "ServiceRequest.identifier",
    Place.ACCESSION: "ServiceRequest.identifier",
    Place.REQUESTING_SERVICE: "ServiceRequest.requester",
    Place.CALLBACK_PHONE: "ServiceRequest.requester",
    Place.CODE: "ServiceRequest.code",
    Place.STUDY: "ServiceRequest.identifier",
    Place.LATERALITY: "ServiceRequest.bodySite",
    Place.MODALITY: "ServiceRequest.orderDetail",
    Place.STATION: "ServiceRequest.performer",
    Place.DEVICE: "ServiceRequest.performer",
    Place.START_AT: "ServiceRequest.occurrence",
    Place.DURATION: "ServiceRequest.occurrence",
    Place.SUBSCRIPTION_STATUS: "Subscription.status",
}
# What no resource that is written here says, or says in no element of its own.
SILENT = (
    OF_EXAMS
    | {
        Place.OTHER_PATIENT, Place.PRIOR_PATIENT, Place.ACCOUNT, Place.PRIOR_VISIT,
        Place.PRIOR_ACCOUNT, Place.ETHNIC_GROUP, Place.PREGNANCY, Place.SPECIAL_NEEDS,
        Place.ALLERGIES, Place.ALERTS, Place.TRANSPORT, Place.ENTERED_BY,
        Place.ENTERING_LOCATION, Place.PATIENT_STATE, Place.CONFIDENTIALITY,
        Place.PATIENT_CONFIDENTIALITY, Place.INTERPRETER_LANGUAGE, Place.PROCEDURE_ID,
        Place.STEP_ID, Place.DESCRIPTION, Place.PREVIOUS_PART,
    }
)  # fmt: skip


@contextmanager
def in_expressions() -> Iterator[None]:
    """What the core refuses inside names the element."""
    try:
        yield
    except RisError as error:
        for each in (error, *(error.errors if isinstance(error, SeveralErrors) else ())):
            each.path = EXPRESSIONS.get(each.path, each.path)
        raise
