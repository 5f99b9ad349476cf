"""Where images can be had → Endpoint (FHIR R4 11.4; IHE RAD IMR, IID)."""

from __future__ import annotations

import hashlib

from integration.fhir import systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.selectors.search.endpoints import ARCHIVE, WADO_RS, told, viewer_id
from ris.selectors.search.views import EndpointHit

CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
STUDY = datatypes.coded(systems.DCM, "113014", "Study")
_MIME = {WADO_RS: ["application/dicom"]}


def endpoint(hit: EndpointHit, shown: Shown) -> Resource:
    """Its version is what it says: it has no history of its own."""
    version = hashlib.sha256(hit.address.encode()).hexdigest()[:16]
    site = shown.directory.site
    return datatypes.resource(
        "Endpoint",
        hit.public_id,
        version,
        hit.since,
        status="active",
        connectionType={"system": CONNECTION_TYPE, "code": hit.connection_type},
        name=hit.name,
        managingOrganization=datatypes.reference("Organization", site) if site else None,
        payloadType=[STUDY],
        payloadMimeType=_MIME.get(hit.connection_type, ["text/html"]),
        address=hit.address,
    )


def endpoints_of(study: str) -> list[Resource]:
    """References to where the images of a study can be had."""
    archive, viewer = told()
    found = [datatypes.reference("Endpoint", ARCHIVE)] if archive else []
    return [*found, datatypes.reference("Endpoint", viewer_id(study))] if viewer else found
