"""Numbers for the waiting room: given at arrival, called to a room."""

from __future__ import annotations

from ris.domain.arrivals import CallPatient, PatientCalled
from ris.domain.errors import StateConflictError
from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment, Ticket
from ris.selectors.resources import site_of, zone_at
from ris.services import _numbers
from ris.services._context import Context
from ris.services._locks import lock_appointment, steps_of_appointment


def give_ticket(appointment: Appointment, context: Context) -> Ticket:
    """The appointment's number; one that was given before stays, as it is printed already."""
    known = Ticket.objects.filter(appointment=appointment).first()
    if known is not None:
        return known
    device = appointment.device
    there = site_of(device) if device is not None else None
    site = there.pk if there is not None else None
    day = context.now.astimezone(zone_at(device)).date()
    return Ticket.objects.create(
        appointment=appointment,
        site_id=site,
        day=day,
        number=_numbers.take(f"ticket:{site or 0}:{day:%Y%m%d}"),
    )


def withdraw_call(appointment: Appointment) -> None:
    """Nobody is sent to a room that they were called to and that is not theirs any more."""
    Ticket.objects.filter(appointment=appointment).update(called_at=None, called_to="", calls=0)


def call_patient(command: CallPatient, context: Context) -> int:
    appointment = lock_appointment(command.appointment)
    if appointment.status != AppointmentStatus.ARRIVED.value:
        raise StateConflictError("only somebody who is here can be called")
    ticket = give_ticket(appointment, context)
    device = appointment.device
    room = command.room or (
        (device.room.name if device.room else device.ae_title) if device is not None else ""
    )
    ticket.called_at, ticket.called_to = context.now, room[:64]
    ticket.calls += 1
    ticket.save(update_fields=["called_at", "called_to", "calls"])
    steps = steps_of_appointment(appointment)
    order = steps[0].procedure.order if steps else None
    context.emit(
        PatientCalled(
            order=str(order.public_id) if order else "",
            appointment=str(appointment.public_id),
            number=ticket.number,
            room=ticket.called_to,
        ),
        subject=appointment,
        order=order,
        patient=appointment.patient,
    )
    return ticket.number
