"""Hold, book, move and cancel appointments."""

from __future__ import annotations

from datetime import datetime, timedelta

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    SlotTakenError,
    StateConflictError,
)
from ris.domain.orders import STEP, StepStatus, StepTrigger
from ris.domain.scheduling import (
    APPOINTMENT,
    AppointmentStatus,
    AppointmentTrigger,
    BookAppointment,
    CancelAppointment,
    ExpireHolds,
    HoldExpired,
    HoldSlot,
    RescheduleAppointment,
    SlotHeld,
)
from ris.models import (
    Appointment,
    Device,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services._locks import lock_appointment, lock_step, steps_of_appointment
from ris.services._transition import move, touch
from ris.services.scheduling.calendar import _STEP_FIELDS, book, move_appointment, say_canceled
from ris.services.scheduling.resources import (
    find_device,
    give_back,
    is_closed,
    is_taken,
    lock,
    resources_of,
    take,
)


def _minutes(step: ScheduledProcedureStep, said: int | None) -> int:
    minutes = said or step.duration_minutes
    if not 1 <= minutes <= 24 * 60:
        raise InvalidValueError("a duration is 1 minute to 24 hours", path="duration_minutes")
    return minutes


def _require_aware(start_at: datetime | None) -> datetime:
    if start_at is None:
        raise MissingValueError("a time is required", path="start_at")
    if start_at.tzinfo is None:
        raise InvalidValueError("a time needs a zone", path="start_at")
    return start_at


def _check_overbooking(command: BookAppointment | RescheduleAppointment, context: Context) -> None:
    """Booking over on purpose is for few, and never without a reason."""
    if not command.overbook:
        return
    context.require(Role.SCHEDULER, Role.MANAGER, Role.SYSTEM, doing="booking over")
    if not command.reason.strip():
        raise MissingValueError("booking over needs a reason", path="reason")


def _check_modality(device: Device, step: ScheduledProcedureStep) -> None:
    if device.modality != step.modality:
        raise InvalidValueError(
            f"{device.ae_title} is {device.modality}, the step needs {step.modality}",
            path="device",
        )


def hold_slot(command: HoldSlot, context: Context) -> str:
    step = lock_step(command.step)
    if step.status not in {StepStatus.PENDING.value, StepStatus.NO_SHOW.value}:
        raise StateConflictError("this step is scheduled already")
    device = find_device(command.device)
    start_at = _require_aware(command.start_at)
    end_at = start_at + timedelta(minutes=_minutes(step, command.duration_minutes))
    resources = resources_of(device)
    lock(resources)
    if is_taken(resources, start_at, end_at) or is_closed(resources, start_at, end_at):
        raise SlotTakenError("that time is taken", path="start_at")
    appointment = Appointment.objects.create(
        patient=step.procedure.order.patient,
        device=device,
        start_at=start_at,
        end_at=end_at,
        expires_at=context.now + timedelta(minutes=command.minutes),
    )
    take(appointment, resources, exclusive=True)
    step.appointment = appointment
    touch(step, "appointment")
    order = step.procedure.order
    context.emit(
        SlotHeld(
            order=str(order.public_id),
            step=str(step.public_id),
            appointment=str(appointment.public_id),
        ),
        subject=appointment,
        order=order,
    )
    return str(appointment.public_id)


def book_appointment(command: BookAppointment, context: Context) -> str:
    if command.appointment:
        return _book_held(command, context)
    step = lock_step(command.step)
    if command.expected_version is not None and command.expected_version != step.version:
        raise StateConflictError("somebody else changed this step meanwhile: reload")
    if step.status == StepStatus.SCHEDULED.value:
        raise StateConflictError("this step is booked already: move it instead")
    if not step.modality:
        raise MissingValueError("this step lacks its modality", path="modality")
    _check_overbooking(command, context)
    device = find_device(command.device)
    _check_modality(device, step)
    start_at = _require_aware(command.start_at)
    if step.appointment is not None and step.appointment.status == AppointmentStatus.HELD.value:
        move(step.appointment, APPOINTMENT, AppointmentTrigger.EXPIRE)
        give_back(step.appointment)
    appointment = book(
        step,
        device,
        start_at,
        _minutes(step, command.duration_minutes),
        context,
        overbook=command.overbook,
        reason=command.reason,
    )
    return str(appointment.public_id)


def _book_held(command: BookAppointment, context: Context) -> str:
    appointment = lock_appointment(command.appointment)
    if appointment.status != AppointmentStatus.HELD.value:
        raise StateConflictError("this hold is over")
    steps = steps_of_appointment(appointment)
    if not steps:
        raise StateConflictError("this hold is over")
    book(
        steps[0],
        appointment.device,
        appointment.start_at,
        round((appointment.end_at - appointment.start_at).total_seconds() / 60),
        context,
        overbook=False,
        held=appointment,
    )
    return str(appointment.public_id)


def reschedule_appointment(command: RescheduleAppointment, context: Context) -> str:
    appointment = lock_appointment(command.appointment)
    if command.expected_version is not None and command.expected_version != appointment.version:
        raise StateConflictError("somebody else moved this appointment meanwhile: reload")
    _check_overbooking(command, context)
    steps = steps_of_appointment(appointment)
    device = find_device(command.device) if command.device else appointment.device
    if device is not None and steps:
        _check_modality(device, steps[0])
    minutes = command.duration_minutes or round(
        (appointment.end_at - appointment.start_at).total_seconds() / 60
    )
    move_appointment(
        appointment,
        device,
        _require_aware(command.start_at),
        minutes,
        context,
        overbook=command.overbook,
        reason=command.reason,
    )
    return str(appointment.public_id)


def cancel_appointment(command: CancelAppointment, context: Context) -> None:
    appointment = lock_appointment(command.appointment)
    was_booked = appointment.status == AppointmentStatus.BOOKED.value
    appointment.reason = command.reason[:200]
    move(appointment, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
    give_back(appointment)
    for step in steps_of_appointment(appointment):
        if was_booked:
            say_canceled(step, appointment, command.reason, context)
        step.appointment = None
        if step.status == StepStatus.SCHEDULED.value:
            step.start_at = None
            step.device = None
            step.station_ae_title = step.station_name = step.location = ""
            move(step, STEP, StepTrigger.UNSCHEDULE, *_STEP_FIELDS)
        else:
            touch(step, "appointment")


def expire_holds(command: ExpireHolds, context: Context) -> int:
    due = Appointment.objects.filter(
        status=AppointmentStatus.HELD.value, expires_at__lte=context.now
    ).values_list("public_id", flat=True)[:500]
    expired = 0
    for public_id in list(due):
        appointment = lock_appointment(str(public_id))
        if appointment.status != AppointmentStatus.HELD.value:
            continue
        move(appointment, APPOINTMENT, AppointmentTrigger.EXPIRE)
        give_back(appointment)
        expired += 1
        for step in steps_of_appointment(appointment):
            step.appointment = None
            touch(step, "appointment")
            order = step.procedure.order
            context.emit(
                HoldExpired(
                    order=str(order.public_id),
                    step=str(step.public_id),
                    appointment=str(appointment.public_id),
                ),
                subject=appointment,
                order=order,
            )
    return expired
