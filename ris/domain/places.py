"""How the core names the places that a refusal is about (:attr:`RisError.path`).

A place is a field of a command, or of what it is made of: with the thing before it where the name
alone could mean another field. No protocol has these names. Each edge has one table that says them
in its own: ``integration/hl7/places.py``, ``integration/fhir/places.py``,
``integration/rest/places.py``, ``worklist/places.py``, ``ris/web/places.py``.

Here are the places that several edges can be told of. What one page or one message alone asks for
(``reason``, ``services.1.code``) is named by its command where it is raised, and goes as it is.
"""

from __future__ import annotations

from enum import StrEnum


class Place(StrEnum):
    """A field of a command that can be wrong, whoever sent it."""

    # Of patients and visits.
    PATIENT = "patient.identifiers"
    PATIENT_KEY = "patient.public_id"
    OTHER_PATIENT = "other.identifiers"  # the second one of a link
    PRIOR_PATIENT = "prior.identifiers"  # who is merged, or what one was known by
    NAME = "patient.name"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    LANGUAGE = "language"
    ETHNIC_GROUP = "ethnic_group"
    PREGNANCY = "pregnancy_status"
    SPECIAL_NEEDS = "special_needs"
    ALLERGIES = "allergies"
    ALERTS = "alerts"
    VISIT = "visit.number"
    VISIT_LOCATION = "visit.location"
    ACCOUNT = "visit.account"
    PRIOR_VISIT = "prior.visit"
    PRIOR_ACCOUNT = "prior.account"

    # Of orders, their procedures and steps.
    ORDER_STATUS = "order.status"
    PLACER = "placer"
    FILLER = "filler"
    ACCESSION = "accession"
    REQUESTING_SERVICE = "requesting_service"
    TRANSPORT = "transport"
    ENTERED_BY = "entered_by"
    ENTERING_LOCATION = "entering_location"
    CALLBACK_PHONE = "callback_phone"
    PATIENT_STATE = "patient_state"
    CONFIDENTIALITY = "confidentiality"
    PATIENT_CONFIDENTIALITY = "patient_confidentiality"
    INTERPRETER_LANGUAGE = "interpreter_language"
    CODE = "procedure.code"
    PROCEDURE_ID = "procedure_id"
    STUDY = "study_instance_uid"
    LATERALITY = "laterality"
    STEP_ID = "step_id"
    MODALITY = "modality"
    DESCRIPTION = "description"
    STATION = "station"
    DEVICE = "device"
    START_AT = "start_at"
    DURATION = "duration_minutes"

    # Of exams and their objects.
    PERFORMED = "performed"  # which exam is meant
    PERFORMED_UID = "sop_instance_uid"  # what a new one is to be called
    PERFORMED_STATUS = "performed.status"
    DOCUMENT_UID = "source_uid"
    TRANSACTION_UID = "transaction_uid"
    COMMITTED = "committed"

    # Of messages and of who is told.
    PREVIOUS_PART = "part.previous"
    SUBSCRIPTION_STATUS = "subscription.status"


# What an edge has no words for at all, because none of its messages tells of it.
OF_PATIENTS = frozenset(
    {
        Place.PATIENT, Place.PATIENT_KEY, Place.OTHER_PATIENT, Place.PRIOR_PATIENT, Place.NAME,
        Place.PHONE, Place.EMAIL, Place.ADDRESS, Place.LANGUAGE, Place.ETHNIC_GROUP,
        Place.PREGNANCY, Place.SPECIAL_NEEDS, Place.ALLERGIES, Place.ALERTS, Place.VISIT,
        Place.VISIT_LOCATION, Place.ACCOUNT, Place.PRIOR_VISIT, Place.PRIOR_ACCOUNT,
    }
)  # fmt: skip
OF_ORDERS = frozenset(
    {
        Place.ORDER_STATUS, Place.PLACER, Place.FILLER, Place.ACCESSION, Place.REQUESTING_SERVICE,
        Place.TRANSPORT, Place.ENTERED_BY, Place.ENTERING_LOCATION, Place.CALLBACK_PHONE,
        Place.PATIENT_STATE, Place.CONFIDENTIALITY, Place.PATIENT_CONFIDENTIALITY,
        Place.INTERPRETER_LANGUAGE, Place.CODE, Place.PROCEDURE_ID, Place.STUDY, Place.LATERALITY,
        Place.STEP_ID, Place.MODALITY, Place.DESCRIPTION, Place.STATION, Place.DEVICE,
        Place.START_AT, Place.DURATION,
    }
)  # fmt: skip
OF_EXAMS = frozenset(
    {
        Place.PERFORMED, Place.PERFORMED_UID, Place.PERFORMED_STATUS, Place.DOCUMENT_UID,
        Place.TRANSACTION_UID, Place.COMMITTED,
    }
)  # fmt: skip
OF_EXCHANGE = frozenset({Place.PREVIOUS_PART, Place.SUBSCRIPTION_STATUS})
