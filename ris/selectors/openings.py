"""The calendar as the engine of openings takes it, in a bounded number of queries.

However many devices and weeks are looked at: what is read is hours, closures, holidays, reserved
times, bookings and the patient's day, each in one query (``ris/domain/openings.py`` does the rest).
Pages, REST and FHIR find times here, and the door refuses by the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cached_property

from django.db.models import Min

from ris.domain import openings as engine
from ris.domain.local_time import between, whole_day
from ris.domain.openings import (
    Against,
    Need,
    Person,
    Place,
    Refusal,
    Reservation,
    Shut,
    Stretch,
    Wanted,
)
from ris.domain.orders import HERE, StepStatus
from ris.domain.resources import KeptTime
from ris.domain.scheduling import LONGEST, AppointmentStatus, ClosureKind
from ris.models import (
    Appointment,
    Device,
    DeviceRule,
    ProcedureDefinition,
    Resource,
    ScheduledProcedureStep,
    StaffMember,
)
from ris.selectors.resources import Timetable, zone_at, zone_together
from ris.selectors.taken import minute_of, minute_up, taken_minutes, when

RADIOLOGIST = "radiologist"
# Somebody whose exam is over can go on to the next, whatever had been planned for it.
BUSY = sorted(
    status.value
    for status in (AppointmentStatus.HELD, AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What is to be done and what it asks of a time; ``minutes`` where no device has its own."""

    modality: str
    minutes: int
    fixed: bool = False  # the minutes were asked for, whatever the device
    definition: ProcedureDefinition | None = None
    rules: dict[int, DeviceRule] = field(default_factory=dict)  # by device
    wanted: Wanted = field(default_factory=Wanted)
    patient: int | None = None
    besides: frozenset[int] = frozenset()  # its own appointments do not stand in its way
    interpreter: str = ""
    is_here: bool = False  # and prepared

    @property
    def before(self) -> int:
        return self.definition.buffer_before_minutes if self.definition else 0

    @property
    def after(self) -> int:
        return self.definition.buffer_after_minutes if self.definition else 0

    @property
    def lead(self) -> timedelta:
        waits = self.definition is not None and not self.is_here
        return timedelta(hours=self.definition.lead_hours if self.definition and waits else 0)

    @property
    def staff(self) -> int:
        return self.definition.staff_required if self.definition else 0

    @property
    def skills(self) -> tuple[str, ...]:
        found = list(self.definition.required_skills) if self.definition else []
        if self.definition and self.definition.radiologist_present:
            found.append(RADIOLOGIST)
        if self.interpreter:
            found.append(f"interpreter:{self.interpreter}")
        return tuple(dict.fromkeys(found))

    @property
    def needs_staff(self) -> bool:
        return bool(self.staff or self.skills)

    def minutes_on(self, device: Device) -> int:
        rule = self.rules.get(device.pk)
        if self.fixed or rule is None or rule.minutes is None:
            return self.minutes
        return rule.minutes

    def refusal(self, device: Device) -> Refusal | None:
        if device.modality != self.modality:
            return Refusal(Against.OTHER_MODALITY, device.modality)
        rule = self.rules.get(device.pk)
        return Refusal(Against.NOT_ALLOWED) if rule is not None and not rule.allowed else None


def exam_of(
    step: ScheduledProcedureStep,
    minutes: int | None = None,
    *,
    rules: Mapping[int, dict[int, DeviceRule]] | None = None,
) -> Exam:
    """What a step asks of a time; one query for its rules, unless they are given."""
    procedure = step.procedure
    order = procedure.order
    definition = procedure.definition
    if rules is None and definition is not None:
        rules = rules_of([definition])
    length = minutes or step.duration_minutes
    # A length that somebody gave the step counts on every device.
    own = definition is not None and step.duration_minutes != definition.duration_minutes
    return Exam(
        modality=step.modality,
        minutes=length,
        fixed=minutes is not None or own,
        definition=definition,
        rules=rules.get(definition.pk, {}) if definition and rules else {},
        wanted=Wanted(
            code=procedure.code_value,
            modality=step.modality,
            priority=order.priority,
            groups=tuple(filter(None, (order.requesting_service, order.requester))),
        ),
        patient=order.patient_id,
        besides=frozenset() if step.appointment_id is None else frozenset({step.appointment_id}),
        interpreter=order.interpreter_language,
        is_here=StepStatus(step.status) in HERE,
    )


def rules_of(definitions: Iterable[ProcedureDefinition]) -> dict[int, dict[int, DeviceRule]]:
    """The device rules of procedures, by definition and device; one query."""
    found: dict[int, dict[int, DeviceRule]] = defaultdict(dict)
    for rule in DeviceRule.objects.filter(definition__in=list(definitions)):
        found[rule.definition_id][rule.device_id] = rule
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """When it would suit: days, hours of the day (from, to), and from which minute on."""

    earliest: datetime | None = None
    latest: datetime | None = None
    hours: Sequence[tuple[int, int]] = ()
    with_gaps: bool = False


class Openings:
    """Openings of devices over some days; everything is read once, however many exams ask.

    ``known``: the devices are of :data:`WITH_PLACES` and as they are now, and so is what they stand
    in: it is not read again.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        first: date,
        days: int,
        *,
        now: datetime,
        staff: bool = False,
        patient: int | None = None,
        besides: Iterable[int] = (),
        known: bool = False,
    ) -> None:
        self.devices = list(devices)
        self.now = minute_up(now)
        self._but = frozenset(besides)
        self._patient = patient
        self._staff = _staff() if staff else []
        keys = {key for device in self.devices for key in resource_keys(device)}
        keys |= {member.resource_id for member in self._staff}
        places = [place for each in self.devices for place in (each, each.room) if place and known]
        rows = [member.resource for member in self._staff]
        self.times = Timetable(keys, first, days, [*rows, *(place.resource for place in places)])
        self.days = self.times.days
        self.low, self.high = self.times.span
        self._taken = taken_minutes(keys, self.low - LONGEST, self.high, self._but)

    # --- places

    def place(self, device: Device, exam: Exam) -> Place:
        keys = resource_keys(device)
        resources = [self.times.resources[key] for key in keys]
        taken = self._taken.get(keys[0], [])
        if len(keys) > 1:
            taken = sorted([*taken, *self._taken.get(keys[1], [])])
        return Place(
            key=device.pk,
            hours=self._hours(device) if all(each.active for each in resources) else [],
            shut=[each for key in keys for each in self._shut(key, exam.wanted)],
            taken=taken,
            minutes=exam.minutes_on(device),
            before=max(exam.before, *(each.buffer_before_minutes for each in resources)),
            after=max(exam.after, *(each.buffer_after_minutes for each in resources)),
            shortest=self._least_gap(resources) or self._shortest.get(device.pk, 0),
            site=self._site(device),
            refusal=exam.refusal(device),
        )

    def _hours(self, device: Device) -> list[Stretch]:
        """When both the device and its room are open, closures not cut out."""
        found: list[Stretch] = []
        for day in self.days:
            for opens, closes in self.times.hours_together(resource_keys(device), day):
                start, end = minute_of(opens), minute_up(closes)
                if found and found[-1][1] >= start:
                    found[-1] = (found[-1][0], end)  # open over midnight
                else:
                    found.append((start, end))
        return found

    def _shut(self, key: int, wanted: Wanted) -> list[Shut]:
        """Closed, down, a holiday, or kept for others."""
        found = [
            Shut(minute_of(each.start_at), minute_up(each.until), _CLOSED[each.kind], each.reason)
            for each in self.times.closures(key)
        ]
        zone = self.times.zone(key)
        for day in self.days:
            name = self.times.holiday(key, day)
            if name:
                start, end = whole_day(day, zone)
                found.append(Shut(minute_of(start), minute_up(end), Against.HOLIDAY, name))
        for kept in self.times.kept(key):
            reserved = _reservation(kept)
            if not reserved.admits(wanted, self.now):
                found.append(reserved.shut)
        return found

    @staticmethod
    def _least_gap(resources: Sequence[Resource]) -> int:
        """The shortest gap that device or room allow beside a booking; 0: as the site says."""
        return max(each.gap_minutes for each in resources)

    def _avoids_gaps(self, device: Device) -> bool:
        site = self.times.resources[device.resource_id].site
        return site is not None and site.avoids_gaps

    def _site(self, device: Device) -> int | None:
        return self.times.resources[device.resource_id].site_id

    @cached_property
    def _shortest(self) -> dict[int, int]:
        """The shortest exam of each device of a site that avoids gaps."""
        careful = [device for device in self.devices if self._avoids_gaps(device)]
        if not careful:
            return {}
        by_modality = dict(
            ProcedureDefinition.objects.filter(
                active=True, modality__in={device.modality for device in careful}
            )
            .values_list("modality")
            .annotate(Min("duration_minutes"))
        )
        by_device = dict(
            DeviceRule.objects.filter(
                device__in=careful, allowed=True, minutes__isnull=False, definition__active=True
            )
            .values_list("device")
            .annotate(Min("minutes"))
        )
        return {
            device.pk: min(
                filter(None, (by_modality.get(device.modality), by_device.get(device.pk))),
                default=0,
            )
            for device in careful
        }

    # --- people and the patient

    @cached_property
    def people(self) -> list[Person]:
        return [self._person(member) for member in self._staff]

    def _person(self, member: StaffMember) -> Person:
        key = member.resource_id
        hours = None
        if self.times.has_hours(key):
            hours = [
                (minute_of(start), minute_up(end))
                for day in self.days
                for start, end in self.times.hours(key, day)
            ]
        return Person(
            key=key,
            name=member.name,
            skills=frozenset(member.skills),
            hours=hours,
            shut=self._shut(key, Wanted()),
            taken=self._taken.get(key, []),
            site=member.resource.site_id,
        )

    @cached_property
    def _patient_busy(self) -> list[Stretch]:
        if self._patient is None:
            return []
        rows = (
            Appointment.objects.filter(
                patient=self._patient,
                status__in=BUSY,
                start_at__lt=self.high,
                start_at__gt=self.low - LONGEST,
                end_at__gt=self.low,
            )
            .exclude(pk__in=self._but)
            .values_list("start_at", "end_at")
        )
        return [(minute_of(start), minute_up(end)) for start, end in rows]

    def need(self, exam: Exam, wish: Wish | None = None, zone: tzinfo | None = None) -> Need:
        """``zone`` is that of the places, whose hours of the day are meant by a wish."""
        wish = wish or Wish()
        latest = minute_up(self.high) - 1
        if wish.latest is not None:
            latest = min(latest, minute_of(wish.latest))
        earliest = minute_of(self.low)
        if wish.earliest is not None:
            earliest = max(earliest, minute_up(wish.earliest))
        return Need(
            now=self.now,
            ready=self.now + int(exam.lead.total_seconds() // 60) if exam.lead else 0,
            earliest=earliest,
            latest=latest,
            wished=self._wished(wish.hours, zone),
            patient=self._patient_busy,
            staff=exam.staff,
            skills=exam.skills,
            with_gaps=wish.with_gaps,
        )

    def _wished(
        self, hours: Sequence[tuple[int, int]], zone: tzinfo | None
    ) -> list[Stretch] | None:
        if not hours:
            return None
        zone = zone or zone_together(self.devices)
        spans = [
            between(day, time(low), time(high % 24), zone)
            for day in self.days
            for low, high in sorted(hours)
        ]
        return [(minute_of(start), minute_up(end)) for start, end in spans]

    # --- what is asked

    def first(self, exam: Exam, count: int, wish: Wish | None = None) -> list[engine.Opening]:
        by_zone: dict[tzinfo, list[Place]] = defaultdict(list)
        for device in self.devices:
            by_zone[zone_at(device)].append(self.place(device, exam))
        found = [
            opening
            for zone, places in by_zone.items()
            for opening in engine.first(
                places, self.need(exam, wish, zone), self.people, count=count
            )
        ]
        return sorted(found)[:count]

    def look(
        self, device: Device, exam: Exam, wish: Wish | None = None
    ) -> tuple[Place, list[engine.Opening]]:
        """A device with all that it offers in these days."""
        place = self.place(device, exam)
        return place, list(
            engine.openings(place, self.need(exam, wish, zone_at(device)), self.people)
        )

    def reasons(
        self, device: Device, exam: Exam, start_at: datetime, wish: Wish | None = None
    ) -> list[Refusal]:
        """Everything against a start."""
        return engine.reasons(
            self.place(device, exam),
            self.need(exam, wish, zone_at(device)),
            minute_of(start_at),
            self.people,
        )

    def team(self, device: Device, exam: Exam, start_at: datetime) -> list[int] | None:
        """The staff who would attend, by resource; None if they are not free."""
        if not exam.needs_staff:
            return []
        return engine.team(
            self.place(device, exam), self.need(exam), self.people, minute_of(start_at)
        )


def first_openings(
    exam: Exam,
    devices: Sequence[Device],
    day: date,
    days: int,
    *,
    count: int,
    now: datetime,
    wish: Wish | None = None,
) -> list[engine.Opening]:
    """The first openings of devices from a day on; later weeks are read only if they are needed."""
    found: list[engine.Opening] = []
    for offset, length in _chunks(days):
        calendar = Openings(
            devices,
            day + timedelta(days=offset),
            length,
            now=now,
            staff=exam.needs_staff,
            patient=exam.patient,
            besides=exam.besides,
        )
        found += calendar.first(exam, count - len(found), wish)
        if len(found) >= count:
            break
    return found


def _chunks(days: int) -> list[tuple[int, int]]:
    """The days in three pieces at most, the first of a week."""
    ends = sorted({min(days, end) for end in (7, 21, days)})
    begins = [0, *ends[:-1]]
    return [(begin, end - begin) for begin, end in zip(begins, ends, strict=True)]


def start_of(opening: engine.Opening) -> datetime:
    return when(opening.start)


def end_of(opening: engine.Opening) -> datetime:
    return when(opening.end)


def resource_keys(device: Device) -> list[int]:
    """The device itself and the room it stands in."""
    return [device.resource_id, *([device.room.resource_id] if device.room else [])]


def _staff() -> list[StaffMember]:
    rows = StaffMember.objects.select_related("resource__site")
    return list(rows.filter(active=True, resource__active=True))


def _reservation(kept: KeptTime) -> Reservation:
    return Reservation(
        start=minute_of(kept.start_at),
        end=minute_up(kept.end_at),
        label=kept.label,
        procedures=frozenset(kept.kept_for.procedures),
        modalities=frozenset(kept.kept_for.modalities),
        priorities=frozenset(kept.kept_for.priorities),
        groups=frozenset(kept.kept_for.groups),
        opens_at=_released(kept),
    )


def _released(kept: KeptTime) -> int | None:
    if kept.released:
        return 0
    return None if kept.release_at is None else minute_of(kept.release_at)


_CLOSED = {ClosureKind.CLOSURE: Against.CLOSED, ClosureKind.DOWNTIME: Against.DOWNTIME}


def bookable_devices(modality: str) -> list[Device]:
    """The devices of a modality with all that openings are looked up by; one query."""
    if not modality:
        return []
    return list(WITH_PLACES.filter(modality=modality, active=True).order_by("ae_title"))


WITH_PLACES = Device.objects.select_related("resource__site", "room__resource__site", "room__site")
