"""Search parameters of calendars and appointments (FHIR R4 12.9-12.12; IHE ITI-118)."""

from __future__ import annotations

from integration.fhir import bindings, systems
from integration.fhir.date_parameters import DateParameter
from integration.fhir.from_domain.datatypes import AE_TITLE
from integration.fhir.from_domain.slot import SLOT_SYSTEM
from integration.fhir.parameters import (
    CodeParameter,
    ConstantParameter,
    IdentifierParameter,
    Parameter,
    PlainTokenParameter,
    ReferenceParameter,
    StateParameter,
)

RADIOLOGY = ((systems.SNOMED, "394914008"),)
_CHAINS = {"identifier": "patient_identifiers"}


def _specialty(kind: str) -> Parameter:
    return ConstantParameter(name="specialty", expression=f"{kind}.specialty", codes=RADIOLOGY)


def _service_type(kind: str) -> Parameter:
    return CodeParameter(
        name="service-type",
        expression=f"{kind}.serviceType",
        field="codes",
        documentation="A procedure of the catalog, or a modality (DICOM CID 29).",
    )


# Beside those of :data:`search.APPOINTMENT`.
APPOINTMENT: tuple[Parameter, ...] = (
    IdentifierParameter(
        name="identifier",
        expression="Appointment.identifier",
        field="identifiers",
        documentation="What a scheduling system calls it (SCH-1, SCH-2).",
    ),
    ReferenceParameter(
        name="slot",
        expression="Appointment.slot",
        field="slots",
        targets=("Slot",),
        element=("slot",),
    ),
    CodeParameter(
        name="service-type",
        expression="Appointment.serviceType",
        field="codes",
        documentation="The requested procedure.",
    ),
    CodeParameter(
        name="reason-code",
        expression="Appointment.reasonCode",
        field="reasons",
        documentation="Why the order was placed.",
    ),
    _specialty("Appointment"),
)

APPOINTMENT_RESPONSE: tuple[Parameter, ...] = (
    ReferenceParameter(
        name="appointment",
        expression="AppointmentResponse.appointment",
        field="appointments",
        targets=("Appointment",),
        element=("appointment",),
    ),
    StateParameter(
        name="part-status",
        expression="AppointmentResponse.participantStatus",
        tables={"answers": bindings.PARTICIPATION},
        always=True,
    ),
    ReferenceParameter(
        name="actor",
        expression="AppointmentResponse.actor",
        field="actors",
        targets=("Patient", "Device", "Location"),
        element=("actor",),
    ),
    ReferenceParameter(
        name="patient",
        expression="AppointmentResponse.actor.where(resolve() is Patient)",
        field="patients",
        targets=("Patient",),
        element=("actor",),
        chains=_CHAINS,
    ),
    ReferenceParameter(
        name="location",
        expression="AppointmentResponse.actor.where(resolve() is Location)",
        field="rooms",
        targets=("Location",),
        element=("actor",),
    ),
)

SCHEDULE: tuple[Parameter, ...] = (
    PlainTokenParameter(
        name="identifier",
        expression="Schedule.identifier",
        field="ae_titles",
        system=AE_TITLE,
        always=True,
        documentation="The AE title of the device whose calendar it is.",
    ),
    StateParameter(
        name="active",
        expression="Schedule.active",
        tables={"active": {True: "true", False: "false"}},
        always=True,
    ),
    ReferenceParameter(
        name="actor",
        expression="Schedule.actor",
        field="actors",
        targets=("Device", "Location"),
        element=("actor",),
    ),
    DateParameter(name="date", expression="Schedule.planningHorizon", field="date", always=True),
    _service_type("Schedule"),
    _specialty("Schedule"),
)

SLOT: tuple[Parameter, ...] = (
    PlainTokenParameter(
        name="identifier",
        expression="Slot.identifier",
        field="names",
        system=SLOT_SYSTEM,
        always=True,
    ),
    ReferenceParameter(
        name="schedule",
        expression="Slot.schedule",
        field="schedules",
        targets=("Schedule",),
        element=("schedule",),
    ),
    DateParameter(
        name="start",
        expression="Slot.start",
        field="start",
        always=True,
        documentation="Without it the next 14 days are shown, and never more than 62.",
    ),
    StateParameter(
        name="status",
        expression="Slot.status",
        tables={"states": bindings.SLOT_STATUS},
        always=True,
    ),
    CodeParameter(
        name="service-type",
        expression="Slot.serviceType",
        field="codes",
        documentation=(
            "A procedure of the catalog, or a modality (DICOM CID 29); free slots are then as long "
            "as the procedure takes, else half an hour."
        ),
    ),
    _specialty("Slot"),
)

SORTS = {"Schedule": {"date": "date"}, "Slot": {"start": "start"}}
