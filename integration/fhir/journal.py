"""Search parameters of AuditEvent and Provenance (FHIR R4 6.4.8, 6.3.7)."""

from __future__ import annotations

from integration.fhir.date_parameters import DateParameter
from integration.fhir.from_domain.auditevent import ACTIONS, OUTCOMES, RESOURCES, SUBTYPES, TYPES
from integration.fhir.kept import DOCUMENTATION
from integration.fhir.parameters import (
    Parameter,
    ReferenceParameter,
    StateParameter,
    StringParameter,
)

AUDIT_EVENT: tuple[Parameter, ...] = (
    DateParameter(name="date", expression="AuditEvent.recorded", field="recorded"),
    StateParameter(name="type", expression="AuditEvent.type", tables={"activities": TYPES}),
    StateParameter(
        name="subtype",
        expression="AuditEvent.subtype",
        tables={"activities": SUBTYPES},
        always=False,
    ),
    StateParameter(name="action", expression="AuditEvent.action", tables={"activities": ACTIONS}),
    StateParameter(
        name="outcome",
        expression="AuditEvent.outcome",
        tables={"outcomes": OUTCOMES},
        documentation="0: it was done, 4: it was refused, 8: it failed.",
    ),
    ReferenceParameter(
        name="agent",
        expression="AuditEvent.agent.who",
        field="agents",
        targets=("Device", "Practitioner"),
        element=("agent", "who"),
        documentation="Clients and interfaces are no resources: they are found by agent-name.",
    ),
    StringParameter(name="agent-name", expression="AuditEvent.agent.name", field="agent_name"),
    StringParameter(name="address", expression="AuditEvent.agent.network.address", field="address"),
    ReferenceParameter(
        name="patient",
        expression=(
            "AuditEvent.agent.who.where(resolve() is Patient) | "
            "AuditEvent.entity.what.where(resolve() is Patient)"
        ),
        field="patients",
        targets=("Patient",),
        element=("entity", "what"),
        documentation="Also of events that show several; these are looked through: add a date.",
    ),
    ReferenceParameter(
        name="entity",
        expression="AuditEvent.entity.what",
        field="entities",
        targets=("Patient", "ServiceRequest"),
        element=("entity", "what"),
        documentation="Patients and orders.",
    ),
)

PROVENANCE: tuple[Parameter, ...] = (
    ReferenceParameter(
        name="target",
        expression="Provenance.target",
        field="targets",
        targets=tuple(sorted({*RESOURCES.values(), *DOCUMENTATION})),
        element=("target",),
        documentation="What was changed.",
    ),
    ReferenceParameter(
        name="patient",
        expression="Provenance.target.where(resolve() is Patient)",
        field="patients",
        targets=("Patient",),
        element=("target",),
        documentation="Changes of the patient and of all that is the patient's.",
    ),
    DateParameter(name="recorded", expression="Provenance.recorded", field="recorded"),
    ReferenceParameter(
        name="agent",
        expression="Provenance.agent.who",
        field="agents",
        targets=("Device", "Practitioner"),
        element=("agent", "who"),
    ),
)
