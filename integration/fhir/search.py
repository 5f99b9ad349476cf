"""The search parameter tables: type → parameters, and the sort keys (FHIR R4; spec/fhir.md S1-S10).

A row drives the search, the CapabilityStatement and ``_include``. Names and expressions are those
of the official SearchParameters; ImagingStudy's ``basedon`` is written without hyphen there.
"""

from __future__ import annotations

from collections.abc import Mapping

from integration.fhir import bindings, systems
from integration.fhir.date_parameters import DateParameter, PartialDateParameter
from integration.fhir.from_domain.datatypes import AE_TITLE
from integration.fhir.parameters import (
    CodeParameter,
    ConstantParameter,
    IdentifierParameter,
    IdParameter,
    Parameter,
    PlainTokenParameter,
    ReferenceParameter,
    StateParameter,
    StringParameter,
)
from ris.domain.orders import StepStatus

COMMON: tuple[Parameter, ...] = (
    IdParameter(name="_id", expression="Resource.id", field="public_ids"),
    DateParameter(
        name="_lastUpdated",
        expression="Resource.meta.lastUpdated",
        field="updated",
        always=True,
    ),
)

_PATIENT_CHAINS = {"identifier": "patient_identifiers"}
_REQUEST_CHAINS = {"identifier": "request_identifiers"}


def _patient(kind: str, element: str = "subject") -> tuple[Parameter, ...]:
    """``patient`` and ``subject``, which are the same where only patients are subjects."""
    return tuple(
        ReferenceParameter(
            name=name,
            expression=f"{kind}.{element}",
            field="patients",
            targets=("Patient",),
            element=(element,),
            chains=_PATIENT_CHAINS,
        )
        for name in ("patient", "subject")
    )


def _encounter(kind: str) -> Parameter:
    return ReferenceParameter(
        name="encounter",
        expression=f"{kind}.encounter",
        field="visits",
        targets=("Encounter",),
        element=("encounter",),
    )


def _based_on(kind: str, name: str = "based-on") -> Parameter:
    return ReferenceParameter(
        name=name,
        expression=f"{kind}.basedOn",
        field="requests",
        targets=("ServiceRequest",),
        element=("basedOn",),
        chains=_REQUEST_CHAINS,
    )


PATIENT: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="Patient.identifier",
        field="identifiers",
        types=("*",),
    ),
    StringParameter(name="name", expression="Patient.name", field="name"),
    StringParameter(name="family", expression="Patient.name.family", field="family"),
    StringParameter(
        name="given",
        expression="Patient.name.given",
        field="given",
        documentation="Looks at every part of the name but the family name.",
    ),
    PartialDateParameter(name="birthdate", expression="Patient.birthDate", field="birth_date"),
    StateParameter(name="gender", expression="Patient.gender", tables={"sexes": bindings.GENDER}),
    StateParameter(
        name="active",
        expression="Patient.active",
        tables={"active": {True: "true", False: "false"}},
        documentation="A record that was merged into another is not active.",
    ),
    StateParameter(
        name="deceased",
        expression="Patient.deceased.exists() and Patient.deceased != false",
        tables={"deceased": {True: "true", False: "false"}},
    ),
    StringParameter(
        name="phone", expression="Patient.telecom.where(system='phone')", field="phone"
    ),
    StringParameter(
        name="email", expression="Patient.telecom.where(system='email')", field="email"
    ),
)

SERVICE_REQUEST: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="ServiceRequest.identifier",
        field="identifiers",
        types=("PLAC", "FILL", "ACSN"),
        documentation="Placer, filler and accession number, Study Instance UID, procedure id.",
    ),
    IdentifierParameter(
        name="requisition", expression="ServiceRequest.requisition", field="group_numbers"
    ),
    StateParameter(
        name="status",
        expression="ServiceRequest.status",
        tables={
            "order_states": bindings.ORDER_STATUS,
            "procedure_states": bindings.PROCEDURE_REQUEST_STATUS,
        },
    ),
    StateParameter(
        name="intent",
        expression="ServiceRequest.intent",
        tables={"levels": {"order": "order", "procedure": "filler-order"}},
    ),
    StateParameter(
        name="priority",
        expression="ServiceRequest.priority",
        tables={"priorities": bindings.PRIORITY},
    ),
    ConstantParameter(
        name="category",
        expression="ServiceRequest.category",
        codes=((systems.SNOMED, "363679005"),),
    ),
    CodeParameter(name="code", expression="ServiceRequest.code", field="codes"),
    *_patient("ServiceRequest"),
    _encounter("ServiceRequest"),
    ReferenceParameter(
        name="based-on",
        expression="ServiceRequest.basedOn",
        field="based_on",
        targets=("ServiceRequest",),
        element=("basedOn",),
        documentation="The request for one of several procedures is based on the order's.",
    ),
    DateParameter(name="authored", expression="ServiceRequest.authoredOn", field="authored"),
    DateParameter(name="occurrence", expression="ServiceRequest.occurrence", field="occurrence"),
)

TASK: tuple[Parameter, ...] = (
    IdentifierParameter(name="identifier", expression="Task.identifier", field="identifiers"),
    IdentifierParameter(
        name="group-identifier", expression="Task.groupIdentifier", field="group_identifiers"
    ),
    StateParameter(
        name="status", expression="Task.status", tables={"states": bindings.TASK_STATUS}
    ),
    StateParameter(
        name="business-status",
        expression="Task.businessStatus",
        tables={"statuses": {status: status.value for status in StepStatus}},
        documentation="The state of the scheduled procedure step.",
    ),
    ConstantParameter(
        name="intent",
        expression="Task.intent",
        codes=(("http://hl7.org/fhir/task-intent", "order"),),
    ),
    ConstantParameter(
        name="code",
        expression="Task.code",
        codes=(("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"),),
    ),
    StateParameter(
        name="priority", expression="Task.priority", tables={"priorities": bindings.PRIORITY}
    ),
    *_patient("Task", "for"),
    _encounter("Task"),
    _based_on("Task"),
    ReferenceParameter(
        name="focus",
        expression="Task.focus",
        field="requests",
        targets=("ServiceRequest",),
        element=("focus",),
        chains=_REQUEST_CHAINS,
    ),
    ReferenceParameter(
        name="owner",
        expression="Task.owner",
        field="stations",
        targets=("Device",),
        element=("owner",),
    ),
    DateParameter(name="authored-on", expression="Task.authoredOn", field="authored"),
    DateParameter(name="modified", expression="Task.lastModified", field="updated"),
    DateParameter(name="period", expression="Task.executionPeriod", field="performed"),
)

APPOINTMENT: tuple[Parameter, ...] = (
    StateParameter(
        name="status",
        expression="Appointment.status",
        tables={"states": bindings.APPOINTMENT_STATUS},
    ),
    DateParameter(name="date", expression="Appointment.start", field="start"),
    ReferenceParameter(
        name="patient",
        expression="Appointment.participant.actor.where(resolve() is Patient)",
        field="patients",
        targets=("Patient",),
        element=("participant", "actor"),
        chains=_PATIENT_CHAINS,
    ),
    ReferenceParameter(
        name="location",
        expression="Appointment.participant.actor.where(resolve() is Location)",
        field="rooms",
        targets=("Location",),
        element=("participant", "actor"),
    ),
    ReferenceParameter(
        name="actor",
        expression="Appointment.participant.actor",
        field="actors",
        targets=("Patient", "Device", "Location"),
        element=("participant", "actor"),
    ),
    _based_on("Appointment"),
)

PROCEDURE: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="Procedure.identifier",
        field="identifiers",
        documentation="The SOP Instance UID of the performed procedure step.",
    ),
    StateParameter(
        name="status",
        expression="Procedure.status",
        tables={"states": bindings.PROCEDURE_STATUS, "planned": bindings.PLANNED_STATUS},
    ),
    ConstantParameter(
        name="category", expression="Procedure.category", codes=((systems.SNOMED, "363679005"),)
    ),
    CodeParameter(name="code", expression="Procedure.code", field="codes"),
    *_patient("Procedure"),
    _encounter("Procedure"),
    _based_on("Procedure"),
    ReferenceParameter(
        name="performer",
        expression="Procedure.performer.actor",
        field="stations",
        targets=("Device",),
        element=("performer", "actor"),
    ),
    DateParameter(name="date", expression="Procedure.performed", field="date"),
)

IMAGING_STUDY: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="ImagingStudy.identifier",
        field="identifiers",
        types=("ACSN",),
        documentation="Study Instance UID (urn:oid:…, also urn:dicom:uid|urn:oid:…), accession.",
    ),
    StateParameter(
        name="status",
        expression="ImagingStudy.status",
        tables={"states": bindings.STUDY_STATUS},
        documentation="Of all steps that were performed for it, what the furthest says.",
    ),
    PlainTokenParameter(
        name="modality",
        expression="ImagingStudy.series.modality",
        field="modalities",
        system=systems.DCM,
    ),
    PlainTokenParameter(name="series", expression="ImagingStudy.series.uid", field="series_uids"),
    *_patient("ImagingStudy"),
    _encounter("ImagingStudy"),
    _based_on("ImagingStudy", "basedon"),
    DateParameter(name="started", expression="ImagingStudy.started", field="started"),
)

DIAGNOSTIC_REPORT: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="DiagnosticReport.identifier",
        field="identifiers",
        types=("PLAC", "FILL", "ACSN"),
        documentation="Placer, filler and accession number of the orders reported on.",
    ),
    StateParameter(
        name="status",
        expression="DiagnosticReport.status",
        tables={"states": bindings.REPORT_STATUS, "awaited": bindings.AWAITED_STATUS},
    ),
    ConstantParameter(
        name="category",
        expression="DiagnosticReport.category",
        codes=(
            ("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD"),
            (systems.LOINC, "LP29684-5"),
        ),
    ),
    CodeParameter(name="code", expression="DiagnosticReport.code", field="codes"),
    *_patient("DiagnosticReport"),
    _encounter("DiagnosticReport"),
    _based_on("DiagnosticReport"),
    DateParameter(name="date", expression="DiagnosticReport.effective", field="date"),
    DateParameter(name="issued", expression="DiagnosticReport.issued", field="issued"),
)

ENCOUNTER: tuple[Parameter, ...] = (
    IdentifierParameter(name="identifier", expression="Encounter.identifier", field="identifiers"),
    StateParameter(
        name="class",
        expression="Encounter.class",
        tables={"classes": {kind: code for kind, (code, _) in bindings.PATIENT_CLASS.items()}},
    ),
    *_patient("Encounter"),
)

PRACTITIONER: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier", expression="Practitioner.identifier", field="identifiers"
    ),
    StringParameter(
        name="name",
        expression="Practitioner.name",
        field="name",
        documentation="Finds any part of the name.",
    ),
)

LOCATION: tuple[Parameter, ...] = (
    StringParameter(name="name", expression="Location.name", field="name"),
    ReferenceParameter(
        name="organization",
        expression="Location.managingOrganization",
        field="sites",
        targets=("Organization",),
        element=("managingOrganization",),
    ),
)

DEVICE: tuple[Parameter, ...] = (
    PlainTokenParameter(
        name="identifier", expression="Device.identifier", field="ae_titles", system=AE_TITLE
    ),
    StringParameter(name="device-name", expression="Device.deviceName.name", field="name"),
    PlainTokenParameter(
        name="type", expression="Device.type", field="modalities", system=systems.DCM
    ),
    StateParameter(
        name="status",
        expression="Device.status",
        tables={"active": {True: "active", False: "inactive"}},
    ),
    ReferenceParameter(
        name="location",
        expression="Device.location",
        field="rooms",
        targets=("Location",),
        element=("location",),
    ),
)

ENDPOINT: tuple[Parameter, ...] = (
    PlainTokenParameter(
        name="connection-type",
        expression="Endpoint.connectionType",
        field="connection_types",
        system="http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
        always=True,
    ),
    StringParameter(name="name", expression="Endpoint.name", field="names", always=True),
    StateParameter(
        name="status",
        expression="Endpoint.status",
        tables={"statuses": {True: "active", False: "off"}},
    ),
    ConstantParameter(
        name="payload-type",
        expression="Endpoint.payloadType",
        codes=((systems.DCM, "113014"),),
        always=True,
    ),
)

# _sort name → sort key of the finder.
SORTS: Mapping[str, Mapping[str, str]] = {
    "Patient": {"family": "family", "name": "family", "birthdate": "birth_date"},
    "ServiceRequest": {"authored": "authored", "occurrence": "occurrence"},
    "Task": {"authored-on": "authored", "modified": "updated", "period": "performed"},
    "Appointment": {"date": "start"},
    "Procedure": {"date": "date"},
    "ImagingStudy": {"started": "started"},
    "Encounter": {"date": "date"},
    "DiagnosticReport": {"date": "date", "issued": "issued"},
    "AuditEvent": {"date": "at"},
    "Provenance": {"recorded": "at"},
}
COMMON_SORTS: Mapping[str, str] = {"_id": "_id", "_lastUpdated": "updated"}
