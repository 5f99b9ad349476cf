"""What pages call the places of the core: the label of each, as forms have it.

The one table for it. A form whose field has another name than the place says so in its ``places``.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ris.domain.places import Place

LABELS: Mapping[str, str] = {
    Place.PATIENT: _("Patient number"),
    Place.PATIENT_KEY: _("Patient"),
    Place.OTHER_PATIENT: _("the other record"),
    Place.PRIOR_PATIENT: _("the other record"),
    Place.NAME: _("Name"),
    Place.PHONE: _("Phone"),
    Place.EMAIL: _("Mail address"),
    Place.ADDRESS: _("Address"),
    Place.LANGUAGE: _("Language"),
    Place.ETHNIC_GROUP: _("Patient"),
    Place.PREGNANCY: _("Patient"),
    Place.SPECIAL_NEEDS: _("Patient"),
    Place.ALLERGIES: _("Allergies"),
    Place.ALERTS: _("Alerts"),
    Place.VISIT: _("Visit"),
    Place.VISIT_LOCATION: _("Ward or place"),
    Place.ACCOUNT: _("Account"),
    Place.PRIOR_VISIT: _("Visit"),
    Place.PRIOR_ACCOUNT: _("Account"),
    Place.ORDER_STATUS: _("Order"),
    Place.PLACER: _("Placer number"),
    Place.FILLER: _("Filler number"),
    Place.ACCESSION: _("Accession number"),
    Place.REQUESTING_SERVICE: _("Department or practice"),
    Place.TRANSPORT: _("Transport"),
    Place.ENTERED_BY: _("Entered by"),
    Place.ENTERING_LOCATION: _("Entered by"),
    Place.CALLBACK_PHONE: _("Call back"),
    Place.PATIENT_STATE: _("Patient"),
    Place.CONFIDENTIALITY: _("Order"),
    Place.PATIENT_CONFIDENTIALITY: _("Patient"),
    Place.INTERPRETER_LANGUAGE: _("Interpreter for"),
    Place.CODE: _("Procedure"),
    Place.PROCEDURE_ID: _("Procedure"),
    Place.STUDY: _("Study UID"),
    Place.LATERALITY: _("Side"),
    Place.STEP_ID: _("Step"),
    Place.MODALITY: _("Modality"),
    Place.DESCRIPTION: _("Step"),
    Place.STATION: _("Station"),
    Place.DEVICE: _("Device"),
    Place.START_AT: _("Time"),
    Place.DURATION: _("Duration in minutes"),
    Place.PERFORMED: _("Exam"),
    Place.PERFORMED_UID: _("Exam"),
    Place.PERFORMED_STATUS: _("Exam"),
    Place.DOCUMENT_UID: _("Exam"),
    Place.TRANSACTION_UID: _("Request"),
    Place.COMMITTED: _("Report"),
    Place.PREVIOUS_PART: _("Message"),
    Place.SUBSCRIPTION_STATUS: _("Status"),
}


def label(path: str) -> str:
    """The place in words of the page; as it is if it is a field of that page alone."""
    return gettext(LABELS[path]) if path in LABELS else path
