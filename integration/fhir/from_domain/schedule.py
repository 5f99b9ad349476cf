"""ScheduleView → Schedule (FHIR R4 12.8): the calendar of a device and the room it stands in."""

from __future__ import annotations

from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.slot import SPECIALTY
from ris.selectors.search.slots import horizon
from ris.selectors.slots import ScheduleView


def schedule(view: ScheduleView, shown: Shown) -> Resource:
    return datatypes.resource(
        "Schedule",
        view.public_id,
        datatypes.version_at(view.updated_at),
        view.updated_at,
        identifier=[{"system": datatypes.AE_TITLE, "value": view.ae_title}],
        active=view.active,
        serviceType=[
            {"coding": [datatypes.modality(view.modality)]},
            *(datatypes.concept(code) for code in view.codes),
        ],
        specialty=[SPECIALTY],
        actor=datatypes.some(
            datatypes.station(view.ae_title, view.station_name, shown),
            datatypes.room(view.room, shown),
        ),
        planningHorizon=datatypes.period(*horizon()),
    )
