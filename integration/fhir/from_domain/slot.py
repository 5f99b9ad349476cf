"""SlotView → Slot (FHIR R4 12.9): computed from the calendar, never stored."""

from __future__ import annotations

from datetime import UTC, datetime

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.selectors.slots import SlotView

SLOT_SYSTEM = "urn:ris:slot"
SPECIALTY = datatypes.coded(systems.SNOMED, "394914008", "Radiology")


def slot(view: SlotView, shown: Shown) -> Resource:
    """Its version is its status: nothing else of it can change."""
    status = bindings.SLOT_STATUS[view.state]
    modality = {"coding": [datatypes.modality(view.modality)]}
    return datatypes.resource(
        "Slot",
        view.public_id,
        status,
        datetime.now(UTC).replace(microsecond=0),
        identifier=[{"system": SLOT_SYSTEM, "value": view.public_id}],
        serviceType=[datatypes.concept(view.code)] if view.code else [modality],
        specialty=[SPECIALTY],
        schedule=datatypes.reference("Schedule", view.schedule),
        status=status,
        start=datatypes.instant(view.start_at),
        end=datatypes.instant(view.end_at),
    )
