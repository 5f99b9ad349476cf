"""Who writes resources of which type.

A type whose Kind lists "create", "update", "patch" or "delete" has its row here.
"""

from __future__ import annotations

from collections.abc import Mapping

from integration.fhir.kept import DOCUMENTATION
from integration.fhir.writing.appointments import AppointmentResponses, Appointments
from integration.fhir.writing.beside import KeptBesideOurs
from integration.fhir.writing.binaries import Binaries
from integration.fhir.writing.clearance import Allergies, Coverages, Observations
from integration.fhir.writing.diagnosticreports import DiagnosticReports
from integration.fhir.writing.directory import Encounters, Practitioners
from integration.fhir.writing.documentreferences import DocumentReferences
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.patients import Patients
from integration.fhir.writing.request import Handler
from integration.fhir.writing.servicerequests import ServiceRequests
from integration.fhir.writing.subscriptions import Subscriptions
from integration.fhir.writing.targets import LOOKED_UP
from integration.fhir.writing.tasks import Tasks

HANDLERS: Mapping[str, Handler] = {
    "Appointment": Appointments(),
    "AppointmentResponse": AppointmentResponses(),
    "DiagnosticReport": DiagnosticReports(),
    "Encounter": Encounters(),
    "Patient": Patients(),
    "Practitioner": Practitioners(),
    "ServiceRequest": ServiceRequests(),
    "Subscription": Subscriptions(),
    "Task": Tasks(),
    **{name: KeptResources() for name in DOCUMENTATION},
    "Binary": Binaries(),
    "DocumentReference": DocumentReferences(),
    "Organization": KeptBesideOurs(
        "this is the institution itself: its name is a setting of the site"
    ),
    "AllergyIntolerance": Allergies(),
    "Coverage": Coverages(),
    "Observation": Observations(
        "the dose of an exam and a critical finding are changed where they were entered"
    ),
}

# Of what a resource of these types refers to, the core looks at these types, which must be there
# when it is written. The rest is kept beside it as it came, and may come later in a bundle.
LOOKED_AT: Mapping[str, frozenset[str]] = {
    "Appointment": LOOKED_UP | {"ServiceRequest", "Slot", "Task"},
    "AppointmentResponse": LOOKED_UP | {"Appointment"},
    "Binary": frozenset(),
    "DiagnosticReport": LOOKED_UP | {"Binary", "ImagingStudy", "Observation", "ServiceRequest"},
    "Encounter": frozenset({"Patient"}),
    "Patient": frozenset(),
    "Practitioner": frozenset(),
    "ServiceRequest": LOOKED_UP,
    "Task": frozenset(),
}

# Of types that are kept as they come: what may be told later, since it needs them to be there.
LATER: Mapping[str, frozenset[str]] = {"Observation": frozenset({"DiagnosticReport"})}
