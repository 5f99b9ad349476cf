"""Types the core has no table for: what was sent is what is shown (FHIR R4 3.1.0.1.7).

A literal reference to a patient whose record was merged leads to the survivor, where it is what
says whose the resource is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource, Shown, instant
from ris.selectors.search.views import KeptHit

# Type → the elements that say which patient it is about, the first that does so counts.
PATIENT_LINK: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("patient",),
    "Binary": ("securityContext",),
    "Condition": ("subject",),
    "Coverage": ("beneficiary", "subscriber"),
    "DocumentReference": ("subject",),
    "HealthcareService": (),
    "Media": ("subject",),
    "Observation": ("subject",),
    "Organization": (),
    "PractitionerRole": (),
    "RelatedPerson": ("patient",),
    "Specimen": ("subject",),
}

DOCUMENTATION: Mapping[str, str] = {
    "AllergyIntolerance": "Kept as received; allergies to contrast media matter here most.",
    "Binary": (
        "Kept as received; as FHIR JSON, or as the bytes themselves in any media type. Those of "
        "report documents are read at the address that their DocumentReference gives, by whoever "
        "may read that, and are not searched."
    ),
    "Condition": "Kept as received.",
    "Coverage": "Kept as received.",
    "DocumentReference": (
        "Kept as received. One that holds a document of an order is shown with the order as well. "
        "Beside them the PDF of each signed version of a report, which is read only: superseded "
        "and withdrawn ones say so, and so does a stamp on every page of their Binary."
    ),
    "HealthcareService": "Kept as received.",
    "Media": "Kept as received.",
    "Observation": (
        "Kept as received; beside them the dose of exams (LOINC 73569-6) and critical findings, "
        "which are read only."
    ),
    "Organization": "The institution itself, which is read only, and others, kept as received.",
    "PractitionerRole": "Kept as received.",
    "RelatedPerson": "Kept as received.",
    "Specimen": "Kept as received.",
}


# What of a Reference says whom it means.
_NAMING = frozenset({"reference", "identifier"})


def kept(hit: KeptHit, shown: Shown) -> Resource:
    """The resource as it was sent, with its id and version."""
    return render(
        hit.type, hit.public_id, str(hit.version), hit.updated_at, hit.content, patient=hit.patient
    )


def render(
    kind: str, public_id: str, version: str, at: datetime, content: str, *, patient: str = ""
) -> Resource:
    """``content`` with ``id`` and ``meta``, in the order FHIR has them."""
    said: dict[str, Any] = json.read_stored(content.encode())
    meta = {"versionId": version, "lastUpdated": instant(at)}
    given = said.pop("meta", {})
    said.pop("resourceType", None)
    said.pop("id", None)
    if patient:
        first = next((each for each in links(kind, said) if each.keys() & _NAMING), {})
        # Who is named otherwise stays so, and who comes after is somebody else.
        if first.get("reference", "").startswith("Patient/"):
            first["reference"] = f"Patient/{patient}"
    return {
        "resourceType": kind,
        "id": public_id,
        "meta": {**meta, **{k: v for k, v in given.items() if k not in meta}},
        **said,
    }


def content(resource: Mapping[str, Any]) -> str:
    """What is kept of a resource: all but what this server says of it."""
    said = {name: value for name, value in resource.items() if name not in {"id", "meta"}}
    meta = {
        name: value
        for name, value in resource.get("meta", {}).items()
        if name not in {"versionId", "lastUpdated"}
    }
    if meta:
        said["meta"] = meta
    return json.write(said).decode()


def links(kind: str, resource: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The elements that may say which patient the resource is about."""
    for name in PATIENT_LINK.get(kind, ()):
        element = resource.get(name)
        if isinstance(element, dict):
            yield element
