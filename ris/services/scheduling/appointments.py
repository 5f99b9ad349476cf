"""Hold, book, move and cancel appointments."""

from __future__ import annotations

from datetime import datetime, timedelta

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.local_time import ended
from ris.domain.orders import STEP, StepStatus, StepTrigger
from ris.domain.places import Place
from ris.domain.safety import Gate
from ris.domain.scheduling import (
    APPOINTMENT,
    AppointmentProposed,
    AppointmentStatus,
    AppointmentTrigger,
    BookAppointment,
    CancelAppointment,
    ExpireHolds,
    HoldExpired,
    HoldSlot,
    ProposeAppointment,
    RescheduleAppointment,
    SlotHeld,
)
from ris.models import (
    Appointment,
    Device,
    ScheduledProcedureStep,
)
from ris.selectors.openings import Exam, exam_of
from ris.services._context import Context
from ris.services._locks import (
    lock_appointment,
    lock_appointments,
    lock_step,
    steps_of_appointment,
)
from ris.services._transition import move, touch
from ris.services.safety import require_answered
from ris.services.scheduling.calendar import (
    _STEP_FIELDS,
    book,
    move_appointment,
    require_movable,
    say_canceled,
)
from ris.services.scheduling.offers import expire_offers, serve
from ris.services.scheduling.resources import (
    find_device,
    give_back,
    require_patient_free,
    take,
)
from ris.services.scheduling.rules import Agreed, agree, agree_unnamed


def _exam(step: ScheduledProcedureStep | None, device: Device, said: int | None) -> Exam:
    """What a time is asked for."""
    minutes = _minutes(step, said)
    if step is None:
        return Exam(modality=device.modality, minutes=minutes, fixed=True)
    return exam_of(step, minutes if said else None)


def _minutes(step: ScheduledProcedureStep | None, said: int | None) -> int:
    minutes = said or (step.duration_minutes if step else 0)
    if not 1 <= minutes <= 24 * 60:
        raise InvalidValueError("a duration is 1 minute to 24 hours", path=Place.DURATION)
    return minutes


def _require_aware(start_at: datetime | None) -> datetime:
    if start_at is None:
        raise MissingValueError("a time is required", path=Place.START_AT)
    if start_at.tzinfo is None:
        raise InvalidValueError("a time needs a zone", path=Place.START_AT)
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
            path=Place.DEVICE,
        )


def propose_appointment(command: ProposeAppointment, context: Context) -> str:
    step = lock_step(command.step)
    _require_bookable(step)
    present = step.appointment
    if present is not None and present.status in _ASKED:
        raise StateConflictError("an appointment for this exam is asked for already")
    if command.start_at is not None:
        step.wished_at = _require_aware(command.start_at)
    start_at = step.wished_at or context.now
    order = step.procedure.order
    appointment = Appointment(
        patient=order.patient,
        order=order,
        start_at=start_at,
        end_at=ended(start_at, _minutes(step, None)),
        status=AppointmentStatus.PROPOSED.value,
        comment=command.comment[:500],
    )
    appointment.save()
    step.appointment = appointment
    touch(step, "appointment", "wished_at")
    context.emit(
        AppointmentProposed(
            order=str(order.public_id),
            step=str(step.public_id),
            appointment=str(appointment.public_id),
            start_at=step.wished_at,
        ),
        subject=appointment,
        order=order,
    )
    return str(appointment.public_id)


_ASKED = frozenset({AppointmentStatus.PROPOSED.value, AppointmentStatus.HELD.value})


def _require_bookable(step: ScheduledProcedureStep) -> None:
    if step.status not in {StepStatus.PENDING.value, StepStatus.NO_SHOW.value}:
        raise StateConflictError("this step is scheduled already")


def hold_slot(command: HoldSlot, context: Context) -> str:
    step = lock_step(command.step) if command.step else None
    if step is not None:
        _require_bookable(step)
    device = find_device(command.device)
    start_at = _require_aware(command.start_at)
    exam = _exam(step, device, command.duration_minutes)
    end_at = ended(start_at, exam.minutes_on(device))
    if step is not None:
        _check_modality(device, step)
        _leave(step, context)
    agreeing = agree if step is not None else agree_unnamed
    agreed = agreeing(exam, device, start_at, context, open_only=command.open_only)
    if step is not None:
        require_patient_free(step.procedure.order.patient_id, start_at, end_at)
    appointment = Appointment.objects.create(
        patient=step.procedure.order.patient if step else None,
        order=step.procedure.order if step else None,
        device=device,
        start_at=start_at,
        end_at=end_at,
        held_by=context.actor.name[:200],
        expires_at=context.now + timedelta(minutes=command.minutes),
    )
    take(
        appointment,
        agreed.resources,
        exclusive=True,
        before=agreed.before,
        after=agreed.after,
    )
    if step is not None:
        step.appointment = appointment
        touch(step, "appointment")
    order = step.procedure.order if step else None
    context.emit(
        SlotHeld(
            order=str(order.public_id) if order else "",
            step=str(step.public_id) if step else "",
            appointment=str(appointment.public_id),
        ),
        subject=appointment,
        order=order,
    )
    return str(appointment.public_id)


def _leave(step: ScheduledProcedureStep, context: Context) -> None:
    """Let go of what was only held or asked for; a time that another system holds stays."""
    present = step.appointment
    if present is None:
        return
    if present.status == AppointmentStatus.HELD.value:
        _require_holder(present, context)
        move(present, APPOINTMENT, AppointmentTrigger.EXPIRE)
        give_back(present)
    elif present.status == AppointmentStatus.PROPOSED.value:
        present.reason = "another time was held"
        move(present, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")


def _require_holder(appointment: Appointment, context: Context) -> None:
    """What one system holds, another cannot book; people at the desk may."""
    if appointment.held_by and context.is_machine and appointment.held_by != context.actor.name:
        raise StateConflictError("this time is held by somebody else")


def book_appointment(
    command: BookAppointment, context: Context, *, patient_free: bool = False
) -> str:
    if command.appointment:
        return _book_held(command, context)
    step = lock_step(command.step)
    if command.expected_version is not None and command.expected_version != step.version:
        raise StateConflictError("somebody else changed this step meanwhile: reload")
    if step.status == StepStatus.SCHEDULED.value:
        raise StateConflictError("this step is booked already: move it instead")
    if not step.modality:
        raise MissingValueError("this step lacks its modality", path=Place.MODALITY)
    _check_overbooking(command, context)
    require_answered(step, Gate.BOOKING)
    device = find_device(command.device)
    _check_modality(device, step)
    start_at = _require_aware(command.start_at)
    if step.appointment is not None and step.appointment.status == AppointmentStatus.HELD.value:
        _leave(step, context)
    exam = _exam(step, device, command.duration_minutes)
    agreed = agree(
        exam, device, start_at, context, overbook=command.overbook, open_only=command.open_only
    )
    appointment = book(
        step,
        device,
        start_at,
        exam.minutes_on(device),
        context,
        overbook=command.overbook,
        reason=command.reason,
        agreed=agreed,
        patient_free=patient_free,
        comment=command.comment,
    )
    serve(step, context)
    return str(appointment.public_id)


def _book_held(command: BookAppointment, context: Context) -> str:
    # The order is locked before the appointment, whichever of them names the other.
    step = lock_step(command.step) if command.step else None
    appointment = lock_appointment(command.appointment)
    if appointment.status != AppointmentStatus.HELD.value or _is_over(appointment, context):
        raise StateConflictError("this hold is over")
    _require_holder(appointment, context)
    steps = steps_of_appointment(appointment)
    if step is None:
        if not steps and appointment.order_id is None:
            raise MissingValueError("what the held time is for is required", path="step")
        if not steps:
            raise StateConflictError("this hold is over")
        step = steps[0]
    elif steps and steps[0].pk != step.pk:
        raise StateConflictError("this time is held for another exam")
    agreed = None
    if not steps:
        _require_bookable(step)
        if appointment.device is not None:
            _check_modality(appointment.device, step)
        _leave(step, context)
        agreed = _agree_named(appointment, step, context)
    require_answered(step, Gate.BOOKING)
    book(
        step,
        appointment.device,
        appointment.start_at,
        round((appointment.end_at - appointment.start_at).total_seconds() / 60),
        context,
        overbook=False,
        held=appointment,
        agreed=agreed,
        comment=command.comment,
    )
    serve(step, context)
    return str(appointment.public_id)


def _agree_named(
    appointment: Appointment, step: ScheduledProcedureStep, context: Context
) -> Agreed | None:
    """Now that it is said what a held time is for, the rules of the exam are asked."""
    if appointment.device is None:
        return None
    minutes = round((appointment.end_at - appointment.start_at).total_seconds() / 60)
    exam = exam_of(step, minutes)
    agreed = agree(exam, appointment.device, appointment.start_at, context, but=appointment)
    give_back(appointment)
    return agreed


def _is_over(appointment: Appointment, context: Context) -> bool:
    """Whether a hold has run out that the clock has not come to yet."""
    return appointment.expires_at is not None and appointment.expires_at <= context.now


def reschedule_appointment(
    command: RescheduleAppointment, context: Context, *, patient_free: bool = False
) -> str:
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
    start_at = _require_aware(command.start_at)
    require_movable(appointment, steps, device, start_at)
    agreed = None
    if device is not None and steps:
        changed = device.pk != appointment.device_id and command.duration_minutes is None
        exam = exam_of(steps[0], None if changed else minutes)
        minutes = exam.minutes_on(device)
        agreed = agree(
            exam,
            device,
            start_at,
            context,
            overbook=command.overbook,
            open_only=command.open_only,
            but=appointment,
        )
    move_appointment(
        appointment,
        device,
        start_at,
        minutes,
        context,
        overbook=command.overbook,
        reason=command.reason,
        agreed=agreed,
        patient_free=patient_free,
        linked=not patient_free,
    )
    return str(appointment.public_id)


def cancel_appointment(command: CancelAppointment, context: Context) -> None:
    appointment = lock_appointment(command.appointment)
    if appointment.status == AppointmentStatus.HELD.value:
        _require_holder(appointment, context)
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
    expired: list[Appointment] = []
    for appointment in lock_appointments(map(str, due)).values():
        if appointment.status != AppointmentStatus.HELD.value:
            continue
        move(appointment, APPOINTMENT, AppointmentTrigger.EXPIRE)
        give_back(appointment)
        expired.append(appointment)
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
    if expired:
        expire_offers(expired, context)
    return len(expired)
