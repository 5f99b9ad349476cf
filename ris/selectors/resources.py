"""Rooms, devices and staff as things to book: when they are open, closed, down or kept for some.

:class:`Timetable` is what every calendar is made from: all of it for many resources over some days
in five queries. Hours are in the local time of a resource's site.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from ris.domain.facility import ResourceKind
from ris.domain.local_time import between, whole_day
from ris.domain.resources import KeptFor, KeptTime, release_at
from ris.domain.scheduling import UNTIL_FURTHER_NOTICE, ClosureKind
from ris.models import (
    Block,
    Closure,
    Device,
    Holiday,
    Resource,
    ResourceHours,
    ScheduledProcedureStep,
    Site,
)

# Where neither a device nor its room has hours of its own.
DEFAULT_HOURS = (time(8), time(18))

Stretch = tuple[datetime, datetime]  # half open, in UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureView:
    """A resource is closed or down; ``end_at`` None: until further notice."""

    key: int
    kind: ClosureKind
    start_at: datetime
    end_at: datetime | None
    reason: str

    @property
    def until(self) -> datetime:
        return self.end_at or UNTIL_FURTHER_NOTICE

    def holds(self, at: datetime) -> bool:
        return self.start_at <= at < self.until


def closure_view(row: Closure) -> ClosureView:
    return ClosureView(
        key=row.pk,
        kind=ClosureKind(row.kind),
        start_at=row.start_at,
        end_at=None if row.open_ended else row.end_at,
        reason=row.reason,
    )


def zone_of(site: Site | None) -> tzinfo:
    """The time zone of a site; without one of its own, that of the settings."""
    if site is None or not site.time_zone:
        return timezone.get_default_timezone()
    return ZoneInfo(site.time_zone)


def site_of(device: Device) -> Site | None:
    """Where a device stands: the site of its room; of one in no room (a mobile one) its own."""
    return device.room.site if device.room is not None else device.resource.site


def zone_at(device: Device | None) -> tzinfo:
    """The time zone in which people say times of a device: that of the site where it stands."""
    if device is None:
        return timezone.get_default_timezone()
    return zone_of(site_of(device))


def zone_of_device(key: str) -> tzinfo:
    """By which clock the times of a device are said: one that is named by public id or AE title.

    Of one that is not there, that of the settings.
    """
    rows = Device.objects.select_related("resource__site", "room__site")
    try:
        return zone_at(rows.filter(public_id=uuid.UUID(key)).first())
    except ValueError:
        return zone_at(rows.filter(ae_title=key).first())


def zone_of_steps(steps: Iterable[ScheduledProcedureStep]) -> tzinfo:
    """The clock by which people say when these are done: of the first that has a device."""
    return zone_at(next((step.device for step in steps if step.device is not None), None))


def zone_together(devices: Iterable[Device]) -> tzinfo:
    """The zone that all of them have; of several, that of the settings."""
    zones = {zone_at(device) for device in devices}
    return zones.pop() if len(zones) == 1 else timezone.get_default_timezone()


# Further apart than the clocks of any two sites.
CLOCKS_APART = timedelta(hours=27)


def at_site(device: str = "", **conditions: object) -> Q:
    """What is done at a site that is such; which site that is says :func:`site_of`."""
    room = {f"{device}room__site__{name}": value for name, value in conditions.items()}
    own = {f"{device}resource__site__{name}": value for name, value in conditions.items()}
    roomless = f"{device}room__isnull"
    return Q(**{roomless: False}, **room) | Q(**{roomless: True}, **own)


def elsewhere(device: str = "") -> Q:
    """What is done where the clock may be another than that of the settings."""
    here = at_site(device, time_zone__in=["", settings.TIME_ZONE])
    return at_site(device, isnull=False) & ~here


def days_at(devices: Iterable[Device], low: datetime, high: datetime) -> tuple[date, int]:
    """The days, the first and how many, that a stretch of time touches where the devices stand."""
    zones = {zone_at(device) for device in devices} or {timezone.get_default_timezone()}
    first = min(low.astimezone(zone).date() for zone in zones)
    last = max(high.astimezone(zone).date() for zone in zones)
    return first, (last - first).days + 1


def kept_for(row: Block) -> KeptFor:
    return KeptFor(
        procedures=tuple(row.procedures),
        modalities=tuple(row.modalities),
        priorities=tuple(row.priorities),
        groups=tuple(row.groups),
    )


def kept_times(row: Block, days: Sequence[date], zone: tzinfo) -> list[KeptTime]:
    """The stretches of a block on these days; one that was kept once is there whole."""
    if row.start_at is not None and row.end_at is not None:
        return [_kept(row, row.start_at, row.end_at, None)]
    opens, closes = row.opens, row.closes
    if opens is None or closes is None:
        return []
    found = []
    for day in days:
        if day.weekday() != row.weekday or not _is_valid(row, day):
            continue
        start_at, end_at = between(day, opens, closes, zone)
        if start_at < end_at:
            found.append(_kept(row, start_at, end_at, day))
    return found


def _is_valid(row: Block, day: date) -> bool:
    return (row.valid_from is None or row.valid_from <= day) and (
        row.valid_until is None or day <= row.valid_until
    )


def _kept(row: Block, start_at: datetime, end_at: datetime, day: date | None) -> KeptTime:
    return KeptTime(
        block=str(row.public_id),
        label=row.label,
        start_at=start_at,
        end_at=end_at,
        kept_for=kept_for(row),
        release_at=release_at(start_at, row.release_hours_before),
        released=row.released_at is not None
        or (day is not None and day.isoformat() in row.released_days),
    )


class Timetable:
    """Hours, holidays, closures and kept time of resources (by primary key) over some days.

    ``known`` are those that were read already, with their sites.
    """

    def __init__(
        self, resources: Iterable[int], first: date, days: int, known: Iterable[Resource] = ()
    ) -> None:
        keys = set(resources)
        self.resources = {row.pk: row for row in known if row.pk in keys}
        if unknown := keys - set(self.resources):
            rows = Resource.objects.select_related("site").filter(pk__in=unknown)
            self.resources |= {row.pk: row for row in rows}
        self.days = [first + timedelta(days=offset) for offset in range(days)]
        self._zones = {key: zone_of(row.site) for key, row in self.resources.items()}
        ends = [whole_day(day, zone) for zone in {*self._zones.values(), zone_of(None)}
                for day in (self.days[0], self.days[-1])]  # fmt: skip
        # Together what the days are anywhere.
        self.span: Stretch = (min(start for start, _ in ends), max(end for _, end in ends))
        self._hours: dict[int, list[ResourceHours]] = defaultdict(list)
        for hours in ResourceHours.objects.filter(resource__in=keys).order_by("opens"):
            self._hours[hours.resource_id].append(hours)
        self._holidays: dict[tuple[int | None, date], str] = {
            (row.site_id, row.date): row.name for row in Holiday.objects.filter(date__in=self.days)
        }
        low, high = self.span
        self._closures: dict[int, list[ClosureView]] = defaultdict(list)
        for closure in Closure.objects.filter(
            resource__in=keys, start_at__lt=high, end_at__gt=low
        ).order_by("start_at"):
            self._closures[closure.resource_id].append(closure_view(closure))
        self._blocks: dict[int, list[Block]] = defaultdict(list)
        weekly = Q(weekday__in={day.weekday() for day in self.days})
        once = Q(start_at__lt=high, end_at__gt=low)
        for block in Block.objects.filter(weekly | once, resource__in=keys).order_by("pk"):
            self._blocks[block.resource_id].append(block)

    def zone(self, resource: int) -> tzinfo:
        return self._zones[resource]

    def has_hours(self, resource: int) -> bool:
        return bool(self._hours[resource])

    def week(self, resource: int) -> list[tuple[int, time, time]]:
        """Its own weekly hours, as they are said."""
        return [(row.weekday, row.opens, row.closes) for row in self._hours[resource]]

    def hours(self, resource: int, day: date) -> list[Stretch]:
        """The resource's own hours of a day, whatever closes it; none if it has none at all."""
        return _joined(
            between(day, row.opens, row.closes, self._zones[resource])
            for row in self._hours[resource]
            if row.weekday == day.weekday()
        )

    def hours_together(self, resources: Sequence[int], day: date) -> list[Stretch]:
        """When all of them are open: those without hours do not count, and if none has, 8 to 18."""
        found: list[Stretch] | None = None
        for key in resources:
            if self.has_hours(key):
                own = self.hours(key, day)
                found = own if found is None else _common(found, own)
        if found is None:
            return [between(day, *DEFAULT_HOURS, self._zones[resources[0]])]
        return found

    def holiday(self, resource: int, day: date) -> str:
        """What the day is called if it closes this room or device; empty if it does not."""
        row = self.resources[resource]
        if row.open_on_holidays or row.kind == ResourceKind.STAFF.value:
            return ""
        named = self._holidays.get((row.site_id, day)) if row.site_id else None
        return named or self._holidays.get((None, day), "")

    def closures(self, resource: int) -> list[ClosureView]:
        """Closures and downtimes that touch the days, in order."""
        return self._closures[resource]

    def kept(self, resource: int) -> list[KeptTime]:
        """The kept stretches that touch the days, released ones too, in order."""
        found = [
            each
            for row in self._blocks[resource]
            for each in kept_times(row, self.days, self._zones[resource])
        ]
        return sorted(found, key=lambda each: each.start_at)


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Sorted, apart from each other, without what the clock jumps over."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _common(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    return [
        (max(a[0], b[0]), min(a[1], b[1]))
        for a in one
        for b in other
        if max(a[0], b[0]) < min(a[1], b[1])
    ]


# --- what is down


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """A device that does not work, or whose room is out of use; ``until`` None: nobody knows."""

    ae_title: str
    device: str  # public id
    resource: str  # public id of what was said to be down: the device or its room
    resource_name: str
    since: datetime
    until: datetime | None
    reason: str


def down_devices(at: datetime) -> dict[str, Down]:
    """The devices that are down at a time, by AE title; one query."""
    rows = Closure.objects.filter(
        Q(resource__device__active=True) | Q(resource__room__devices__active=True),
        kind=ClosureKind.DOWNTIME.value,
        start_at__lte=at,
        end_at__gt=at,
    )
    found: dict[str, Down] = {}
    values = rows.order_by("end_at").values_list(
        "resource__device__ae_title",
        "resource__device__public_id",
        "resource__room__devices__ae_title",
        "resource__room__devices__public_id",
        "resource__public_id",
        "resource__name",
        "start_at",
        "end_at",
        "reason",
    )
    for own, own_id, inside, inside_id, resource, name, since, until, reason in values:
        ae_title = own or inside
        found[ae_title] = Down(
            ae_title=ae_title,
            device=str(own_id if own else inside_id),
            resource=str(resource),
            resource_name=name,
            since=since,
            until=None if until >= UNTIL_FURTHER_NOTICE else until,
            reason=reason,
        )
    return found
