"""What happened on one day, counted from the records themselves: the source of daily facts.

A day is that of the clock where the exam is done. Every query is bound to the day by an index,
however large the archive is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Prefetch, Q

from ris.domain.analytics import Milestones, legs
from ris.domain.local_time import whole_day
from ris.domain.orders import Stage
from ris.domain.performing import PerformedStatus
from ris.domain.reporting import VersionKind
from ris.domain.scheduling import LONGEST, AppointmentStatus
from ris.models import (
    Appointment,
    Device,
    DeviceFact,
    DomainEvent,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.calendar import Calendar, Span
from ris.selectors.resources import site_of, zone_at, zone_of

_STAGES = sorted(stage.value for stage in Stage)
_STATES = sorted(state.value for state in PerformedStatus)
_CAME = frozenset(
    {
        AppointmentStatus.BOOKED.value,
        AppointmentStatus.ARRIVED.value,
        AppointmentStatus.FULFILLED.value,
        AppointmentStatus.NO_SHOW.value,
    }
)
_FINAL = frozenset({VersionKind.FINAL.value})
AT_ONCE = 500  # orders whose events are looked for in one query


def zones() -> set[tzinfo]:
    """The clocks of all sites, and that of the settings."""
    return {zone_of(None), *(zone_of(site) for site in Site.objects.all())}


def latest_day(at: datetime) -> date:
    """The day that it is already where the clock is furthest ahead."""
    return max(at.astimezone(zone).date() for zone in zones())


def _anywhere(day: date) -> Span:
    """All that is this day at one of the sites."""
    ends = [whole_day(day, zone) for zone in zones()]
    return Span(min(start for start, _ in ends), max(end for _, end in ends))


@dataclass(slots=True)
class ExamTally:
    """The exams of a day that are counted together."""

    exams: int = 0
    legs: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    hours: Counter[str] = field(default_factory=Counter)


Key = tuple[int | None, str, str]  # site, modality, priority


def exams(day: date) -> dict[Key, ExamTally]:
    """The exams that ended on a day, with the minutes of their legs as far as they are known."""
    around = _anywhere(day)
    procedures = list(
        RequestedProcedure.objects.filter(
            stage__in=_STAGES, performed_at__gte=around.start, performed_at__lt=around.end
        )
        .select_related("order")
        .prefetch_related(
            Prefetch(
                "steps",
                ScheduledProcedureStep.objects.select_related(
                    "appointment", "device__room__site", "device__resource__site"
                ).prefetch_related("performed"),
            ),
            Prefetch("reports", Report.objects.prefetch_related("versions")),
        )
        .order_by("id")
    )
    booked = _first_booked({procedure.order_id for procedure in procedures})
    found: dict[Key, ExamTally] = defaultdict(ExamTally)
    for procedure in procedures:
        steps = list(procedure.steps.all())
        device = next((step.device for step in steps if step.device is not None), None)
        zone = zone_at(device)
        way = _milestones(procedure, steps, booked)
        if way.done is None or way.done.astimezone(zone).date() != day:
            continue
        tally = found[_key(procedure, steps, device)]
        tally.exams += 1
        if way.begun is not None:
            tally.hours[str(way.begun.astimezone(zone).hour)] += 1
        for leg, minutes in legs(way).items():
            tally.legs[leg.value][str(minutes)] += 1
    return found


def _key(
    procedure: RequestedProcedure, steps: Sequence[ScheduledProcedureStep], device: Device | None
) -> Key:
    site = site_of(device) if device is not None else None
    modality = next((step.modality for step in steps if step.modality), "")
    return site.pk if site is not None else None, modality, procedure.order.priority


def _milestones(
    procedure: RequestedProcedure,
    steps: Sequence[ScheduledProcedureStep],
    booked: dict[str, datetime],
) -> Milestones:
    performed = [each for step in steps for each in step.performed.all() if each.counts]
    versions: list[ReportVersion] = [
        version for report in procedure.reports.all() for version in report.versions.all()
    ]
    return Milestones(
        ordered=procedure.order.ordered_at,
        scheduled=_least(booked.get(str(step.public_id)) for step in steps),
        arrived=_least(step.appointment.arrived_at for step in steps if step.appointment),
        begun=_least(each.started_at for each in performed),
        done=procedure.performed_at,
        preliminary=_least(version.signed_at for version in versions),
        unverified=_least(
            version.signed_at
            for version in versions
            if version.kind == VersionKind.PRELIMINARY.value
        ),
        final=_least(version.signed_at for version in versions if version.kind in _FINAL),
    )


def _least(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _first_booked(orders: set[int]) -> dict[str, datetime]:
    """When each step of some orders got its first time, by the step's public id."""
    found: dict[str, datetime] = {}
    keys = sorted(orders)
    for start in range(0, len(keys), AT_ONCE):
        rows = DomainEvent.objects.filter(
            order_id__in=keys[start : start + AT_ONCE], name="AppointmentBooked"
        ).values_list("payload", "at")
        for payload, at in rows:
            step = str(payload.get("step", ""))
            found[step] = min(at, found.get(step, at))
    return found


@dataclass(slots=True)
class DeviceTally:
    """A device's day."""

    open_minutes: int = 0
    booked_minutes: int = 0
    used_minutes: int = 0
    appointments: int = 0
    no_shows: int = 0
    canceled: int = 0


def devices(day: date) -> dict[int, DeviceTally]:
    """Each device in use that day, by primary key."""
    around = _anywhere(day)
    appointments = _appointments(around)
    # What was retired since keeps its past: how long it was open then nobody can say again.
    known = dict(DeviceFact.objects.filter(day=day).values_list("device_id", "open_minutes"))
    rows = list(
        Device.objects.select_related("room__site", "resource__site")
        .filter(Q(active=True) | Q(pk__in={*known, *(row.device_id for row in appointments)}))
        .order_by("id")
    )
    found = {row.pk: DeviceTally() for row in rows}
    if not rows:
        return found
    calendar = Calendar(rows, day, 1)
    days = {row.pk: Span(*whole_day(day, zone_at(row))) for row in rows}
    for row in rows:
        opened = _minutes(calendar.open(row, day))
        found[row.pk].open_minutes = opened if row.active else known.get(row.pk, opened)
    _count_appointments(found, days, appointments)
    used: dict[int, list[Span]] = defaultdict(list)
    by_station = {row.ae_title: row.pk for row in rows}
    for station, started, ended, revised in PerformedProcedureStep.objects.filter(
        status__in=_STATES,
        started_at__gte=around.start - LONGEST,
        started_at__lt=around.end,
        station_ae_title__in=by_station,
    ).values_list("station_ae_title", "started_at", "ended_at", "revised_ended_at"):
        used[by_station[station]].append(Span(started, revised or ended or started))
    for key, spans in used.items():
        found[key].used_minutes = _minutes_of(days[key], spans)
    return found


def _appointments(around: Span) -> list[Appointment]:
    """What begins then, or still goes on then."""
    return list(
        Appointment.objects.filter(
            start_at__gte=around.start - LONGEST, start_at__lt=around.end, end_at__gt=around.start
        ).only("public_id", "order_id", "device_id", "status", "start_at", "end_at")
    )


def _count_appointments(
    found: dict[int, DeviceTally], days: dict[int, Span], rows: Iterable[Appointment]
) -> None:
    listed = [(row.device_id, row) for row in rows if row.device_id in found]
    canceled = AppointmentStatus.CANCELED.value
    # A hold that was let go is no cancellation: only what was booked says that it was canceled.
    said = _canceled({row.order_id for _, row in listed if row.order_id and row.status == canceled})
    taken: dict[int, list[Span]] = defaultdict(list)
    for device, row in listed:
        tally, day = found[device], days[device]
        begins = day.start <= row.start_at < day.end
        if row.status in _CAME:
            tally.appointments += begins
            taken[device].append(Span(row.start_at, row.end_at))
            tally.no_shows += begins and row.status == AppointmentStatus.NO_SHOW.value
        elif begins and row.status == canceled and str(row.public_id) in said:
            tally.canceled += 1
    for key, spans in taken.items():
        found[key].booked_minutes = _minutes_of(days[key], spans)


def _canceled(orders: set[int]) -> frozenset[str]:
    """The appointments of some orders that were canceled after they had been booked."""
    found: set[str] = set()
    keys = sorted(orders)
    for start in range(0, len(keys), AT_ONCE):
        rows = DomainEvent.objects.filter(
            order_id__in=keys[start : start + AT_ONCE], name="AppointmentCanceled"
        ).values_list("payload", flat=True)
        found.update(str(payload.get("appointment", "")) for payload in rows)
    return frozenset(found)


def _minutes_of(day: Span, spans: Iterable[Span]) -> int:
    """Minutes of the day that they cover."""
    return _minutes(
        Span(max(span.start, day.start), min(span.end, day.end))
        for span in spans
        if span.overlaps(day)
    )


def _minutes(spans: Iterable[Span]) -> int:
    """Minutes that at least one of the stretches covers."""
    total = timedelta()
    end: datetime | None = None
    for span in sorted(spans, key=lambda each: each.start):
        start = span.start if end is None else max(span.start, end)
        if span.end > start:
            total += span.end - start
            end = span.end
    return round(total.total_seconds() / 60)


# --- which days are to be counted again


def changed_days(since: datetime, limit: int = 5000) -> set[date]:
    """The days whose exams, appointments or reports changed since then, by index of change.

    Each moment is a day by the clock of every site: which one it is of says the counting.
    """
    procedures = RequestedProcedure.objects.filter(
        updated_at__gte=since, performed_at__isnull=False
    ).values_list("performed_at")
    appointments = Appointment.objects.filter(updated_at__gte=since).values_list(
        "start_at", "end_at"
    )
    performed = PerformedProcedureStep.objects.filter(updated_at__gte=since).values_list(
        "started_at", "ended_at", "revised_ended_at"
    )
    reports = Report.objects.filter(updated_at__gte=since).values_list("procedures__performed_at")
    moments = {
        moment
        for rows in (procedures, appointments, performed, reports)
        for row in rows[:limit]
        for moment in row
        if moment is not None
    }
    clocks = zones()
    return {moment.astimezone(zone).date() for moment in moments for zone in clocks}


def first_day() -> date | None:
    """The day of the first exam, by index; None before there is one."""
    firsts = (
        RequestedProcedure.objects.filter(stage=stage, performed_at__isnull=False)
        .order_by("performed_at")
        .values_list("performed_at", flat=True)
        .first()
        for stage in _STAGES
    )
    first = _least(firsts)
    return min(first.astimezone(zone).date() for zone in zones()) if first else None
