"""The calendar as slots: what is free, held, taken and closed; computed, never stored.

The same hours, closures, bookings and start times that the pages offer (docs/adr/0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain

from django.db.models import Q
from django.utils import timezone

from ris.domain.openings import Against, Wanted
from ris.domain.scheduling import AppointmentStatus, SlotState
from ris.domain.values import Code
from ris.models import (
    Appointment,
    Device,
    Patient,
    ProcedureDefinition,
    ScheduledProcedureStep,
)
from ris.selectors.calendar import Calendar, Span
from ris.selectors.linked import Ties
from ris.selectors.openings import (
    WITH_PLACES,
    Exam,
    Openings,
    end_of,
    exam_of,
    rules_of,
    start_of,
)
from ris.selectors.resources import days_at
from ris.selectors.slot_ids import (
    EARLIEST,
    LATEST,
    SlotKey,
    offer_id,
    read_offer_id,
    read_slot_id,
    slot_id,
    slot_key,
)

DEFAULT_MINUTES = 30  # of a slot when nobody says what it is for
MOST_CODES = 100  # of a schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """``schedule`` is the public id of the device whose time it is."""

    public_id: str
    schedule: str
    modality: str
    start_at: datetime
    end_at: datetime
    state: SlotState
    code: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView:
    """The calendar of a device and the room it stands in; ``codes`` are what it can be used for."""

    public_id: str
    ae_title: str
    station_name: str
    modality: str
    room: str
    active: bool
    codes: tuple[Code, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Service:
    """What a time is wanted for: a modality, for how long, and what that is called.

    With the ``definition`` of the catalog its rules count: device, buffers, lead time, staff.
    """

    modality: str
    minutes: int
    code: Code | None = None
    definition: ProcedureDefinition | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Cell:
    """A slot before it is given its name; sorts by time."""

    start_at: datetime
    device: int
    end_at: datetime
    state: SlotState
    code: Code | None = None

    @property
    def key(self) -> SlotKey:
        return slot_key(self.device, self.start_at, self.end_at)

    @property
    def place(self) -> tuple[datetime, int, datetime]:
        """Where it stands in the order of all cells."""
        return self.start_at.replace(microsecond=0), self.device, self.end_at.replace(microsecond=0)


def cells(
    devices: Sequence[Device],
    low: datetime,
    high: datetime,
    services: Iterable[Service] = (),
    states: Iterable[SlotState] = SlotState,
    *,
    step: ScheduledProcedureStep | None = None,
    patient: int | None = None,
) -> list[Cell]:
    """The slots of devices that begin in [low, high), in order of time.

    Free ones are as long as each service of the device's modality; without any, half an hour. For a
    ``step`` they are what a page would offer for it.
    """
    low, high = max(low, EARLIEST), min(high, LATEST)
    if not devices or high <= low:
        return []
    wanted = frozenset(states)
    first, days = days_at(devices, low, high)
    found: dict[tuple[datetime, int, datetime], Cell] = {}
    chosen = list(services)
    every = _in_the_way(devices, first, days, chosen, wanted)
    if SlotState.FREE in wanted:
        every = chain(every, _free(devices, first, days, chosen, step, patient))
    for cell in every:
        if low <= cell.start_at < high:
            found.setdefault(cell.place, cell)
    return sorted(found.values(), key=lambda cell: cell.place)


def _lengths(device: Device, services: Sequence[Service]) -> list[Service]:
    if not services:
        return [Service(device.modality, DEFAULT_MINUTES)]
    return [each for each in services if each.modality == device.modality]


def _in_the_way(
    devices: Sequence[Device],
    first: date,
    days: int,
    services: Sequence[Service],
    wanted: frozenset[SlotState],
) -> Iterator[Cell]:
    """What is held, taken and closed."""
    if not wanted & {SlotState.HELD, SlotState.TAKEN, SlotState.CLOSED}:
        return
    calendar = Calendar(devices, first, days)
    held = _held(calendar, devices) if wanted & {SlotState.HELD, SlotState.TAKEN} else frozenset()
    for device in devices:
        lengths = _lengths(device, services)
        if not lengths:
            continue
        for key, span in calendar.bookings(device).items():
            state = SlotState.HELD if key in held else SlotState.TAKEN
            if state in wanted:
                yield Cell(span.start, device.pk, span.end, state, lengths[0].code)
        if SlotState.CLOSED in wanted:
            for span in calendar.closed(device):
                yield Cell(span.start, device.pk, span.end, SlotState.CLOSED, lengths[0].code)


def _free(
    devices: Sequence[Device],
    first: date,
    days: int,
    services: Sequence[Service],
    step: ScheduledProcedureStep | None,
    patient: int | None,
) -> Iterator[Cell]:
    exams = _exams(services, step)
    own = exam_of(step) if step is not None else None
    calendar = Openings(
        [device for device in devices if device.active],
        first,
        days,
        now=timezone.now(),
        staff=any(exam.needs_staff for exam in exams.values()),
        patient=patient,
        besides=own.besides if own is not None else (),
    )
    for device in calendar.devices:
        for service in _lengths(device, services):
            exam = exams.get(service) or Exam(modality=service.modality, minutes=service.minutes)
            _, openings = calendar.look(device, exam)
            for opening in openings:
                yield Cell(
                    start_of(opening), device.pk, end_of(opening), SlotState.FREE, service.code
                )


def _exams(services: Sequence[Service], step: ScheduledProcedureStep | None) -> dict[Service, Exam]:
    rules = rules_of([each.definition for each in services if each.definition is not None])
    found = {
        service: Exam(
            modality=service.modality,
            minutes=service.minutes,
            definition=service.definition,
            rules=rules.get(service.definition.pk, {}),
            wanted=Wanted(code=service.definition.code, modality=service.modality),
        )
        for service in services
        if service.definition is not None
    }
    if step is not None:
        exam = exam_of(step)
        found |= {
            service: exam
            for service in services
            if (service.modality, service.minutes) == (step.modality, step.duration_minutes)
        }
    return found


def _held(calendar: Calendar, devices: Sequence[Device]) -> frozenset[int]:
    """The appointments among the bookings that are only held, by primary key."""
    keys = {key for device in devices for key in calendar.bookings(device)}
    rows = Appointment.objects.filter(pk__in=keys, status=AppointmentStatus.HELD.value)
    return frozenset(rows.values_list("pk", flat=True))


def state_of(keys: Iterable[SlotKey]) -> dict[SlotKey, tuple[Device, SlotState]]:
    """What has become of slots that were named; those of unknown devices are left out."""
    wanted = list(keys)
    devices = {
        device.pk: device for device in WITH_PLACES.filter(pk__in={key.device for key in wanted})
    }
    now = timezone.now()
    found: dict[SlotKey, tuple[Device, SlotState]] = {}
    for key in wanted:
        device = devices.get(key.device)
        if device is None:
            continue
        first, days = days_at([device], key.start_at, key.end_at)
        days = min(days, 2)
        calendar = Calendar([device], first, days)
        free = Openings([device], first, days, now=now)
        found[key] = (device, _state(calendar, free, device, key, now))
    return found


def _state(
    calendar: Calendar, free: Openings, device: Device, key: SlotKey, now: datetime
) -> SlotState:
    span = Span(key.start_at, key.end_at)
    bookings = calendar.bookings(device)
    over = [appointment for appointment, taken in bookings.items() if taken.overlaps(span)]
    if over:
        held = _held(calendar, [device])
        return SlotState.HELD if held.issuperset(over) else SlotState.TAKEN
    # Whom it is for is not said, so it may be one of those that a time is kept for.
    exam = Exam(modality=device.modality, minutes=key.minutes)
    against = {each.kind for each in free.reasons(device, exam, key.start_at)}
    if not device.active or key.start_at < now or against - {Against.GAP, Against.RESERVED}:
        return SlotState.CLOSED
    return SlotState.FREE


def slot_view(key: SlotKey, device: Device, state: SlotState, code: Code | None) -> SlotView:
    return SlotView(
        public_id=slot_id(key),
        schedule=str(device.public_id),
        modality=device.modality,
        start_at=key.start_at,
        end_at=key.end_at,
        state=state,
        code=code,
    )


def definition_services(rows: Iterable[ProcedureDefinition]) -> list[Service]:
    """The services of a catalog's procedures."""
    return [
        Service(row.modality, row.duration_minutes, Code(row.code, row.scheme, row.meaning), row)
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A time that was offered by name; ``step`` is empty unless it was for one."""

    device: str
    start_at: datetime
    minutes: int
    step: str = ""


def offer_of_slot(text: str) -> Offer | None:
    key = read_slot_id(text)
    return _offer(key) if key is not None else None


def offer(text: str) -> Offer | None:
    """What ``Appointment/$find`` offered under this id."""
    key = read_offer_id(text)
    return _offer(key) if key is not None else None


def _offer(key: SlotKey) -> Offer | None:
    device = Device.objects.filter(pk=key.device, active=True).first()
    if device is None:
        return None
    step = ""
    if key.step:
        row = ScheduledProcedureStep.objects.filter(pk=key.step).first()
        if row is None:
            return None
        step = str(row.public_id)
    return Offer(
        device=str(device.public_id), start_at=key.start_at, minutes=key.minutes, step=step
    )


def free_device(
    modality: str, start_at: datetime, minutes: int, *, rooms: Iterable[str] = ()
) -> str | None:
    """The first device of a modality that is free then, by public id; in these rooms if any."""
    rows = Device.objects.filter(modality=modality, active=True).order_by("ae_title")
    wanted = list(rooms)
    if wanted:
        rows = rows.filter(room__public_id__in=wanted)
    end_at = start_at + timedelta(minutes=minutes)
    keys = [slot_key(pk, start_at, end_at) for pk in rows.values_list("pk", flat=True)]
    for device, state in state_of(keys).values():
        if state is SlotState.FREE:
            return str(device.public_id)
    return None


# --- times to offer


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """A time that could be booked, with the names to hold or book it by."""

    public_id: str
    slot: str
    device: str  # public id
    ae_title: str
    station_name: str
    room: str
    modality: str
    start_at: datetime
    end_at: datetime
    code: Code | None


def free_times(
    low: datetime,
    high: datetime,
    services: Iterable[Service] = (),
    *,
    rooms: Iterable[str] | None = None,
    words: Iterable[str] = (),
    patient: str = "",
    besides_step: str = "",
) -> list[Cell]:
    """The free times in [low, high), in order of time.

    ``rooms`` are public ids, ``words`` parts of a room's name or of its site's address; the
    patient's other appointments stand in the way, what is held, asked for or booked for the step
    does not. Of what is booked: times to which it can be moved without parting linked exams.
    """
    rows = Device.objects.select_related("room__site").filter(active=True)
    if rooms is not None:
        rows = rows.filter(room__public_id__in=list(rooms))
    either = Q()
    for word in words:
        either |= (
            Q(room__name__icontains=word)
            | Q(room__site__name__icontains=word)
            | Q(room__site__address__icontains=word)
        )
    devices = list(rows.filter(either).order_by("pk"))
    step = None
    if besides_step:
        step = ScheduledProcedureStep.objects.select_related(
            "procedure__order", "procedure__definition", "appointment"
        ).get(public_id=besides_step)
    who = step.procedure.order.patient_id if step is not None else None
    if who is None and patient:
        who = Patient.objects.values_list("pk", flat=True).get(public_id=patient)
    found = cells(devices, low, high, services, (SlotState.FREE,), step=step, patient=who)
    ties = Ties.of(step) if step is not None else None
    if ties is None or not ties.links:
        return found
    return [cell for cell in found if not ties.lost(cell.start_at, cell.end_at)]


def offers(found: Sequence[Cell], step: str = "") -> list[OfferView]:
    """The times with names; for a step (by public id) if one is meant."""
    devices = {
        row.pk: row
        for row in Device.objects.select_related("room").filter(
            pk__in={cell.device for cell in found}
        )
    }
    key = 0
    if step:
        key = ScheduledProcedureStep.objects.values_list("pk", flat=True).get(public_id=step)
    views = []
    for cell in found:
        device = devices[cell.device]
        named = slot_key(cell.device, cell.start_at, cell.end_at, key)
        views.append(
            OfferView(
                public_id=offer_id(named),
                slot=slot_id(named),
                device=str(device.public_id),
                ae_title=device.ae_title,
                station_name=device.station_name,
                room=device.room.name if device.room else "",
                modality=device.modality,
                start_at=cell.start_at,
                end_at=cell.end_at,
                code=cell.code,
            )
        )
    return views
