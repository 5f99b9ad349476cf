"""AppointmentHit → Appointment (FHIR R4 12.10)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.search.views import AppointmentHit


def appointment(hit: AppointmentHit, shown: Shown) -> Resource:
    view = hit.appointment
    status = bindings.APPOINTMENT_STATUS[
        view.status,
        hit.step.status if hit.step else None,
        hit.order.status if hit.order else None,
    ]
    updated_at = datatypes.latest(
        view.updated_at,
        hit.step.updated_at if hit.step else None,
        hit.order.updated_at if hit.order else None,
    )
    agreed = "tentative" if view.status is AppointmentStatus.HELD else "accepted"
    actors = datatypes.some(
        datatypes.reference("Patient", hit.patient),
        datatypes.station(view.ae_title, "", shown),
        datatypes.room(view.room, shown),
    )
    return datatypes.resource(
        "Appointment",
        view.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        status=status,
        serviceType=(
            [datatypes.concept(hit.procedure.code, hit.procedure.description)]
            if hit.procedure
            else []
        ),
        description=hit.step.description if hit.step else "",
        start=datatypes.instant(view.start_at),
        end=datatypes.instant(view.end_at),
        minutesDuration=int((view.end_at - view.start_at).total_seconds() // 60),
        basedOn=requests_of(hit.order, hit.procedure) if hit.order and hit.procedure else [],
        participant=[{"actor": actor, "status": agreed} for actor in actors],
    )
