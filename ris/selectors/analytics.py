"""Figures of a period, from daily facts; and what stands now: backlog, next free times."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from ris.domain.analytics import TARGETS, Leg, merged, quantile
from ris.domain.orders import Stage
from ris.models import Device, DeviceFact, ExamFact, FactDay, RequestedProcedure, Site
from ris.selectors.calendar import Calendar, starts_in, subtract
from ris.selectors.resources import at_site, days_at, zone_at

LONGEST = 400  # days of one look
LOOK_AHEAD = 28
MINUTES = 30  # of the exam that a third next time is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which facts: the days, both included, and what they are of."""

    first: date
    last: date
    by: str = "modality"
    modality: str = ""
    site: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegLine:
    """How long a leg took in a group."""

    group: str
    leg: Leg
    count: int
    median: int
    p90: int
    target: int | None

    @property
    def is_late(self) -> bool:
        return self.target is not None and self.median > self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLine:
    """How a device was used."""

    name: str
    room: str
    modality: str
    open_minutes: int
    booked_minutes: int
    used_minutes: int
    appointments: int
    no_shows: int
    canceled: int

    @property
    def booked_share(self) -> int | None:
        return round(100 * self.booked_minutes / self.open_minutes) if self.open_minutes else None

    @property
    def used_share(self) -> int | None:
        return round(100 * self.used_minutes / self.open_minutes) if self.open_minutes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissLine:
    """How many did not come, and how many canceled, of those who had an appointment."""

    group: str
    appointments: int
    no_shows: int
    canceled: int

    @property
    def no_show_rate(self) -> float:
        return 100 * self.no_shows / self.appointments if self.appointments else 0.0

    @property
    def cancel_rate(self) -> float:
        asked = self.appointments + self.canceled
        return 100 * self.canceled / asked if asked else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLine:
    """The third next free time of a modality: the first two may be leftovers."""

    modality: str
    at: datetime | None = None
    days: int | None = None
    zone: tzinfo | None = None  # the clock where it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Exams that wait for their report, by age."""

    under_day: int
    under_three: int
    under_week: int
    older: int
    oldest_at: datetime | None

    @property
    def total(self) -> int:
        return self.under_day + self.under_three + self.under_week + self.older


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    exams: int
    legs: tuple[LegLine, ...]
    overall: tuple[LegLine, ...]
    days: tuple[tuple[date, int], ...]
    hours: tuple[tuple[int, int], ...]
    rooms: tuple[RoomLine, ...]
    misses: tuple[MissLine, ...]
    sites: tuple[tuple[str, str], ...]  # public id and name of each there is


def counted() -> tuple[date, date, datetime] | None:
    """The first and last day that were counted, and when last; None before the first."""
    found = FactDay.objects.aggregate(first=Min("day"), last=Max("day"), at=Max("counted_at"))
    return (found["first"], found["last"], found["at"]) if found["first"] else None


def figures(wanted: Wanted) -> Figures:
    """In three queries, whatever lies in the archive."""
    rows = ExamFact.objects.filter(day__gte=wanted.first, day__lte=wanted.last)
    if wanted.modality:
        rows = rows.filter(modality=wanted.modality)
    if wanted.priority:
        rows = rows.filter(priority=wanted.priority)
    if wanted.site:
        rows = rows.filter(site__public_id=wanted.site)
    sites = list(Site.objects.order_by("name"))
    names = {site.pk: site.name for site in sites}
    groups: dict[str, list[ExamFact]] = defaultdict(list)
    days: Counter[date] = Counter()
    hours: Counter[int] = Counter()
    for row in rows:
        groups[_group(row, wanted.by, names)].append(row)
        days[row.day] += row.exams
        hours.update({int(hour): count for hour, count in row.hours.items()})
    everything = [row for found in groups.values() for row in found]
    rooms = _rooms(wanted)
    return Figures(
        exams=sum(days.values()),
        legs=tuple(
            line
            for name in sorted(groups)
            for line in _legs(name, groups[name], _priority(name, wanted))
        ),
        overall=tuple(_legs("", everything, wanted.priority)),
        days=tuple(
            (day, days[day])
            for offset in range((wanted.last - wanted.first).days + 1)
            for day in [wanted.first + timedelta(days=offset)]
        ),
        hours=tuple((hour, hours[hour]) for hour in range(24)),
        rooms=rooms,
        misses=_misses(rooms),
        sites=tuple((str(site.public_id), site.name) for site in sites),
    )


def _group(row: ExamFact, by: str, names: Mapping[int, str]) -> str:
    if by == "site":
        return names.get(row.site_id or 0, "–")
    return (row.priority if by == "priority" else row.modality) or "–"


def _priority(group: str, wanted: Wanted) -> str:
    return group if wanted.by == "priority" else wanted.priority


def _legs(group: str, rows: Iterable[ExamFact], priority: str) -> list[LegLine]:
    listed = list(rows)
    targets = TARGETS.get(priority or "ROUTINE", {})
    found = []
    for leg in Leg:
        tally = merged(row.legs.get(leg.value, {}) for row in listed)
        median, p90 = quantile(tally, 0.5), quantile(tally, 0.9)
        if median is None or p90 is None:
            continue
        found.append(
            LegLine(
                group=group,
                leg=leg,
                count=sum(tally.values()),
                median=median,
                p90=p90,
                target=targets.get(leg),
            )
        )
    return found


def _rooms(wanted: Wanted) -> tuple[RoomLine, ...]:
    rows = DeviceFact.objects.filter(day__gte=wanted.first, day__lte=wanted.last).select_related(
        "device__room__site", "device__resource__site"
    )
    if wanted.modality:
        rows = rows.filter(device__modality=wanted.modality)
    if wanted.site:
        rows = rows.filter(at_site("device__", public_id=wanted.site))
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    devices: dict[int, Device] = {}
    for row in rows:
        devices[row.device_id] = row.device
        for name in _SUMS:
            sums[row.device_id][name] += getattr(row, name)
    lines = [
        RoomLine(
            name=device.ae_title,
            room=device.room.name if device.room else "",
            modality=device.modality,
            **{name: sums[key][name] for name in _SUMS},
        )
        for key, device in devices.items()
    ]
    return tuple(sorted(lines, key=lambda line: (line.modality, line.name)))


_SUMS = (
    "open_minutes", "booked_minutes", "used_minutes", "appointments", "no_shows", "canceled",
)  # fmt: skip


def _misses(rooms: Iterable[RoomLine]) -> tuple[MissLine, ...]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for room in rooms:
        for name in ("appointments", "no_shows", "canceled"):
            sums[room.modality][name] += getattr(room, name)
    return tuple(
        MissLine(
            group=modality,
            appointments=found["appointments"],
            no_shows=found["no_shows"],
            canceled=found["canceled"],
        )
        for modality, found in sorted(sums.items())
    )


# --- what stands now


def third_next(wanted: Wanted | None = None) -> tuple[NextLine, ...]:
    """The third next free time of each modality that is wanted, for an exam of half an hour."""
    devices = Device.objects.select_related("room__site", "resource__site").filter(active=True)
    if wanted is not None and wanted.modality:
        devices = devices.filter(modality=wanted.modality)
    if wanted is not None and wanted.site:
        devices = devices.filter(at_site(public_id=wanted.site))
    rows = list(devices.order_by("id"))
    if not rows:
        return ()
    now = timezone.now()
    calendar = Calendar(rows, *days_at(rows, now, now + timedelta(days=LOOK_AHEAD - 1)))
    found: dict[str, list[tuple[datetime, int, tzinfo]]] = defaultdict(list)
    for row in rows:
        found[row.modality] += [(at, row.pk, zone_at(row)) for at in _free(row, calendar, now)]
    return tuple(_next_line(name, found[name], now) for name in sorted(found))


def _next_line(modality: str, times: list[tuple[datetime, int, tzinfo]], now: datetime) -> NextLine:
    if len(times) < 3:
        return NextLine(modality=modality)
    at, _, zone = sorted(times, key=lambda each: each[:2])[2]
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    return NextLine(modality=modality, at=at, days=days, zone=zone)


def _free(device: Device, calendar: Calendar, now: datetime) -> list[datetime]:
    """The first three free times of a device."""
    taken = list(calendar.bookings(device).values())
    found: list[datetime] = []
    for day in calendar.days:
        for gap in subtract(calendar.open(device, day), taken):
            found += [at for at in starts_in(gap, MINUTES) if at > now]
        if len(found) >= 3:
            break
    return sorted(found)[:3]


def backlog() -> Backlog:
    """Done, and no final report yet."""
    now = timezone.now()
    day, three, week = (now - timedelta(days=days) for days in (1, 3, 7))
    found = RequestedProcedure.objects.filter(
        stage__in=[Stage.PERFORMED.value, Stage.PRELIMINARY.value], performed_at__isnull=False
    ).aggregate(
        under_day=Count("id", filter=Q(performed_at__gte=day)),
        under_three=Count("id", filter=Q(performed_at__lt=day, performed_at__gte=three)),
        under_week=Count("id", filter=Q(performed_at__lt=three, performed_at__gte=week)),
        older=Count("id", filter=Q(performed_at__lt=week)),
        oldest_at=Min("performed_at"),
    )
    return Backlog(**found)
