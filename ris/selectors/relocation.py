"""Where the appointments of a room that goes down could be done instead: proposals, nothing taken.

First fit, the most urgent first and otherwise in the order of the day; none before the time that
was agreed with the patient. However many appointments, the number of queries is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Prefetch, Q
from django.utils.translation import gettext_noop as noop

from ris.domain import openings as engine
from ris.domain.arrivals import is_same_visit
from ris.domain.openings import Against, Stretch, Taken, Wanted
from ris.domain.orders import HERE, Priority, StepStatus
from ris.domain.relocating import Relocation
from ris.domain.scheduling import LONGEST, OCCUPYING, AppointmentStatus
from ris.models import Appointment, Device, DeviceRule, ScheduledProcedureStep
from ris.selectors.linked import links_of, span_of, words_against
from ris.selectors.openings import (
    BUSY,
    Exam,
    Openings,
    rules_of,
    start_of,
)
from ris.selectors.patient_lists import IDENTIFIERS
from ris.selectors.resources import days_at, site_of, zone_at
from ris.selectors.schedule import AppointmentLine
from ris.selectors.schedule import _line as appointment_line
from ris.selectors.taken import minute_of, minute_up

_DAY_BEFORE = timedelta(days=1)
_HERE = sorted(status.value for status in HERE)
DAYS = 5  # how far a place is looked for
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An appointment with its place elsewhere, or with why there is none."""

    line: AppointmentLine
    device: str = ""
    ae_title: str = ""
    room: str = ""
    start_at: datetime | None = None
    minutes: int = 0
    against: tuple[str, ...] = ()

    @property
    def is_same_time(self) -> bool:
        return self.start_at == self.line.start_at


def relocations(found: Iterable[Proposal]) -> tuple[Relocation, ...]:
    """What is to be moved if all of it is wanted as proposed."""
    return tuple(
        Relocation(
            appointment=each.line.public_id,
            device=each.device,
            start_at=each.start_at,
            expected_version=each.line.version,
        )
        for each in found
        if each.start_at is not None
    )


@dataclass(frozen=True, slots=True)
class Touched:
    """An appointment that stands in the way, with its first exam."""

    row: Appointment
    line: AppointmentLine
    step: ScheduledProcedureStep


def together(device: Device, devices: Iterable[Device]) -> list[int]:
    """The keys of a device and of those in its room: a room that is closed closes them all."""
    return [
        each.pk
        for each in devices
        if each.pk == device.pk or (device.room_id is not None and each.room_id == device.room_id)
    ]


def touched(
    device: Device,
    low: datetime,
    high: datetime,
    devices: Iterable[Device],
    *,
    now: datetime | None = None,
) -> list[Touched]:
    """What is booked on one of ``devices`` or in its room from ``low`` to ``high``, in order.

    If that is ``now``, also who is here and still waits, though their time is past.
    """
    meant = Q(appointment__end_at__gt=low)
    if now is not None and low <= now < high:
        meant |= Q(appointment__status=AppointmentStatus.ARRIVED.value, status__in=_HERE)
    rows = (
        ScheduledProcedureStep.objects.filter(
            appointment__device__in=together(device, devices),
            appointment__status__in=[
                status.value for status in OCCUPYING - {AppointmentStatus.FULFILLED}
            ],
            appointment__start_at__lt=high,
            appointment__start_at__gt=low - LONGEST,
        )
        .filter(meant)
        .select_related(
            "appointment__patient__merged_into",
            "appointment__device__room__site",
            "procedure__order",
            "procedure__definition",
            "device__room__site",
        )
        .prefetch_related(
            Prefetch("appointment__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )
        .order_by("appointment__start_at", "appointment", "id")[: MOST * 2]
    )
    found = []
    for _key, group in groupby(rows, key=lambda step: step.appointment_id):
        steps = list(group)
        row = steps[0].appointment
        line = appointment_line(row, steps) if row is not None else None
        if row is not None and line is not None:
            found.append(Touched(row, line, steps[0]))
    return found[:MOST]


def proposals(
    wanted: Sequence[Touched],
    devices: Iterable[Device],
    *,
    avoid: Iterable[int] = (),
    down: Mapping[int, tuple[datetime, datetime]] | None = None,
    now: datetime,
) -> list[Proposal]:
    """A place for each on one of ``devices``, found as if those before it had moved.

    ``avoid`` are devices, by key, that are not to be had, ``down`` those that are not to be had
    from when to when: what must leave a time is not offered the same time again.
    """
    if not wanted:
        return []
    rules = rules_of(
        {each.step.procedure.definition for each in wanted if each.step.procedure.definition}
    )
    exams = {each.row.pk: known_exam(each.step, rules) for each in wanted}
    but = frozenset(avoid)
    search = Search(
        list(exams.values()),
        [each.row for each in wanted],
        [device for device in devices if device.pk not in but],
        now,
    )
    for key, (low, high) in (down or {}).items():
        search.taken[key].append((minute_of(low), minute_up(high), 0, 0, 0))
    found: dict[int, Proposal] = {}
    for each in sorted(wanted, key=lambda each: _urgency(each.line)):
        found[each.row.pk] = search.place(each.row, each.line, exams[each.row.pk])
    return _kept_apart(wanted, found) if search.is_tied else [found[each.row.pk] for each in wanted]


def _kept_apart(wanted: Sequence[Touched], found: dict[int, Proposal]) -> list[Proposal]:
    """Without those that would lose the time to an exam that they are tied to."""
    rows = {each.row.pk: each.row for each in wanted}
    links = links_of(list(rows.values()))
    while links:
        spans = {
            key: span_of(each.start_at, each.minutes)
            for key, each in found.items()
            if each.start_at is not None
        }
        against = words_against(links, spans)
        if not against:
            break
        for key, words in against.items():
            found[key] = Proposal(line=found[key].line, against=tuple(words))
    return [found[each.row.pk] for each in wanted]


def _is_one_site(one: Device | None, other: Device) -> bool:
    site, there = site_of(one) if one is not None else None, site_of(other)
    return site is None or there is None or site.pk == there.pk


def _urgency(line: AppointmentLine) -> tuple[int, bool, datetime]:
    """Of what is as urgent, who is here has the first choice."""
    ranks = [priority.value for priority in Priority]
    rank = ranks.index(line.priority) if line.priority in ranks else len(ranks)
    return rank, line.status != AppointmentStatus.ARRIVED.value, line.start_at


def known_exam(step: ScheduledProcedureStep, rules: dict[int, dict[int, DeviceRule]]) -> Exam:
    """What :func:`ris.selectors.openings.exam_of` says, with rules that were read for all."""
    procedure, order = step.procedure, step.procedure.order
    definition = procedure.definition
    return Exam(
        modality=step.modality,
        minutes=step.duration_minutes,
        fixed=definition is not None and step.duration_minutes != definition.duration_minutes,
        definition=definition,
        rules=rules.get(definition.pk, {}) if definition else {},
        wanted=Wanted(
            code=procedure.code_value,
            modality=step.modality,
            priority=order.priority,
            groups=tuple(filter(None, (order.requesting_service, order.requester))),
        ),
        patient=order.patient_id,
        interpreter=order.interpreter_language,
        is_here=StepStatus(step.status) in HERE,
    )


def stands_against(rows: Sequence[Appointment], now: datetime) -> dict[int, frozenset[Against]]:
    """What stands against the place that each of ``rows`` has; they do not, nor does a past time.

    However many, the number of queries is the same.
    """
    steps = {
        step.appointment_id: step
        for step in ScheduledProcedureStep.objects.filter(appointment__in=rows)
        .select_related("procedure__order", "procedure__definition")
        .order_by("-id")
    }
    placed = [(row, row.device) for row in rows if row.device is not None and row.pk in steps]
    if not placed:
        return {}
    rules = rules_of({each for step in steps.values() if (each := step.procedure.definition)})
    exams = {
        row.pk: replace(
            known_exam(steps[row.pk], rules),
            minutes=round((row.end_at - row.start_at).total_seconds() / 60),
            fixed=True,
        )
        for row, _device in placed
    }
    devices = {device.pk: device for _row, device in placed}
    first, last = (each(row.start_at for row, _device in placed) for each in (min, max))
    day, days = days_at(devices.values(), first, last)
    calendar = Openings(
        list(devices.values()),
        day,
        days,
        now=now,
        staff=any(exam.needs_staff for exam in exams.values()),
        besides=[row.pk for row, _device in placed],
    )
    return {
        row.pk: frozenset(
            each.kind for each in calendar.reasons(device, exams[row.pk], row.start_at)
        )
        for row, device in placed
    }


class Search:
    """One look at the calendar for all of them; what is proposed is taken for those after."""

    def __init__(
        self,
        exams: Sequence[Exam],
        appointments: Sequence[Appointment],
        devices: Sequence[Device],
        now: datetime,
    ) -> None:
        self.now = now
        modalities = {exam.modality for exam in exams}
        self.devices = {device.pk: device for device in devices if device.modality in modalities}
        first = max(min(row.start_at for row in appointments), now)
        last = max(row.start_at for row in appointments)
        day, days = days_at(self.devices.values(), first, max(first, last))
        self.calendar = Openings(
            list(self.devices.values()),
            day,
            days - 1 + DAYS,
            now=now,
            staff=any(exam.needs_staff for exam in exams),
            besides=[row.pk for row in appointments],
            known=True,
        )
        self.is_tied = len({exam.patient for exam in exams}) < len(exams)
        self.busy = self._patients(exams, appointments)
        self.taken: dict[int, list[Taken]] = defaultdict(list)
        self.people = list(self.calendar.people)

    def _patients(
        self, exams: Sequence[Exam], appointments: Sequence[Appointment]
    ) -> dict[int | None, list[Stretch]]:
        """Each patient's other appointments; one query. Those that are over may tie the rest."""
        found: dict[int | None, list[Stretch]] = defaultdict(list)
        rows = Appointment.objects.filter(
            patient__in={exam.patient for exam in exams},
            status__in=[*BUSY, AppointmentStatus.FULFILLED.value],
            start_at__lt=self.calendar.high,
            end_at__gt=self.calendar.low - _DAY_BEFORE,
        ).exclude(pk__in=[row.pk for row in appointments])
        for patient, start, end, status in rows.values_list(
            "patient_id", "start_at", "end_at", "status"
        ):
            self.is_tied = True
            if status in BUSY:
                found[patient].append((minute_of(start), minute_up(end)))
        return found

    def place(self, row: Appointment, line: AppointmentLine, exam: Exam) -> Proposal:
        if not line.is_movable:
            return Proposal(line=line, against=(_HELD if row.status == _HOLD else _BEGUN,))
        earliest = minute_up(max(row.start_at, self.now))
        need = replace(
            self.calendar.need(exam),
            earliest=earliest,
            patient=[*self.busy[exam.patient]],
            with_gaps=True,
        )
        places = []
        for device in self.devices.values():
            if exam.is_here and not _is_one_site(row.device, device):
                continue  # who has come stands at a desk there
            place = self.calendar.place(device, exam)
            if place.refusal is None:
                own = [*place.taken, *self.taken[device.pk]]
                places.append(replace(place, taken=sorted(own)))
        found = engine.first(places, need, self.people, count=1)
        if not found:
            words = _why_not(places, need, earliest)
            return Proposal(line=line, against=words)
        (opening,) = found
        device = self.devices[opening.place]
        if exam.is_here and not is_same_visit(
            row.start_at, row.arrived_at, start_of(opening), zone_at(device)
        ):
            return Proposal(line=line, against=(_NOT_TODAY,))
        (place,) = (each for each in places if each.key == device.pk)
        self.take(device, place, opening)
        self.occupy(engine.team(place, need, self.people, opening.start) or [], opening)
        self.busy[exam.patient].append((opening.start, opening.end))
        return Proposal(
            line=line,
            device=str(device.public_id),
            ae_title=device.ae_title,
            room=device.room.name if device.room else "",
            start_at=start_of(opening),
            minutes=opening.minutes,
        )

    def occupy(self, team: Sequence[int], opening: engine.Opening) -> None:
        taken = (opening.start, opening.end, 0, 0, 0)
        self.people = [
            replace(person, taken=sorted([*person.taken, taken])) if person.key in team else person
            for person in self.people
        ]

    def take(self, device: Device, place: engine.Place, opening: engine.Opening) -> None:
        taken = (opening.start, opening.end, place.before, place.after, 0)
        for other in self.devices.values():
            # Devices that stand in one room are taken together.
            together = device.room_id is not None and other.room_id == device.room_id
            if other.pk == device.pk or together:
                self.taken[other.pk].append(taken)


_HOLD = AppointmentStatus.HELD.value
_HELD = noop("the time is only held")
_BEGUN = noop("the exam has begun")
_NOT_TODAY = noop("nothing is free for the rest of the day")


def _why_not(places: Sequence[engine.Place], need: engine.Need, earliest: int) -> tuple[str, ...]:
    if not places:
        return (noop("no other device does this exam"),)
    kinds = {each.kind: each.words for place in places for each in engine.reasons(
        place, need, earliest)}  # fmt: skip
    skip = {Against.GAP, Against.NOT_WISHED}
    words = [text for kind, text in kinds.items() if kind not in skip]
    return (noop(f"nothing is free within {DAYS} days"), *words[:3])
