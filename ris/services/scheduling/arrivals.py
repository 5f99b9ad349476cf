"""Who came, who is ready, who stayed away."""

from __future__ import annotations

from ris.domain.orders import STEP, StepStatus, StepTrigger
from ris.domain.scheduling import (
    APPOINTMENT,
    AppointmentTrigger,
    NoShowRecorded,
    PatientArrived,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    StepPrepared,
)
from ris.services._context import Context
from ris.services._locks import lock_appointment, lock_step, steps_of_appointment
from ris.services._transition import move
from ris.services.scheduling.identity import check_identity
from ris.services.scheduling.resources import give_back
from ris.services.scheduling.tickets import give_ticket


def record_arrival(command: RecordArrival, context: Context) -> None:
    appointment = lock_appointment(command.appointment)
    steps = steps_of_appointment(appointment)
    check_identity(
        appointment,
        steps[0].procedure.order if steps else None,
        command.identifiers_checked,
        command.unchecked_reason,
        context,
    )
    appointment.arrived_at = context.now
    move(appointment, APPOINTMENT, AppointmentTrigger.ARRIVE, "arrived_at")
    give_ticket(appointment, context)
    for step in steps:
        if step.status != StepStatus.SCHEDULED.value:
            continue
        move(step, STEP, StepTrigger.ARRIVE)
        order = step.procedure.order
        context.emit(
            PatientArrived(
                order=str(order.public_id),
                step=str(step.public_id),
                appointment=str(appointment.public_id),
            ),
            subject=appointment,
            order=order,
        )


def prepare_step(command: PrepareStep, context: Context) -> None:
    step = lock_step(command.step)
    move(step, STEP, StepTrigger.PREPARE)
    order = step.procedure.order
    context.emit(
        StepPrepared(order=str(order.public_id), step=str(step.public_id)),
        subject=step,
        order=order,
    )


def record_no_show(command: RecordNoShow, context: Context) -> None:
    appointment = lock_appointment(command.appointment)
    move(appointment, APPOINTMENT, AppointmentTrigger.MISS)
    give_back(appointment)
    for step in steps_of_appointment(appointment):
        if step.status != StepStatus.SCHEDULED.value:
            continue
        move(step, STEP, StepTrigger.NO_SHOW)
        order = step.procedure.order
        context.emit(
            NoShowRecorded(
                order=str(order.public_id),
                step=str(step.public_id),
                appointment=str(appointment.public_id),
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                station=step.station_ae_title,
                reason=command.reason.strip()[:200],
            ),
            subject=appointment,
            order=order,
        )
