"""AnswerHit → AppointmentResponse (FHIR R4 12.11)."""

from __future__ import annotations

from collections.abc import Mapping

from integration.fhir import bindings
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.domain.scheduling import Participant
from ris.selectors.search.views import AnswerHit

ACTORS: Mapping[Participant, str] = {
    Participant.PATIENT: "Patient",
    Participant.DEVICE: "Device",
    Participant.ROOM: "Location",
}


def appointment_response(hit: AnswerHit, shown: Shown) -> Resource:
    return datatypes.resource(
        "AppointmentResponse",
        hit.public_id,
        "1",
        hit.updated_at,
        appointment=datatypes.reference("Appointment", hit.appointment),
        start=datatypes.instant(hit.start_at),
        end=datatypes.instant(hit.end_at),
        actor=datatypes.reference(ACTORS[hit.participant], hit.key),
        participantStatus=bindings.PARTICIPATION[hit.answer],
        comment=hit.comment,
    )
