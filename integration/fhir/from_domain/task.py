"""Scheduled procedure step → Task (FHIR R4 12.16; spec/fhir.md D8)."""

from __future__ import annotations

from datetime import timedelta

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from ris.selectors.search.terms import STEP_ID
from ris.selectors.search.views import StepHit
from ris.selectors.views import PerformedView, StepView

FULFILL = datatypes.coded("http://hl7.org/fhir/CodeSystem/task-code", "fulfill")
STEP_STATUS = "urn:ris:scheduled-procedure-step-status"

# What an input says: DICOM's own words for the attributes of a scheduled step.
_MODALITY = datatypes.coded(systems.DCM, "121139", "Modality")
_AE_TITLE = {"text": "Scheduled Station AE Title"}
_PROTOCOL = {"text": "Scheduled Protocol Code"}


def task(hit: StepHit, shown: Shown) -> Resource:
    order, procedure, step = hit.order, hit.procedure, hit.step
    performed = [each for each in procedure.performed if step.public_id in each.steps]
    requests = requests_of(order, procedure)
    updated_at = datatypes.latest(step.updated_at, order.updated_at)
    return datatypes.resource(
        "Task",
        step.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        identifier=[{"system": STEP_ID, "value": step.step_id}],
        basedOn=requests,
        groupIdentifier=datatypes.identifier(order.accession, shown.systems, "ACSN"),
        status=bindings.TASK_STATUS[step.status, order.status],
        statusReason=_reason(performed),
        businessStatus=datatypes.coded(STEP_STATUS, step.status.value),
        intent="order",
        priority=bindings.PRIORITY[order.priority],
        code=FULFILL,
        description=step.description or procedure.description,
        focus=requests[0],
        **{"for": datatypes.reference("Patient", order.patient.public_id)},
        encounter=(
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        executionPeriod=_execution(performed),
        authoredOn=datatypes.instant(order.ordered_at),
        lastModified=datatypes.instant(updated_at) if updated_at else None,
        requester=datatypes.person(
            order.requester, order.requester_identifier, shown.systems, "Practitioner"
        ),
        owner=datatypes.station(step.station_ae_title, step.station_name, shown),
        location=datatypes.room(step.location, shown),
        reasonCode=(
            datatypes.concept(order.reason_code, order.reason)
            if order.reason_code or order.reason
            else None
        ),
        note=datatypes.notes([step.comments]),
        restriction=_restriction(step),
        input=_inputs(step),
        output=[
            {
                "type": {"text": "Performed Procedure Step"},
                "valueReference": datatypes.reference("Procedure", each.public_id),
            }
            for each in performed
        ],
    )


def _reason(performed: list[PerformedView]) -> Resource | None:
    for each in performed:
        if each.discontinuation_reason:
            return datatypes.concept(each.discontinuation_reason)
    return None


def _execution(performed: list[PerformedView]) -> Resource:
    if not performed:
        return {}
    ends = [each.ended_at for each in performed]
    return datatypes.period(
        min(each.started_at for each in performed),
        None if None in ends else datatypes.latest(*ends),
    )


def _restriction(step: StepView) -> Resource:
    """The scheduled window: R4 has no requestedPeriod."""
    if step.start_at is None:
        return {}
    end = step.start_at + timedelta(minutes=step.duration_minutes)
    return {"period": datatypes.period(step.start_at, end)}


def _inputs(step: StepView) -> list[Resource]:
    found: list[Resource] = []
    if step.modality:
        value = {"coding": [datatypes.modality(step.modality)]}
        found.append({"type": _MODALITY, "valueCodeableConcept": value})
    if step.station_ae_title:
        found.append({"type": _AE_TITLE, "valueString": step.station_ae_title})
    found.extend(
        {"type": _PROTOCOL, "valueCodeableConcept": datatypes.concept(code)}
        for code in step.protocol_codes
    )
    return found
