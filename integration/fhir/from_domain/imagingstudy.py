"""A requested procedure of which something was performed → ImagingStudy (FHIR R4 10.4)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.diagnosticreport import WITHOUT_CONTENT, interpreter
from integration.fhir.from_domain.endpoint import endpoints_of
from integration.fhir.from_domain.procedure import has_images
from integration.fhir.from_domain.servicerequest import requests_of
from ris.domain.performing import FURTHEST
from ris.selectors.search.views import StudyHit
from ris.selectors.views import PerformedView, ProcedureView, SeriesView

UNKNOWN_MODALITY = "OT"  # CID 29 "Other", where ImagingStudy.series.modality is required


def imaging_study(hit: StudyHit, shown: Shown) -> Resource:
    order, procedure = hit.order, hit.procedure
    performed = sorted(procedure.performed, key=lambda each: each.started_at)
    series = [(step, each) for step in performed for each in step.series]
    modalities = dict.fromkeys(
        each.modality or step.modality or UNKNOWN_MODALITY for step, each in series
    ) or dict.fromkeys(step.modality for step in performed if step.modality)
    updated_at = datatypes.latest(procedure.updated_at, *(each.updated_at for each in performed))
    return datatypes.resource(
        "ImagingStudy",
        procedure.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        identifier=datatypes.some(
            *(datatypes.uid(each) for each in study_uids(procedure)),
            datatypes.identifier(order.accession, shown.systems, "ACSN"),
        ),
        status=status(performed),
        modality=[datatypes.modality(each) for each in modalities],
        subject=datatypes.reference("Patient", order.patient.public_id),
        encounter=(
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        started=datatypes.instant(performed[0].started_at) if performed else None,
        basedOn=requests_of(order, procedure),
        referrer=datatypes.person(
            order.requester, order.requester_identifier, shown.systems, "Practitioner"
        ),
        interpreter=_interpreters(procedure, shown),
        endpoint=endpoints_of(procedure.public_id) if performed else [],
        numberOfSeries=len(series),
        numberOfInstances=sum(each.instance_count for _, each in series),
        procedureReference=(
            datatypes.reference("Procedure", performed[0].public_id) if performed else None
        ),
        procedureCode=[datatypes.concept(procedure.code, procedure.description)],
        description=procedure.description,
        series=[
            _series(step, each, number, shown)
            for number, (step, each) in enumerate(series, start=1)
        ],
    )


def _interpreters(procedure: ProcedureView, shown: Shown) -> list[Resource]:
    """Who signed the newest version of the report."""
    report = procedure.report
    if report is None or report.current is None or report.status in WITHOUT_CONTENT:
        return []
    return datatypes.some(interpreter(report.current, shown))


def status(performed: list[PerformedView]) -> str:
    """From the performed step that tells most."""
    for state in FURTHEST:
        of_state = [each for each in performed if each.status is state]
        if of_state:
            images = any(has_images(each) for each in of_state)
            return bindings.STUDY_STATUS[state, images]
    return "registered"


def study_uids(procedure: ProcedureView) -> list[str]:
    """The study the procedure was given, and those a modality made up instead."""
    return list(
        dict.fromkeys(
            [
                procedure.study_instance_uid,
                *(each.study_instance_uid for each in procedure.performed),
            ]
        )
    )


def _series(step: PerformedView, series: SeriesView, number: int, shown: Shown) -> Resource:
    device = datatypes.station(step.station_ae_title, step.station_name, shown)
    return datatypes.compact(
        {
            "uid": series.series_instance_uid,
            "number": number,
            "modality": datatypes.modality(series.modality or step.modality or UNKNOWN_MODALITY),
            "description": series.description or series.protocol_name,
            "numberOfInstances": series.instance_count,
            "started": datatypes.instant(step.started_at),
            "performer": [{"actor": device}] if device else [],
        }
    )
