"""What participants say to an appointment (FHIR R4 12.11 AppointmentResponse)."""

from __future__ import annotations

from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.scheduling import (
    Answer,
    AnswerAppointment,
    AppointmentAnswered,
    AppointmentStatus,
    CancelAppointment,
    Participant,
)
from ris.models import Appointment, AppointmentAnswer
from ris.services._context import Context
from ris.services._locks import lock_appointment, public_key
from ris.services.scheduling.appointments import cancel_appointment

_ANSWERABLE = frozenset(
    {
        AppointmentStatus.PROPOSED.value,
        AppointmentStatus.HELD.value,
        AppointmentStatus.BOOKED.value,
    }
)


def answer_appointment(command: AnswerAppointment, context: Context) -> str:
    appointment = lock_appointment(command.appointment)
    if appointment.status not in _ANSWERABLE:
        raise StateConflictError("this appointment is over: there is nothing to answer")
    if public_key(command.key, "participant") != _taking_part(appointment).get(command.participant):
        raise InvalidValueError("does not take part in this appointment", path="participant")
    answer = AppointmentAnswer.objects.create(
        appointment=appointment,
        participant=command.participant.value,
        key=command.key,
        answer=command.answer.value,
        comment=command.comment[:500],
    )
    order = appointment.order
    context.emit(
        AppointmentAnswered(
            order=str(order.public_id) if order else "",
            appointment=str(appointment.public_id),
            participant=command.participant,
            answer=command.answer,
        ),
        subject=appointment,
        order=order,
        patient=appointment.patient,
    )
    if command.participant is Participant.PATIENT and command.answer is Answer.DECLINED:
        reason = command.comment or "declined by the patient"
        cancel_appointment(
            CancelAppointment(appointment=command.appointment, reason=reason[:200]), context
        )
    return str(answer.public_id)


def _taking_part(appointment: Appointment) -> dict[Participant, object]:
    found: dict[Participant, object] = {}
    if appointment.patient is not None:
        found[Participant.PATIENT] = appointment.patient.public_id
    device = appointment.device
    if device is not None:
        found[Participant.DEVICE] = device.public_id
        if device.room is not None:
            found[Participant.ROOM] = device.room.public_id
    return found
