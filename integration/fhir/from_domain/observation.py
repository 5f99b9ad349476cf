"""The dose of an exam, a critical finding, or what a client sent → Observation (FHIR R4 10.1).

Dose follows HL7 radiation-dose-summary 1.0.0: LOINC 73569-6, the summary as text, focus and partOf
the study, the structured report as identifier.
"""

from __future__ import annotations

from integration.fhir import kept
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.domain.dose import DoseSource
from ris.domain.reporting import ReportStatus
from ris.selectors.search.observations import CATEGORY, DOSE_CODE, FINDING_CODE, Hit
from ris.selectors.search.views import DoseHit, FindingHit

_IMAGING = datatypes.coded(CATEGORY, "imaging", "Imaging")
_CRITICAL = datatypes.coded(
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "AA", "Critical abnormal"
)


def observation(hit: Hit, shown: Shown) -> Resource:
    if isinstance(hit, DoseHit):
        return _dose(hit, shown)
    if isinstance(hit, FindingHit):
        return _finding(hit)
    return kept.kept(hit, shown)


def _dose(hit: DoseHit, shown: Shown) -> Resource:
    order, document = hit.order, hit.document
    studies = [
        datatypes.reference("ImagingStudy", each.public_id)
        for each in order.procedures
        if each.performed and hit.procedure in {"", each.public_id}
    ]
    told = document.source == DoseSource.RDSR.value
    at = document.started_at or document.content_at or document.received_at
    return datatypes.resource(
        "Observation",
        document.public_id,
        datatypes.version_at(hit.updated_at),
        hit.updated_at,
        identifier=datatypes.some(datatypes.uid(document.source_uid) if told else None),
        basedOn=[datatypes.reference("ServiceRequest", order.public_id)],
        partOf=studies,
        status="entered-in-error" if document.withdrawn_at else "final",
        category=[_IMAGING],
        code={
            **datatypes.coded(*DOSE_CODE),
            "text": "Radiation dose summary",
        },
        subject=datatypes.reference("Patient", order.patient.public_id),
        focus=studies,
        encounter=(
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        effectiveDateTime=datatypes.instant(at),
        issued=datatypes.instant(document.received_at),
        valueString="; ".join(
            f"{each.words}{f' ({each.part})' if each.part else ''}: {each.text}"
            for each in document.values
        )
        or "no values",
        note=datatypes.notes(
            [
                f"Does not count for the exam: {document.left_out}" if document.left_out else "",
                document.note,
            ]
        ),
        device=_device(document.sender, document.device or document.station_name, shown),
    )


def _device(ae_title: str, name: str, shown: Shown) -> Resource | None:
    return datatypes.station(ae_title, name, shown) or ({"display": name} if name else None)


def _finding(hit: FindingHit) -> Resource:
    heard = (
        f"Acknowledged by {hit.acknowledged_by}, {datatypes.instant(hit.acknowledged_at)}"
        if hit.acknowledged_at
        else ""
    )
    told = f"Told {hit.told} by {hit.by}{', read back' if hit.read_back else ''}"
    return datatypes.resource(
        "Observation",
        hit.public_id,
        datatypes.version_at(hit.updated_at),
        hit.updated_at,
        basedOn=[datatypes.reference("ServiceRequest", each) for each in hit.requests],
        status="entered-in-error" if hit.report_status is ReportStatus.RETRACTED else "final",
        category=[_IMAGING],
        code={
            **datatypes.coded(*FINDING_CODE, "Radiology Study observation (narrative)"),
            "text": "Critical finding",
        },
        subject=datatypes.reference("Patient", hit.patient),
        encounter=datatypes.reference("Encounter", hit.visit) if hit.visit else None,
        effectiveDateTime=datatypes.instant(hit.told_at),
        issued=datatypes.instant(hit.told_at),
        valueString=hit.finding,
        interpretation=[_CRITICAL],
        note=datatypes.notes([told, heard]),
        derivedFrom=[datatypes.reference("ImagingStudy", each) for each in hit.studies],
    )
