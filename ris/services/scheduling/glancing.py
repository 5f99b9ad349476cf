"""A glance before the door: a time that is plainly taken is refused before anything is locked.

Where many want the same times most attempts fail, and each would wait in line only to be told what
everybody can see. What a glance lets through is looked at once more under lock, by all the rules
(``rules.agree``); what it cannot judge it lets through, and so it does where the room is closed or
kept for others as well: who is to decide about booking over is told of everything.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import (
    BigIntegerField,
    DateField,
    DateTimeField,
    Exists,
    IntegerField,
    OuterRef,
    UUIDField,
)

from ris.domain.errors import RisError, UnknownKeyError
from ris.domain.exam_sets import BookTogether
from ris.domain.local_time import ended
from ris.domain.openings import Against, Refusal
from ris.domain.orders import StepStatus
from ris.domain.scheduling import (
    AppointmentStatus,
    BookAppointment,
    HoldSlot,
    RescheduleAppointment,
)
from ris.models import (
    Appointment,
    Block,
    Closure,
    Device,
    Holiday,
    Resource,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.selectors.openings import exam_of
from ris.selectors.resources import zone_at
from ris.selectors.taken import minute_up
from ris.services._locks import public_key
from ris.services.scheduling.resources import find_device, in_the_way, resources_of
from ris.services.scheduling.rules import refused

_TO_BE_BOOKED = frozenset({StepStatus.PENDING.value, StepStatus.NO_SHOW.value})
_LOOKED_AT = (
    "procedure__definition",
    "procedure__order",
    "appointment__device__resource",
    "appointment__device__room__resource",
)
_STEP = Select(
    lambda: ScheduledProcedureStep.objects.select_related(*_LOOKED_AT).filter(
        public_id=Given("key", UUIDField())
    )
)
_MOVED = Select(
    lambda: (
        ScheduledProcedureStep.objects.select_related(*_LOOKED_AT)
        .filter(appointment__public_id=Given("key", UUIDField()))
        .order_by("pk")[:1]
    )
)
# Whether anything but a booking may stand against a time: closed, down, a holiday, kept for some.
_START, _END = Given("start", DateTimeField()), Given("end", DateTimeField())
_OF_IT = {"resource": OuterRef("pk")}
_MORE = Select(
    lambda: (
        Resource.objects.only("pk")
        .filter(pk__in=[Given("one", BigIntegerField()), Given("other", BigIntegerField())])
        .filter(
            Exists(Closure.objects.filter(start_at__lt=_END, end_at__gt=_START, **_OF_IT))
            | Exists(Block.objects.filter(weekday=Given("weekday", IntegerField()), **_OF_IT))
            | Exists(Block.objects.filter(start_at__lt=_END, end_at__gt=_START, **_OF_IT))
            | Exists(Holiday.objects.filter(date=Given("day", DateField())))
        )[:1]
    )
)


def glance_at_hold(command: HoldSlot) -> None:
    if command.step:
        _require_plainly_free(
            command.step, command.device, command.start_at, command.duration_minutes
        )


def glance_at_booking(command: BookAppointment) -> None:
    if not command.appointment and not command.overbook:
        _require_plainly_free(
            command.step,
            command.device,
            command.start_at,
            command.duration_minutes,
            version=command.expected_version,
        )


def glance_at_set(command: BookTogether) -> None:
    if command.overbook:
        return
    for index, item in enumerate(command.items):
        try:
            _require_plainly_free(
                item.step, item.device, item.start_at, item.duration_minutes, alone=False
            )
        except RisError as error:
            error.details["item"] = index
            raise


def glance_at_move(command: RescheduleAppointment) -> None:
    step = _MOVED.first(key=public_key(command.appointment, "appointment"))
    present = step.appointment if step is not None else None
    if command.overbook or step is None or present is None:
        return
    if present.status != AppointmentStatus.BOOKED.value:
        return
    if command.expected_version not in {None, present.version}:
        return
    device = _device(command.device) if command.device else present.device
    if device is None:
        return
    minutes = command.duration_minutes
    if minutes is None and device.pk == present.device_id:
        minutes = round((present.end_at - present.start_at).total_seconds() / 60)
    _look(step, device, command.start_at, minutes, present)


def _require_plainly_free(
    key: str,
    device_key: str,
    start_at: datetime | None,
    minutes: int | None,
    *,
    version: int | None = None,
    alone: bool = True,
) -> None:
    """``alone`` is False in a set: what one exam has now may be what another of them gets."""
    step = _STEP.first(key=public_key(key, "step"))
    if step is None or start_at is None or step.status not in _TO_BE_BOOKED:
        return
    if version not in {None, step.version} or (step.appointment_id is not None and not alone):
        return
    device = _device(device_key)
    if device is not None:
        _look(step, device, start_at, minutes, step.appointment)


def _device(key: str) -> Device | None:
    try:
        return find_device(key)
    except UnknownKeyError:
        return None


def _look(
    step: ScheduledProcedureStep,
    device: Device,
    start_at: datetime,
    said: int | None,
    but: Appointment | None,
) -> None:
    exam = exam_of(step, said)
    length = exam.minutes_on(device)
    if start_at.tzinfo is None or exam.refusal(device) is not None or not 1 <= length <= 24 * 60:
        return
    end_at = ended(start_at, length)
    places = resources_of(device)
    booking = in_the_way(places, start_at, end_at, but=but)
    if booking is None or _more_is_said(device, start_at, end_at):
        return
    until = minute_up(booking.end_at)
    raise refused([Refusal(Against.TAKEN, until=until, owner=booking.appointment_id)])


def _more_is_said(device: Device, start_at: datetime, end_at: datetime) -> bool:
    places = resources_of(device)
    day = start_at.astimezone(zone_at(device)).date()
    return bool(
        _MORE.first(
            one=places[0].pk,
            other=places[-1].pk,
            start=start_at,
            end=end_at,
            day=day,
            weekday=day.weekday(),
        )
    )
