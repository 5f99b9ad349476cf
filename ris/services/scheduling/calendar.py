"""One step onto one device: booked, moved, released."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import CharField

from ris.domain.arrivals import is_same_visit
from ris.domain.errors import (
    SlotTakenError,
    StateConflictError,
)
from ris.domain.local_time import ended
from ris.domain.long_strings import shortened
from ris.domain.orders import HERE, PERFORMED, STEP, StepStatus, StepTrigger
from ris.domain.places import Place
from ris.domain.scheduling import (
    APPOINTMENT,
    AppointmentBooked,
    AppointmentCanceled,
    AppointmentModified,
    AppointmentMoved,
    AppointmentStatus,
    AppointmentTrigger,
)
from ris.models import (
    Appointment,
    Device,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.selectors.linked import links_of
from ris.selectors.resources import zone_at
from ris.services._context import Context
from ris.services._locks import steps_of_appointment
from ris.services._transition import decide, move
from ris.services.scheduling.linked import require_kept
from ris.services.scheduling.resources import (
    give_back,
    is_closed,
    is_taken,
    lock,
    require_patient_free,
    resources_of,
    take,
)
from ris.services.scheduling.rules import Agreed
from ris.services.scheduling.tickets import withdraw_call

AS_ORDERED = "as ordered"  # why a time was booked that nobody but the order wished for

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


_BOOKED_FIELDS = (
    "patient",
    "order",
    "device",
    "start_at",
    "end_at",
    "overbooked",
    "reason",
    "comment",
)


def require_free(
    device: Device,
    start_at: datetime,
    end_at: datetime,
    *,
    overbook: bool = False,
    but: Appointment | None = None,
) -> bool:
    """Whether it is booked over on purpose; raises SlotTakenError. The device is locked then."""
    resources = resources_of(device)
    lock(resources)
    taken = is_taken(resources, start_at, end_at, but=but)
    if taken and not overbook:
        raise SlotTakenError("that time is taken", path=Place.START_AT)
    if not overbook and is_closed(resources, start_at, end_at):
        raise SlotTakenError("the room is closed at that time", path=Place.START_AT)
    return taken


def assign(step: ScheduledProcedureStep, appointment: Appointment, device: Device | None) -> None:
    """Write the appointment's time and station onto the step, as the worklist shows them."""
    step.start_at = appointment.start_at
    step.duration_minutes = round((appointment.end_at - appointment.start_at).total_seconds() / 60)
    step.appointment = appointment
    step.device = device
    if device is not None:
        step.station_ae_title = device.ae_title
        step.station_name = device.station_name
        step.location = shortened(device.room.name if device.room else "", 16)


def book(
    step: ScheduledProcedureStep,
    device: Device | None,
    start_at: datetime,
    minutes: int,
    context: Context,
    *,
    overbook: bool,
    reason: str = "",
    held: Appointment | None = None,
    agreed: Agreed | None = None,
    patient_free: bool = False,
    comment: str = "",
) -> Appointment:
    """Book ``step``: take the resources, schedule the step, say so.

    An appointment that was asked for becomes the one that is agreed. Without an agreement with the
    rules (``rules.agree``) only what is taken or closed stands in the way. ``patient_free``: the
    caller has looked at the patient's day.
    """
    order = step.procedure.order
    if order.status != "ACTIVE":
        raise StateConflictError(f"this order is {order.status.lower().replace('_', ' ')}")
    end_at = ended(start_at, minutes)
    taken = False
    if agreed is not None:
        taken = agreed.overbooked
    elif device is not None and held is None:
        taken = require_free(device, start_at, end_at, overbook=overbook)
    if not overbook and not patient_free:
        require_patient_free(order.patient_id, start_at, end_at, but=held)
    proposed = step.appointment
    if proposed is not None and proposed.status != AppointmentStatus.PROPOSED.value:
        proposed = None
    if held is not None:
        appointment = held
        if proposed is not None:
            proposed.reason = "booked at a time that was held"
            move(proposed, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
    else:
        appointment = proposed or Appointment()
        appointment.device = device
        appointment.start_at = start_at
        appointment.end_at = end_at
        appointment.overbooked = taken
        appointment.reason = reason
    appointment.patient = order.patient
    appointment.order = order
    appointment.comment = (comment or appointment.comment)[:500]
    move(appointment, APPOINTMENT, AppointmentTrigger.BOOK, *_BOOKED_FIELDS)
    _take(appointment, device if held is None else None, agreed, exclusive=not taken)
    assign(step, appointment, device)
    first = not step.announced
    step.announced = True
    if step._state.adding:
        decide(step, STEP, StepTrigger.SCHEDULE)
    else:
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


def move_appointment(
    appointment: Appointment,
    device: Device | None,
    start_at: datetime,
    minutes: int,
    context: Context,
    *,
    overbook: bool,
    reason: str,
    agreed: Agreed | None = None,
    patient_free: bool = False,
    linked: bool = True,
) -> None:
    """Move it, with its steps. ``patient_free`` and ``linked=False``: the caller has looked at, or
    will look at, the patient's day, and the time to the exams that it is tied to."""
    steps = steps_of_appointment(appointment)
    require_movable(appointment, steps, device, start_at)
    previous_start, previous_device = appointment.start_at, appointment.device
    end_at = ended(start_at, minutes)
    taken = False
    if agreed is not None:
        taken = agreed.overbooked
    elif device is not None:
        taken = require_free(device, start_at, end_at, overbook=overbook, but=appointment)
    if not overbook and not patient_free and appointment.patient_id is not None:
        require_patient_free(appointment.patient_id, start_at, end_at, but=appointment)
    if linked and not overbook and (start_at, end_at) != (appointment.start_at, appointment.end_at):
        require_kept(links_of([appointment]), {appointment.pk: (start_at, end_at)})
    previous_station = steps[0].station_ae_title if steps else ""
    give_back(appointment)
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
    _take(appointment, device, agreed, exclusive=not taken)
    arrived = appointment.status == AppointmentStatus.ARRIVED.value
    if arrived and device != previous_device:
        withdraw_call(appointment)
    for step in steps:
        if step.status == StepStatus.CANCELED.value:
            continue
        assign(step, appointment, device)
        move(step, STEP, StepTrigger.MOVE, *_STEP_FIELDS)
        if (start_at, device) == (previous_start, previous_device):
            say_modified(step, appointment, context)
            continue
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
                arrived=arrived,
            ),
            subject=appointment,
            order=order,
        )


def require_movable(
    appointment: Appointment,
    steps: Iterable[ScheduledProcedureStep],
    device: Device | None,
    start_at: datetime,
) -> None:
    """Raises StateConflictError for an exam that has begun, and for who is here and would wait
    until another day."""
    if any(StepStatus(step.status) in PERFORMED for step in steps):
        raise StateConflictError("the exam has begun: it stays in its room")
    if appointment.status != AppointmentStatus.ARRIVED.value:
        return
    zone = zone_at(device or appointment.device)
    if not is_same_visit(appointment.start_at, appointment.arrived_at, start_at, zone):
        raise StateConflictError(
            "the patient is here: for another day, take the arrival back first",
            path=Place.START_AT,
        )


def _take(
    appointment: Appointment, device: Device | None, agreed: Agreed | None, *, exclusive: bool
) -> None:
    if agreed is not None:
        take(
            appointment,
            agreed.resources,
            exclusive=exclusive,
            before=agreed.before,
            after=agreed.after,
        )
    elif device is not None:
        take(appointment, resources_of(device), exclusive=exclusive)


_NAMED = Select(
    lambda: Device.objects.select_related("resource", "room__resource", "room__site").filter(
        ae_title=Given("ae_title", CharField())
    )
)
_SUITABLE = Select(
    lambda: (
        Device.objects.select_related("resource", "room__resource", "room__site")
        .filter(modality=Given("modality", CharField()), active=True)
        .order_by("ae_title")
    )
)


def schedule_as_ordered(
    step: ScheduledProcedureStep, context: Context, *, station: str = ""
) -> None:
    """Put a step where the order wants it: the placer decided, so a conflict is booked over.

    On the station that is named, else the first suitable one that is free then, else the first
    suitable one (flagged). Without any suitable device the step waits for a scheduler.
    """
    assert step.wished_at is not None  # noqa: S101 - the callers ask only for steps with a wish
    if StepStatus(step.status) in HERE:
        raise StateConflictError("the patient is here already: the time stays", path=Place.START_AT)
    named = station or step.station_ae_title
    minutes = step.duration_minutes
    end_at = ended(step.wished_at, minutes)
    device = None
    if named:
        device = _NAMED.first(ae_title=named)
        if device is None:
            # A station we do not know: on the worklist as ordered, without a place in the calendar.
            step.station_ae_title = named
    else:
        candidates = _SUITABLE.all(modality=step.modality)
        if not candidates:
            return
        device = next(
            (
                candidate
                for candidate in candidates
                if not is_taken(resources_of(candidate), step.wished_at, end_at)
            ),
            candidates[0],
        )
    if step.appointment is not None and step.status == StepStatus.SCHEDULED.value:
        move_appointment(
            step.appointment,
            device or step.device,
            step.wished_at,
            minutes,
            context,
            overbook=True,
            reason=AS_ORDERED,
        )
        return
    book(step, device, step.wished_at, minutes, context, overbook=True, reason=AS_ORDERED)


def has_place_for(step: ScheduledProcedureStep, station: str = "") -> bool:
    """Whether the station that is named, or else any device, can do what the step is now."""
    if station:
        return _NAMED.first(ae_title=station) is not None
    return bool(_SUITABLE.all(modality=step.modality))


def give_time_back(step: ScheduledProcedureStep, reason: str, context: Context) -> None:
    """Take a booked step from its time, and have it wait for another one."""
    release(step, reason, context)
    step.appointment = step.start_at = step.device = None
    step.station_ae_title = step.station_name = step.location = ""
    move(step, STEP, StepTrigger.UNSCHEDULE, *_STEP_FIELDS)


_STILL_TO_COME = frozenset(
    {
        AppointmentStatus.PROPOSED.value,
        AppointmentStatus.HELD.value,
        AppointmentStatus.BOOKED.value,
    }
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
    elif appointment.status in _STILL_TO_COME:
        booked = appointment.status == AppointmentStatus.BOOKED.value
        appointment.reason = reason[:200]
        move(appointment, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
        if booked:
            say_canceled(step, appointment, reason, context)
    else:
        return
    give_back(appointment)


def let_go(appointment: Appointment, reason: str) -> None:
    """Give up what was only held or asked for; what is booked stays."""
    if appointment.status in {AppointmentStatus.PROPOSED.value, AppointmentStatus.HELD.value}:
        appointment.reason = reason
        move(appointment, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
        give_back(appointment)


def say_modified(step: ScheduledProcedureStep, appointment: Appointment, context: Context) -> None:
    """Time and station stay: a change that is no move (SIU^S14, HL7 v2.5.1 10.4.3)."""
    order = step.procedure.order
    context.emit(
        AppointmentModified(
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


def say_canceled(
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
