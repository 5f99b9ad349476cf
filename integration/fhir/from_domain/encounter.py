"""VisitHit → Encounter (FHIR R4 8.11)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.domain.values import PersonName
from ris.selectors.search.views import VisitHit

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def encounter(hit: VisitHit, shown: Shown) -> Resource:
    visit = hit.visit
    code, display = bindings.PATIENT_CLASS[visit.patient_class]
    return datatypes.resource(
        "Encounter",
        visit.public_id,
        datatypes.version_at(hit.updated_at),
        hit.updated_at,
        identifier=datatypes.some(datatypes.identifier(visit.number, shown.systems, "VN")),
        status=bindings.VISIT_STATUS[visit.status],
        **{"class": {"system": ACT_CODE, "code": code, "display": display}},
        subject=datatypes.reference("Patient", hit.patient),
        participant=datatypes.some(
            _participant("ATND", visit.attending), _participant("REF", visit.referring)
        ),
        period=datatypes.period(visit.started_at, visit.ended_at),
        location=(
            [{"location": {"type": "Location", "display": visit.location}}]
            if visit.location
            else []
        ),
    )


def _participant(code: str, name: PersonName) -> Resource | None:
    if not name:
        return None
    return {
        "type": [datatypes.coded(PARTICIPATION, code)],
        "individual": {"type": "Practitioner", "display": datatypes.display(name)},
    }
