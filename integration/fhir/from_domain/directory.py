"""What orders refer to → Practitioner, Location, Device, Organization (FHIR R4 8.4-8.7)."""

from __future__ import annotations

from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.selectors.search.views import (
    InstitutionView,
    PractitionerView,
    RoomView,
    StationView,
)


def practitioner(view: PractitionerView, shown: Shown) -> Resource:
    return datatypes.resource(
        "Practitioner",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        identifier=datatypes.some(datatypes.identifier(view.identifier, shown.systems)),
        name=datatypes.human_names(view.name),
        telecom=datatypes.telecom(view.phone, view.email),
    )


def location(view: RoomView, shown: Shown) -> Resource:
    return datatypes.resource(
        "Location",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        status="active",
        name=view.name,
        mode="instance",
        physicalType=datatypes.coded(
            "http://terminology.hl7.org/CodeSystem/location-physical-type", "ro", "Room"
        ),
        managingOrganization=(
            datatypes.reference("Organization", view.site) if view.site else None
        ),
    )


def device(view: StationView, shown: Shown) -> Resource:
    """A modality, named by its station AE title."""
    return datatypes.resource(
        "Device",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        identifier=[{"system": datatypes.AE_TITLE, "value": view.ae_title}],
        status="active" if view.active else "inactive",
        deviceName=[{"name": view.station_name or view.ae_title, "type": "user-friendly-name"}],
        type={"coding": [datatypes.modality(view.modality)]},
        location=(
            datatypes.reference("Location", view.room, view.room_name) if view.room else None
        ),
    )


def organization(view: InstitutionView, shown: Shown) -> Resource:
    return datatypes.resource(
        "Organization",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        active=True,
        name=view.institution or view.name,
        alias=datatypes.some(view.name if view.institution else ""),
        address=[{"text": view.address}] if view.address else [],
    )
