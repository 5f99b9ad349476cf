"""Take back what was noted of a patient's coming."""

from __future__ import annotations

from ris.domain.errors import RisError, SlotTakenError, StateConflictError
from ris.domain.orders import STEP, OrderStatus, StepStatus, StepTrigger
from ris.domain.scheduling import (
    APPOINTMENT,
    AppointmentBooked,
    AppointmentStatus,
    AppointmentTrigger,
)
from ris.domain.undoing import ArrivalUndone, NoShowUndone, UndoArrival, UndoNoShow
from ris.models import Appointment
from ris.services._context import Context
from ris.services._locks import lock_appointment, steps_of_appointment
from ris.services._transition import move
from ris.services.scheduling.resources import require_patient_free, take
from ris.services.scheduling.rules import agree_again


def _locked(key: str, version: int | None) -> Appointment:
    appointment = lock_appointment(key)
    if version is not None and version != appointment.version:
        raise StateConflictError("somebody else changed this appointment meanwhile")
    return appointment


def undo_arrival(command: UndoArrival, context: Context) -> None:
    appointment = _locked(command.appointment, command.expected_version)
    steps = steps_of_appointment(appointment)
    if any(step.status == StepStatus.READY.value for step in steps):
        raise StateConflictError("the patient is prepared in the room: the room has to send back")
    if any(step.status not in {"ARRIVED", "CANCELED"} for step in steps):
        raise StateConflictError("the exam was begun: the arrival stands")
    appointment.arrived_at = None
    move(appointment, APPOINTMENT, AppointmentTrigger.RETRACT, "arrived_at")
    for step in steps:
        if step.status != StepStatus.ARRIVED.value:
            continue
        move(step, STEP, StepTrigger.RETRACT)
        order = step.procedure.order
        context.emit(
            ArrivalUndone(
                order=str(order.public_id),
                step=str(step.public_id),
                appointment=str(appointment.public_id),
            ),
            subject=appointment,
            order=order,
        )


def undo_no_show(command: UndoNoShow, context: Context) -> None:
    appointment = _locked(command.appointment, command.expected_version)
    steps = [
        step
        for step in steps_of_appointment(appointment)
        if step.status == StepStatus.NO_SHOW.value
    ]
    if appointment.status != AppointmentStatus.NO_SHOW.value or not steps:
        raise StateConflictError("this appointment is not one that was missed")
    for step in steps:
        if step.procedure.order.status != OrderStatus.ACTIVE.value:
            raise StateConflictError("the order was ended or put on hold meanwhile")
    device, span = appointment.device, (appointment.start_at, appointment.end_at)
    agreed = None
    if device is not None:
        try:
            agreed = agree_again(steps[0], appointment, device, context)
        except RisError as error:
            raise SlotTakenError(f"{error.message}: book the exam anew", path=error.path) from error
    if appointment.patient_id is not None and not appointment.overbooked:
        require_patient_free(appointment.patient_id, *span, but=appointment)
    move(appointment, APPOINTMENT, AppointmentTrigger.RETRACT)
    if agreed is not None:
        take(
            appointment,
            agreed.resources,
            exclusive=not appointment.overbooked,
            before=agreed.before,
            after=agreed.after,
        )
    for step in steps:
        move(step, STEP, StepTrigger.SCHEDULE)
        order = step.procedure.order
        named = str(order.public_id), str(step.public_id), str(appointment.public_id)
        context.emit(
            NoShowUndone(order=named[0], step=named[1], appointment=named[2]),
            subject=appointment,
            order=order,
        )
        # Peers were told that the step is gone: it is booked anew for them.
        context.emit(
            AppointmentBooked(
                order=named[0],
                step=named[1],
                appointment=named[2],
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                station=step.station_ae_title,
                overbooked=appointment.overbooked,
                first=True,
            ),
            subject=appointment,
            order=order,
        )
