"""What happened on one day, counted from the records themselves: the source of daily facts.

Every query is bound to the day by an index, however large the archive is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Prefetch
from django.utils import timezone

from ris.domain.analytics import Milestones, legs
from ris.domain.orders import Stage
from ris.domain.performing import PerformedStatus
from ris.domain.reporting import VersionKind
from ris.domain.scheduling import AppointmentStatus
from ris.models import (
    Appointment,
    Device,
    DomainEvent,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.calendar import Calendar, Span, midnight
from ris.selectors.resources import site_of

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


def bounds(day: date) -> tuple[datetime, datetime]:
    """A day of the site, in instants; 23 or 25 hours where the clock is changed."""
    zone = timezone.get_default_timezone()
    return midnight(day, zone), midnight(day + timedelta(days=1), zone)


@dataclass(slots=True)
class ExamTally:
    """The exams of a day that are counted together."""

    exams: int = 0
    legs: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    hours: Counter[str] = field(default_factory=Counter)


Key = tuple[int | None, str, str]  # site, modality, priority


def exams(day: date) -> dict[Key, ExamTally]:
    """The exams that ended on a day, with the minutes of their legs as far as they are known."""
    first, last = bounds(day)
    procedures = list(
        RequestedProcedure.objects.filter(
            stage__in=_STAGES, performed_at__gte=first, performed_at__lt=last
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
        way = _milestones(procedure, steps, booked)
        tally = found[_key(procedure, steps)]
        tally.exams += 1
        if way.begun is not None:
            tally.hours[str(timezone.localtime(way.begun).hour)] += 1
        for leg, minutes in legs(way).items():
            tally.legs[leg.value][str(minutes)] += 1
    return found


def _key(procedure: RequestedProcedure, steps: Sequence[ScheduledProcedureStep]) -> Key:
    device = next((step.device for step in steps if step.device is not None), None)
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
    """Each device in use, by primary key."""
    first, last = bounds(day)
    rows = list(Device.objects.select_related("room").filter(active=True).order_by("id"))
    found = {row.pk: DeviceTally() for row in rows}
    if not rows:
        return found
    calendar = Calendar(rows, day, 1)
    for row in rows:
        found[row.pk].open_minutes = _minutes(calendar.open(row, day))
    _appointments(found, first, last)
    by_station = {row.ae_title: row.pk for row in rows}
    used: dict[int, list[Span]] = defaultdict(list)
    for station, started, ended, revised in PerformedProcedureStep.objects.filter(
        status__in=_STATES,
        started_at__gte=first,
        started_at__lt=last,
        station_ae_title__in=by_station,
    ).values_list("station_ae_title", "started_at", "ended_at", "revised_ended_at"):
        end = min(revised or ended or started, last)
        if end > started:
            used[by_station[station]].append(Span(started, end))
    for key, spans in used.items():
        found[key].used_minutes = _minutes(spans)
    return found


def _appointments(found: dict[int, DeviceTally], first: datetime, last: datetime) -> None:
    rows = list(
        Appointment.objects.filter(
            start_at__gte=first, start_at__lt=last, device__in=list(found)
        ).values_list("public_id", "order_id", "device_id", "status", "start_at", "end_at")
    )
    canceled = AppointmentStatus.CANCELED.value
    # A hold that was let go is no cancellation: only what was booked says that it was canceled.
    said = _canceled({order for _, order, _, status, _, _ in rows if order and status == canceled})
    taken: dict[int, list[Span]] = defaultdict(list)
    for public_id, _, device, status, start_at, end_at in rows:
        tally = found[device or 0]
        if status in _CAME:
            tally.appointments += 1
            taken[device or 0].append(Span(start_at, min(end_at, last)))
            tally.no_shows += status == AppointmentStatus.NO_SHOW.value
        elif status == canceled and str(public_id) in said:
            tally.canceled += 1
    for key, spans in taken.items():
        found[key].booked_minutes = _minutes(spans)


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
    """The days whose exams, appointments or reports changed since then, by index of change."""
    moments: set[datetime] = set()
    procedures = RequestedProcedure.objects.filter(
        updated_at__gte=since, performed_at__isnull=False
    )
    moments.update(_moments(procedures.values_list("performed_at", flat=True)[:limit]))
    appointments = Appointment.objects.filter(updated_at__gte=since)
    moments.update(_moments(appointments.values_list("start_at", flat=True)[:limit]))
    performed = PerformedProcedureStep.objects.filter(updated_at__gte=since)
    moments.update(_moments(performed.values_list("started_at", flat=True)[:limit]))
    reports = Report.objects.filter(updated_at__gte=since)
    moments.update(_moments(reports.values_list("procedures__performed_at", flat=True)[:limit]))
    return {timezone.localtime(moment).date() for moment in moments}


def _moments(values: Iterable[datetime | None]) -> set[datetime]:
    return {value for value in values if value is not None}


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
    return timezone.localtime(first).date() if first else None
