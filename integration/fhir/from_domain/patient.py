"""PatientView → Patient (FHIR R4 8.1)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.domain.languages import SYSTEM, name_of, tag_of
from ris.selectors.views import PatientView


def patient(view: PatientView, shown: Shown) -> Resource:
    merged = view.merged_into
    return datatypes.resource(
        "Patient",
        view.public_id,
        str(view.version),
        view.updated_at,
        identifier=datatypes.some(
            *(datatypes.identifier(each, shown.systems) for each in view.identifiers)
        ),
        active=not merged,
        name=datatypes.human_names(view.name),
        telecom=datatypes.telecom(view.phone, view.email),
        gender=bindings.GENDER[view.sex],
        birthDate=view.birth_date.text,
        deceasedBoolean=True if view.deceased else None,
        address=[{"text": view.address}] if view.address else [],
        communication=(
            [{"language": _language(view.language), "preferred": True}] if view.language else []
        ),
        link=(
            [{"other": datatypes.reference("Patient", merged), "type": "replaced-by"}]
            if merged
            else []
        ),
    )


def _language(said: str) -> Resource:
    """With the code that R4 asks for (binding all-languages), where it is plain what is meant."""
    tag = tag_of(said)
    coded = datatypes.coded(SYSTEM, tag, name_of(tag)) if tag else {}
    return {**coded, "text": said}
