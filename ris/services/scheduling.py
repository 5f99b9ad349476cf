"""Hold, book, move and cancel appointments; arrivals.

Lock the resource, look, then write: the exclusion constraint (PostgreSQL) or trigger (SQLite) is
the backstop and never the first to notice (spec: reliability.md 3.4).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    SlotTakenError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import STEP, StepStatus, StepTrigger
from ris.domain.scheduling import (
    APPOINTMENT,
    AddClosure,
    AppointmentBooked,
    AppointmentCanceled,
    AppointmentMoved,
    AppointmentStatus,
    AppointmentTrigger,
    BookAppointment,
    CancelAppointment,
    ClosureAdded,
    ClosureRemoved,
    ExpireHolds,
    HoldExpired,
    HoldSlot,
    HoursSet,
    NoShowRecorded,
    PatientArrived,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RemoveClosure,
    RescheduleAppointment,
    SetResourceHours,
    SlotHeld,
    StepPrepared,
)
from ris.models import (
    Appointment,
    Booking,
    Closure,
    Device,
    Resource,
    ResourceHours,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services._locks import lock_appointment, lock_step, public_key, steps_of_appointment
from ris.services._transition import move, touch

# --- resources


def _device(key: str) -> Device:
    """A device by public id or AE title."""
    rows = Device.objects.select_related("resource", "room__resource").filter(active=True)
    try:
        device = rows.filter(public_id=uuid.UUID(key)).first()
    except ValueError:
        device = rows.filter(ae_title=key).first()
    if device is None:
        raise UnknownKeyError("no such device", path="device")
    return device


def _resources(device: Device) -> list[Resource]:
    """What a booking of this device takes: the device itself and the room it stands in."""
    resources = [device.resource]
    if device.room is not None:
        resources.append(device.room.resource)
    return resources


def _lock(resources: Sequence[Resource]) -> None:
    """Lock in order of id, so that two bookings never wait for each other."""
    ids = sorted(resource.pk for resource in resources)
    list(Resource.objects.select_for_update().filter(pk__in=ids).order_by("pk"))


def _is_taken(
    resources: Sequence[Resource],
    start_at: datetime,
    end_at: datetime,
    *,
    but: Appointment | None = None,
) -> bool:
    rows = Booking.objects.filter(
        resource__in=resources, live=True, start_at__lt=end_at, end_at__gt=start_at
    )
    if but is not None:
        rows = rows.exclude(appointment=but)
    return rows.exists()


def _is_closed(resources: Sequence[Resource], start_at: datetime, end_at: datetime) -> bool:
    return Closure.objects.filter(
        resource__in=resources, start_at__lt=end_at, end_at__gt=start_at
    ).exists()


def _take(
    appointment: Appointment,
    resources: Sequence[Resource],
    *,
    exclusive: bool,
) -> None:
    Booking.objects.bulk_create(
        [
            Booking(
                resource=resource,
                appointment=appointment,
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                exclusive=exclusive,
            )
            for resource in resources
        ]
    )


def _give_back(appointment: Appointment) -> None:
    appointment.bookings.filter(live=True).update(live=False)


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


# --- one step onto one device


def _assign(step: ScheduledProcedureStep, appointment: Appointment, device: Device | None) -> None:
    """Write the appointment's time and station onto the step, as the worklist shows them."""
    step.start_at = appointment.start_at
    step.duration_minutes = round((appointment.end_at - appointment.start_at).total_seconds() / 60)
    step.appointment = appointment
    step.device = device
    if device is not None:
        step.station_ae_title = device.ae_title
        step.station_name = device.station_name
        step.location = (device.room.name if device.room else "")[:16]


_STEP_FIELDS = (
    "start_at",
    "duration_minutes",
    "appointment",
    "device",
    "station_ae_title",
    "station_name",
    "location",
    "announced",
)


def _book(
    step: ScheduledProcedureStep,
    device: Device | None,
    start_at: datetime,
    minutes: int,
    context: Context,
    *,
    overbook: bool,
    reason: str = "",
    held: Appointment | None = None,
) -> Appointment:
    """Book ``step``: take the resources, schedule the step, say so."""
    order = step.procedure.order
    if order.status != "ACTIVE":
        raise StateConflictError(f"this order is {order.status.lower().replace('_', ' ')}")
    end_at = start_at + timedelta(minutes=minutes)
    taken = False
    if device is not None and held is None:
        resources = _resources(device)
        _lock(resources)
        taken = _is_taken(resources, start_at, end_at)
        if taken and not overbook:
            raise SlotTakenError("that time is taken", path="start_at")
        if _is_closed(resources, start_at, end_at) and not overbook:
            raise SlotTakenError("the room is closed at that time", path="start_at")
    if held is None:
        appointment = Appointment.objects.create(
            patient=order.patient,
            device=device,
            start_at=start_at,
            end_at=end_at,
            overbooked=taken,
            reason=reason,
        )
        if device is not None:
            _take(appointment, _resources(device), exclusive=not taken)
    else:
        appointment = held
    move(appointment, APPOINTMENT, AppointmentTrigger.BOOK)
    _assign(step, appointment, device)
    first = not step.announced
    step.announced = True
    move(step, STEP, StepTrigger.SCHEDULE, *_STEP_FIELDS)
    context.emit(
        AppointmentBooked(
            order=str(order.public_id),
            step=str(step.public_id),
            appointment=str(appointment.public_id),
            start_at=appointment.start_at,
            end_at=appointment.end_at,
            station=step.station_ae_title,
            overbooked=taken,
            first=first,
        ),
        subject=appointment,
        order=order,
    )
    return appointment


def schedule_as_ordered(
    step: ScheduledProcedureStep, context: Context, *, station: str = ""
) -> None:
    """Put a step where the order wants it: the placer decided, so a conflict is booked over.

    On the station that is named, else the first suitable one that is free then, else the first
    suitable one (flagged). Without any suitable device the step waits for a scheduler.
    """
    assert step.wished_at is not None  # noqa: S101 - the callers ask only for steps with a wish
    if step.status in {StepStatus.ARRIVED.value, StepStatus.READY.value}:
        raise StateConflictError("the patient is here already: the time stays", path="ORC-7")
    named = station or step.station_ae_title
    minutes = step.duration_minutes
    end_at = step.wished_at + timedelta(minutes=minutes)
    device = None
    if named:
        device = (
            Device.objects.select_related("resource", "room__resource")
            .filter(ae_title=named)
            .first()
        )
        if device is None:
            # A station we do not know: on the worklist as ordered, without a place in the calendar.
            step.station_ae_title = named
    else:
        candidates = list(
            Device.objects.select_related("resource", "room__resource")
            .filter(modality=step.modality, active=True)
            .order_by("ae_title")
        )
        if not candidates:
            return
        device = next(
            (
                candidate
                for candidate in candidates
                if not _is_taken(_resources(candidate), step.wished_at, end_at)
            ),
            candidates[0],
        )
    if step.appointment is not None and step.status == StepStatus.SCHEDULED.value:
        _move(
            step.appointment,
            device or step.device,
            step.wished_at,
            minutes,
            context,
            overbook=True,
            reason="as ordered",
        )
        return
    _book(step, device, step.wished_at, minutes, context, overbook=True, reason="as ordered")


def _move(
    appointment: Appointment,
    device: Device | None,
    start_at: datetime,
    minutes: int,
    context: Context,
    *,
    overbook: bool,
    reason: str,
) -> None:
    previous_start = appointment.start_at
    end_at = start_at + timedelta(minutes=minutes)
    taken = False
    if device is not None:
        resources = _resources(device)
        _lock(resources)
        taken = _is_taken(resources, start_at, end_at, but=appointment)
        if taken and not overbook:
            raise SlotTakenError("that time is taken", path="start_at")
        if _is_closed(resources, start_at, end_at) and not overbook:
            raise SlotTakenError("the room is closed at that time", path="start_at")
    steps = steps_of_appointment(appointment)
    previous_station = steps[0].station_ae_title if steps else ""
    _give_back(appointment)
    appointment.start_at = start_at
    appointment.end_at = end_at
    appointment.device = device
    appointment.overbooked = taken
    appointment.reason = reason
    move(
        appointment,
        APPOINTMENT,
        AppointmentTrigger.MOVE,
        "start_at",
        "end_at",
        "device",
        "overbooked",
        "reason",
    )
    if device is not None:
        _take(appointment, _resources(device), exclusive=not taken)
    for step in steps:
        _assign(step, appointment, device)
        move(step, STEP, StepTrigger.SCHEDULE, *_STEP_FIELDS)
        order = step.procedure.order
        context.emit(
            AppointmentMoved(
                order=str(order.public_id),
                step=str(step.public_id),
                appointment=str(appointment.public_id),
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                station=step.station_ae_title,
                previous_start_at=previous_start,
                previous_station=previous_station,
                overbooked=taken,
            ),
            subject=appointment,
            order=order,
        )


def release(step: ScheduledProcedureStep, reason: str, context: Context) -> None:
    """Give a step's time back because the step goes away; says so if it had been booked."""
    appointment = step.appointment
    if appointment is None:
        return
    if appointment.steps.exclude(pk=step.pk).exclude(status="CANCELED").exists():
        return  # others still need the time
    if appointment.status == AppointmentStatus.ARRIVED.value:
        move(appointment, APPOINTMENT, AppointmentTrigger.FULFILL)
    elif appointment.status in {AppointmentStatus.HELD.value, AppointmentStatus.BOOKED.value}:
        booked = appointment.status == AppointmentStatus.BOOKED.value
        appointment.reason = reason[:200]
        move(appointment, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
        if booked:
            _say_canceled(step, appointment, reason, context)
    else:
        return
    _give_back(appointment)


def _say_canceled(
    step: ScheduledProcedureStep, appointment: Appointment, reason: str, context: Context
) -> None:
    order = step.procedure.order
    context.emit(
        AppointmentCanceled(
            order=str(order.public_id),
            step=str(step.public_id),
            appointment=str(appointment.public_id),
            reason=reason,
            start_at=appointment.start_at,
            end_at=appointment.end_at,
            station=step.station_ae_title,
        ),
        subject=appointment,
        order=order,
    )


# --- commands


def hold_slot(command: HoldSlot, context: Context) -> str:
    step = lock_step(command.step)
    if step.status not in {StepStatus.PENDING.value, StepStatus.NO_SHOW.value}:
        raise StateConflictError("this step is scheduled already")
    device = _device(command.device)
    start_at = _require_aware(command.start_at)
    end_at = start_at + timedelta(minutes=_minutes(step, command.duration_minutes))
    resources = _resources(device)
    _lock(resources)
    if _is_taken(resources, start_at, end_at) or _is_closed(resources, start_at, end_at):
        raise SlotTakenError("that time is taken", path="start_at")
    appointment = Appointment.objects.create(
        patient=step.procedure.order.patient,
        device=device,
        start_at=start_at,
        end_at=end_at,
        expires_at=context.now + timedelta(minutes=command.minutes),
    )
    _take(appointment, resources, exclusive=True)
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
    if command.overbook:
        context.require(Role.SCHEDULER, Role.MANAGER, Role.SYSTEM, doing="booking over")
        if not command.reason.strip():
            raise MissingValueError("booking over needs a reason", path="reason")
    device = _device(command.device)
    if device.modality != step.modality:
        raise InvalidValueError(
            f"{device.ae_title} is {device.modality}, the step needs {step.modality}", path="device"
        )
    start_at = _require_aware(command.start_at)
    if step.appointment is not None and step.appointment.status == AppointmentStatus.HELD.value:
        move(step.appointment, APPOINTMENT, AppointmentTrigger.EXPIRE)
        _give_back(step.appointment)
    appointment = _book(
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
    _book(
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
    if command.overbook:
        context.require(Role.SCHEDULER, Role.MANAGER, Role.SYSTEM, doing="booking over")
        if not command.reason.strip():
            raise MissingValueError("booking over needs a reason", path="reason")
    steps = steps_of_appointment(appointment)
    device = _device(command.device) if command.device else appointment.device
    if device is not None and steps and device.modality != steps[0].modality:
        raise InvalidValueError(
            f"{device.ae_title} is {device.modality}, the step needs {steps[0].modality}",
            path="device",
        )
    minutes = command.duration_minutes or round(
        (appointment.end_at - appointment.start_at).total_seconds() / 60
    )
    _move(
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
    _give_back(appointment)
    for step in steps_of_appointment(appointment):
        if was_booked:
            _say_canceled(step, appointment, command.reason, context)
        step.appointment = None
        if step.status == StepStatus.SCHEDULED.value:
            step.start_at = None
            step.device = None
            step.station_ae_title = step.station_name = step.location = ""
            move(step, STEP, StepTrigger.UNSCHEDULE, *_STEP_FIELDS)
        else:
            touch(step, "appointment")


def record_arrival(command: RecordArrival, context: Context) -> None:
    appointment = lock_appointment(command.appointment)
    appointment.arrived_at = context.now
    move(appointment, APPOINTMENT, AppointmentTrigger.ARRIVE, "arrived_at")
    for step in steps_of_appointment(appointment):
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
    _give_back(appointment)
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
            ),
            subject=appointment,
            order=order,
        )


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
        _give_back(appointment)
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


def _resource(key: str) -> Resource:
    resource = Resource.objects.filter(public_id=public_key(key, "resource")).first()
    if resource is None:
        raise UnknownKeyError("no such resource", path="resource")
    return resource


def set_resource_hours(command: SetResourceHours, context: Context) -> None:
    resource = _resource(command.resource)
    ResourceHours.objects.filter(resource=resource).delete()
    for weekday, opens, closes in command.hours:
        if not 0 <= weekday <= 6 or closes <= opens:
            raise InvalidValueError("hours close after they open", path="hours")
        ResourceHours.objects.create(resource=resource, weekday=weekday, opens=opens, closes=closes)
    context.emit(HoursSet(resource=str(resource.public_id)), subject=resource)


def add_closure(command: AddClosure, context: Context) -> str:
    resource = _resource(command.resource)
    if command.end_at <= command.start_at:
        raise InvalidValueError("a closure ends after it starts", path="end_at")
    closure = Closure.objects.create(
        resource=resource,
        start_at=command.start_at,
        end_at=command.end_at,
        reason=command.reason,
    )
    context.emit(
        ClosureAdded(resource=str(resource.public_id), closure=closure.pk), subject=resource
    )
    return str(closure.pk)


def remove_closure(command: RemoveClosure, context: Context) -> None:
    closure = Closure.objects.select_related("resource").filter(pk=command.closure).first()
    if closure is None:
        raise UnknownKeyError("no such closure")
    resource = closure.resource
    closure.delete()
    context.emit(
        ClosureRemoved(resource=str(resource.public_id), closure=command.closure),
        subject=resource,
    )


HANDLERS = {
    HoldSlot: hold_slot,
    BookAppointment: book_appointment,
    RescheduleAppointment: reschedule_appointment,
    CancelAppointment: cancel_appointment,
    RecordArrival: record_arrival,
    PrepareStep: prepare_step,
    RecordNoShow: record_no_show,
    ExpireHolds: expire_holds,
    SetResourceHours: set_resource_hours,
    AddClosure: add_closure,
    RemoveClosure: remove_closure,
}

_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM}
_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    HoldSlot: _DESK,
    BookAppointment: _DESK,
    RescheduleAppointment: _DESK,
    CancelAppointment: _DESK,
    RecordArrival: _DESK | {Role.TECHNOLOGIST},
    PrepareStep: {Role.TECHNOLOGIST, Role.FRONTDESK, Role.SYSTEM},
    RecordNoShow: _DESK | {Role.TECHNOLOGIST},
    ExpireHolds: {Role.SYSTEM},
    SetResourceHours: _SETUP,
    AddClosure: _SETUP | {Role.SCHEDULER},
    RemoveClosure: _SETUP | {Role.SCHEDULER},
}
