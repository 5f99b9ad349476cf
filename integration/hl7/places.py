"""Where the places of the core stand in messages of HL7 v2: the segment and field of each.

The one table for it. What a single message says elsewhere is in the ``words`` of its request;
what IPC and TQ1 carry instead, in :mod:`integration.hl7.to_domain.request`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.errors import RisError
from ris.domain.places import OF_EXAMS, Place

FIELDS: Mapping[str, str] = {
    Place.PATIENT: "PID-3",
    Place.PATIENT_KEY: "PID-3",
    Place.OTHER_PATIENT: "PID[2]-3",
    Place.PRIOR_PATIENT: "MRG-1",
    Place.NAME: "PID-5",
    Place.PHONE: "PID-13",
    Place.EMAIL: "PID-13",
    Place.ADDRESS: "PID-11",
    Place.LANGUAGE: "PID-15",
    Place.ETHNIC_GROUP: "PID-22",
    Place.PREGNANCY: "PV1-15",
    Place.SPECIAL_NEEDS: "PV1-15",
    Place.ALLERGIES: "AL1-3",
    Place.ALERTS: "OBR-12",
    Place.VISIT: "PV1-19",
    Place.VISIT_LOCATION: "PV1-3",
    Place.ACCOUNT: "PID-18",
    Place.PRIOR_VISIT: "MRG-5",
    Place.PRIOR_ACCOUNT: "MRG-3",
    Place.ORDER_STATUS: "ORC-1",
    Place.PLACER: "ORC-2",
    Place.FILLER: "ORC-3",
    Place.ACCESSION: "OBR-18",
    Place.REQUESTING_SERVICE: "ORC-17",
    Place.TRANSPORT: "OBR-30",
    Place.ENTERED_BY: "ORC-10",
    Place.ENTERING_LOCATION: "ORC-13",
    Place.CALLBACK_PHONE: "ORC-14",
    Place.PATIENT_STATE: "OBR-12",
    Place.CONFIDENTIALITY: "ORC-28",
    Place.PATIENT_CONFIDENTIALITY: "PV1-16",
    Place.CODE: "OBR-4",
    Place.PROCEDURE_ID: "OBR-19",
    Place.STUDY: "ZDS-1",
    Place.LATERALITY: "OBR-15",
    Place.STEP_ID: "OBR-20",
    Place.MODALITY: "OBR-24",
    Place.DESCRIPTION: "OBR-4",
    Place.STATION: "OBR-21",
    Place.START_AT: "ORC-7.4",
    Place.DURATION: "ORC-7.3",
    Place.PREVIOUS_PART: "MSH-14",
}
# No message of HL7 tells of these; a device is chosen here (what a message names is a station).
SILENT = OF_EXAMS | {Place.DEVICE, Place.INTERPRETER_LANGUAGE, Place.SUBSCRIPTION_STATUS}


def placed(error: RisError) -> RisError:
    """The fault with the field that its place is in every message."""
    error.path = FIELDS.get(error.path, error.path)
    return error
