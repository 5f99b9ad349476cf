"""Performed procedure step, or one that is prepared or was not done → Procedure (FHIR R4 9.3)."""

from __future__ import annotations

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from ris.selectors.search.terms import STEP_ID
from ris.selectors.search.views import PerformedHit, PlannedHit
from ris.selectors.views import PerformedView, ProcedureView

IMAGING = datatypes.coded(systems.SNOMED, "363679005", "Imaging")


def procedure(hit: PerformedHit | PlannedHit, shown: Shown) -> Resource:
    return _planned(hit, shown) if isinstance(hit, PlannedHit) else _performed(hit, shown)


def _planned(hit: PlannedHit, shown: Shown) -> Resource:
    """The exam of a step for which nothing was performed: in preparation, or not done."""
    order, step = hit.order, hit.step
    updated_at = datatypes.latest(step.updated_at, order.updated_at)
    device = datatypes.station(step.station_ae_title, step.station_name, shown)
    return datatypes.resource(
        "Procedure",
        step.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        identifier=[{"system": STEP_ID, "value": step.step_id}],
        basedOn=requests_of(order, hit.procedure),
        status=bindings.planned_status(step.status, order.status),
        category=IMAGING,
        code=datatypes.concept(hit.procedure.code, step.description or hit.procedure.description),
        subject=datatypes.reference("Patient", order.patient.public_id),
        encounter=(
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        performer=[{"actor": device}] if device else [],
        location=datatypes.room(step.location, shown),
    )


def _performed(hit: PerformedHit, shown: Shown) -> Resource:
    view = hit.performed
    device = datatypes.station(view.station_ae_title, view.station_name, shown)
    visit = hit.order.visit if hit.order else None
    return datatypes.resource(
        "Procedure",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        identifier=datatypes.some(datatypes.uid(view.sop_instance_uid)),
        basedOn=_based_on(hit),
        status=bindings.PROCEDURE_STATUS[view.status, view.match, has_images(view)],
        statusReason=(
            datatypes.concept(view.discontinuation_reason) if view.discontinuation_reason else None
        ),
        category=IMAGING,
        code=_code(view, hit.procedures),
        subject=datatypes.reference("Patient", hit.patient),
        encounter=datatypes.reference("Encounter", visit.public_id) if visit else None,
        performedPeriod=datatypes.period(view.started_at, view.ended_at),
        performer=[{"actor": device}] if device else [],
        report=[
            datatypes.reference("DiagnosticReport", public_id)
            for public_id in dict.fromkeys(
                each.report.public_id for each in hit.procedures if each.report
            )
        ],
    )


def has_images(view: PerformedView) -> bool:
    return any(series.instance_count for series in view.series)


def _based_on(hit: PerformedHit) -> list[Resource]:
    found: list[Resource] = []
    for order, each in hit.covers:
        found.extend(ref for ref in requests_of(order, each) if ref not in found)
    if not found and hit.order is not None:
        return [datatypes.reference("ServiceRequest", hit.order.public_id)]
    return found


def _code(view: PerformedView, procedures: tuple[ProcedureView, ...]) -> Resource:
    """What was done: as the modality says, else as it was requested."""
    if len(procedures) == 1:
        return datatypes.concept(procedures[0].code, view.description or procedures[0].description)
    words = view.description or " + ".join(each.description for each in procedures)
    return {"text": words or view.modality or "Imaging"}
