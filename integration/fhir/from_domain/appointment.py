"""AppointmentHit → Appointment (FHIR R4 12.10; IHE ITI Scheduling)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.from_domain.servicerequest import requests_of
from integration.fhir.from_domain.slot import SPECIALTY
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.search.views import AppointmentHit

# What a participant is taken to say who has said nothing.
_UNSAID = {
    AppointmentStatus.PROPOSED: "needs-action",
    AppointmentStatus.HELD: "tentative",
}
# The time belongs to somebody else again, or to nobody.
_GIVEN_BACK = frozenset(
    {AppointmentStatus.CANCELED, AppointmentStatus.EXPIRED, AppointmentStatus.NO_SHOW}
)


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
    return datatypes.resource(
        "Appointment",
        view.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        identifier=datatypes.some(
            *(datatypes.identifier(number, shown.systems) for number in hit.numbers)
        ),
        status=status,
        cancelationReason=_cancelation(hit),
        serviceType=(
            [datatypes.concept(hit.procedure.code, hit.procedure.description)]
            if hit.procedure
            else []
        ),
        specialty=[SPECIALTY],
        reasonCode=_reason(hit),
        description=hit.step.description if hit.step else "",
        **_time(hit),
        comment=hit.comment,
        basedOn=_requests(hit),
        participant=_participants(hit, shown),
    )


def _time(hit: AppointmentHit) -> Resource:
    """When it is; of one that was only asked for, what was wished (invariant app-3)."""
    view = hit.appointment
    if view.status is AppointmentStatus.CANCELED and not hit.device:
        return {}  # it never had a time, or none that is in our calendar
    if view.status is AppointmentStatus.PROPOSED:
        wish = [datatypes.period(view.start_at, None)] if hit.wished else []
        return {"requestedPeriod": wish}
    has_slot = hit.slot and view.status not in _GIVEN_BACK
    return {
        "start": datatypes.instant(view.start_at),
        "end": datatypes.instant(view.end_at),
        "minutesDuration": int((view.end_at - view.start_at).total_seconds() // 60),
        "slot": [datatypes.reference("Slot", hit.slot)] if has_slot else [],
    }


def _cancelation(hit: AppointmentHit) -> Resource:
    if hit.appointment.status is AppointmentStatus.EXPIRED:
        return {"text": "the hold ran out"}
    if hit.appointment.status is AppointmentStatus.CANCELED and hit.reason:
        return {"text": hit.reason}
    return {}


def _reason(hit: AppointmentHit) -> list[Resource]:
    if hit.order is None or not (hit.order.reason or hit.order.reason_code.value):
        return []
    return [datatypes.concept(hit.order.reason_code, hit.order.reason)]


def _requests(hit: AppointmentHit) -> list[Resource]:
    if hit.order is None:
        return []
    if hit.procedure is None:
        return [datatypes.reference("ServiceRequest", hit.order.public_id)]
    return requests_of(hit.order, hit.procedure)


def _participants(hit: AppointmentHit, shown: Shown) -> list[Resource]:
    view = hit.appointment
    unsaid = _UNSAID.get(view.status, "accepted")
    actors = datatypes.some(
        datatypes.reference("Patient", hit.patient) if hit.patient else None,
        datatypes.station(view.ae_title, "", shown),
        datatypes.room(view.room, shown),
    )
    found = []
    for actor in actors:
        key = actor.get("reference", "").rpartition("/")[2]
        said = hit.answers.get(key)
        status = bindings.PARTICIPATION[said] if said else unsaid
        found.append({"actor": actor, "status": status})
    return found
