"""What the pages of rooms, devices and staff show: which are open now, and one with all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.facility import ResourceKind
from ris.domain.opening_hours import Hours, by_day
from ris.domain.resources import KeptFor, KeptTime
from ris.domain.scheduling import AppointmentStatus, ClosureKind
from ris.models import (
    Block,
    Booking,
    Closure,
    Device,
    Holiday,
    Practitioner,
    Resource,
    ResourceGroup,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import (
    ClosureView,
    Timetable,
    closure_view,
    kept_for,
    kept_times,
    zone_of,
)

AHEAD_DAYS = 8  # how far is looked for the next opening
MOST_INSIDE = 50  # bookings that are listed
MOST_CLOSURES = 60  # of one resource that are listed
LATELY = 5  # of those that are over
MOST_STRETCHES = 20  # closures that are looked into
KEPT_DAYS = 28  # for which a weekly block's stretches are listed


class Now(StrEnum):
    """What can be said of a resource at a moment."""

    OPEN = "OPEN"
    HERE = "HERE"  # somebody of the staff
    SHUT = "SHUT"  # outside of its hours
    CLOSED = "CLOSED"
    HOLIDAY = "HOLIDAY"
    DOWN = "DOWN"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """``until`` None: nobody knows, or not within a week."""

    now: Now
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLine:
    public_id: str
    kind: ResourceKind
    name: str
    about: tuple[str, ...]  # of a device its modality and room, of a room its devices, else skills
    site: str
    groups: tuple[str, ...]
    state: State
    ae_title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLine:
    """A block, and the next stretches of a weekly one."""

    public_id: str
    label: str
    weekday: int | None
    opens: time | None
    closes: time | None
    valid_from: date | None
    valid_until: date | None
    start_at: datetime | None
    end_at: datetime | None
    kept_for: KeptFor
    release_hours_before: int | None
    released: bool
    times: tuple[KeptTime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedInside:
    """A booking that a closure lies over."""

    step: str  # public id
    order: str
    start_at: datetime
    end_at: datetime
    station: str
    procedure: str
    patient: PatientLine


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePage:
    """Everything that booking knows of one resource."""

    line: ResourceLine
    key: int
    active: bool
    site_time_zone: str
    days: tuple[tuple[Hours, ...], ...]  # its own hours, Monday first
    room_days: tuple[tuple[Hours, ...], ...]  # of a device's room; empty without any
    buffer_before_minutes: int
    buffer_after_minutes: int
    gap_minutes: int
    open_on_holidays: bool
    note: str
    staff: str  # public id of the person
    skills: tuple[str, ...]
    practitioner: str
    closures: tuple[ClosureView, ...]  # that are not over
    past: tuple[ClosureView, ...]  # the latest that are
    blocks: tuple[BlockLine, ...]
    related: tuple[tuple[str, str], ...]  # (public id, name): the devices of a room, or the room


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    public_id: str
    name: str
    members: tuple[tuple[str, str, str], ...]  # (public id, kind, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayLine:
    public_id: str
    date: date
    name: str
    site: str


# --- the list


def _resources() -> QuerySet[Resource]:
    return Resource.objects.select_related(
        "site", "room", "device__room__resource", "staff__practitioner"
    ).prefetch_related(
        Prefetch("groups", queryset=ResourceGroup.objects.order_by("name")),
        Prefetch(
            "room__devices", queryset=Device.objects.select_related("resource").order_by("ae_title")
        ),
    )


def resource_lines(
    at: datetime,
    *,
    kind: ResourceKind | None = None,
    group: str = "",
    retired: bool = False,
) -> list[ResourceLine]:
    """Resources with what they are now; a bounded number of queries."""
    rows = _resources().order_by("kind", "name")
    if kind is not None:
        rows = rows.filter(kind=kind.value)
    if group:
        rows = rows.filter(groups__name=group)
    if not retired:
        rows = rows.filter(active=True)
    found = list(rows)
    table = _table(found, at)
    order = list(ResourceKind)
    return sorted(
        (_line(row, _state(row, table, at)) for row in found),
        key=lambda line: (order.index(line.kind), line.name.casefold()),
    )


def _line(row: Resource, state: State) -> ResourceLine:
    kind = ResourceKind(row.kind)
    about: list[str] = []
    ae_title = ""
    match kind:
        case ResourceKind.DEVICE:
            device = row.device
            ae_title = device.ae_title
            about = [device.modality, device.station_name, device.room.name if device.room else ""]
        case ResourceKind.ROOM:
            about = [device.ae_title for device in row.room.devices.all() if device.active]
        case ResourceKind.STAFF:
            about = list(row.staff.skills)
    return ResourceLine(
        public_id=str(row.public_id),
        kind=kind,
        name=row.name,
        about=tuple(text for text in about if text),
        site=row.site.name if row.site else "",
        groups=tuple(group.name for group in row.groups.all()),
        state=state,
        ae_title=ae_title,
    )


def _together(row: Resource) -> list[int]:
    """What has to be open for it: of a device, its room too."""
    if row.kind == ResourceKind.DEVICE.value and row.device.room is not None:
        return [row.pk, row.device.room.resource_id]
    return [row.pk]


def _table(rows: Sequence[Resource], at: datetime) -> Timetable:
    keys = {key for row in rows for key in _together(row)}
    # A day before as well, for where it is still yesterday.
    return Timetable(keys, at.date() - timedelta(days=1), AHEAD_DAYS + 1)


def _state(row: Resource, table: Timetable, at: datetime) -> State:
    if not row.active:
        return State(now=Now.RETIRED)
    keys = _together(row)
    closures = [each for key in keys for each in table.closures(key)]
    here = sorted((each for each in closures if each.holds(at)), key=lambda each: each.until)
    down = [each for each in here if each.kind is ClosureKind.DOWNTIME]
    for now, holding in ((Now.DOWN, down), (Now.CLOSED, here)):
        if holding:
            return State(now=now, until=holding[-1].end_at, reason=holding[-1].reason)
    today = at.astimezone(table.zone(row.pk)).date()
    name = next(filter(None, (table.holiday(key, today) for key in keys)), "")
    opened = _opened(row, table, keys)
    if name:
        until = next((start for start, _ in opened if start > at), None)
        return State(now=Now.HOLIDAY, until=until, reason=name)
    for start, end in opened:
        if start <= at < end:
            starts = [each.start_at for each in closures if at < each.start_at < end]
            person = row.kind == ResourceKind.STAFF.value
            until = min([end, *starts])
            always = (start, end) == table.span and until == end
            return State(now=Now.HERE if person else Now.OPEN, until=None if always else until)
        if start > at:
            return State(now=Now.SHUT, until=start)
    return State(now=Now.SHUT)


def _opened(
    row: Resource, table: Timetable, keys: Sequence[int]
) -> list[tuple[datetime, datetime]]:
    """When it is open on the days of the table, holidays left out."""
    if row.kind == ResourceKind.STAFF.value and not table.has_hours(row.pk):
        return [table.span]  # somebody without hours is there whenever the room is
    found: list[tuple[datetime, datetime]] = []
    for day in table.days:
        if any(table.holiday(key, day) for key in keys):
            continue
        for start, end in table.hours_together(keys, day):
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            else:
                found.append((start, end))
    return found


# --- one resource


def resource_page(public_id: str | UUID, at: datetime) -> ResourcePage:
    """One resource; raises UnknownKeyError."""
    row = _resources().filter(public_id=public_id).first()
    if row is None:
        raise UnknownKeyError("no such resource")
    zone = zone_of(row.site)
    today = at.astimezone(zone).date()
    days = [today + timedelta(days=offset) for offset in range(KEPT_DAYS)]
    # Newest first, so that what lies far back is not read.
    closures = [
        closure_view(each)
        for each in Closure.objects.filter(resource=row).order_by("-end_at", "-pk")[:MOST_CLOSURES]
    ]
    table = _table([row], at)
    person = row.staff if row.kind == ResourceKind.STAFF.value else None
    return ResourcePage(
        line=_line(row, _state(row, table, at)),
        key=row.pk,
        active=row.active,
        site_time_zone=str(zone),
        days=by_day(table.week(row.pk)),
        room_days=_room_days(row, table),
        buffer_before_minutes=row.buffer_before_minutes,
        buffer_after_minutes=row.buffer_after_minutes,
        gap_minutes=row.gap_minutes,
        open_on_holidays=row.open_on_holidays,
        note=row.note,
        staff=str(person.public_id) if person else "",
        skills=tuple(person.skills) if person else (),
        practitioner=str(person.practitioner.public_id) if person and person.practitioner else "",
        closures=tuple(
            sorted((each for each in closures if each.until > at), key=lambda each: each.start_at)
        ),
        past=tuple([each for each in closures if each.until <= at][:LATELY]),
        blocks=tuple(
            _block(each, days, at)
            for each in Block.objects.select_related("resource__site")
            .filter(Q(weekday__isnull=False) | Q(end_at__gt=at), resource=row)
            .order_by("weekday", "opens", "start_at")
        ),
        related=_related(row),
    )


def _room_days(row: Resource, table: Timetable) -> tuple[tuple[Hours, ...], ...]:
    hours = [each for key in _together(row) if key != row.pk for each in table.week(key)]
    return by_day(hours) if hours else ()


def _related(row: Resource) -> tuple[tuple[str, str], ...]:
    if row.kind == ResourceKind.DEVICE.value and row.device.room is not None:
        return ((str(row.device.room.resource.public_id), row.device.room.name),)
    if row.kind == ResourceKind.ROOM.value:
        return tuple(
            (str(device.resource.public_id), device.ae_title)
            for device in row.room.devices.all()
            if device.active
        )
    return ()


def _block(row: Block, days: Sequence[date], at: datetime) -> BlockLine:
    times = kept_times(row, days, zone_of(row.resource.site)) if row.weekday is not None else []
    return BlockLine(
        public_id=str(row.public_id),
        label=row.label,
        weekday=row.weekday,
        opens=row.opens,
        closes=row.closes,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        start_at=row.start_at,
        end_at=row.end_at,
        kept_for=kept_for(row),
        release_hours_before=row.release_hours_before,
        released=row.released_at is not None,
        times=tuple(each for each in times if each.end_at > at),
    )


def block_line(public_id: str | UUID, at: datetime) -> tuple[str, BlockLine]:
    """The resource's public id and its block; raises UnknownKeyError."""
    row = Block.objects.select_related("resource__site").filter(public_id=public_id).first()
    if row is None:
        raise UnknownKeyError("no such block")
    today = at.astimezone(zone_of(row.resource.site)).date()
    days = [today + timedelta(days=offset) for offset in range(KEPT_DAYS)]
    return str(row.resource.public_id), _block(row, days, at)


# --- what a closure lies over


_AHEAD = [
    status.value
    for status in (AppointmentStatus.HELD, AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED)
]


def booked_inside(
    resource: int, stretches: Sequence[tuple[datetime, datetime]], at: datetime
) -> list[BookedInside]:
    """The exams of a resource that lie in any of these, the first ones; to be moved elsewhere."""
    if not stretches:
        return []
    inside = Q()
    for start_at, end_at in stretches[:MOST_STRETCHES]:
        inside |= Q(start_at__lt=end_at, end_at__gt=max(start_at, at))
    rows = (
        Booking.objects.filter(inside, resource=resource, live=True, appointment__status__in=_AHEAD)
        .order_by("start_at", "pk")
        .values_list("appointment", flat=True)[:MOST_INSIDE]
    )
    return _exams(list(rows))


def _exams(appointments: Sequence[int]) -> list[BookedInside]:
    steps = (
        ScheduledProcedureStep.objects.filter(appointment__in=appointments)
        .select_related("procedure__order__patient__merged_into", "appointment")
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )
        .order_by("appointment__start_at", "pk")
    )
    found = []
    for step in steps:
        appointment = step.appointment
        if appointment is None:
            continue
        order = step.procedure.order
        found.append(
            BookedInside(
                step=str(step.public_id),
                order=str(order.public_id),
                start_at=appointment.start_at,
                end_at=appointment.end_at,
                station=step.station_ae_title,
                procedure=step.procedure.description or step.procedure.code_meaning,
                patient=line(order.patient),
            )
        )
    return found


# --- groups, holidays, and what forms choose from


def groups() -> list[GroupLine]:
    rows = ResourceGroup.objects.prefetch_related(
        Prefetch("members", queryset=Resource.objects.order_by("kind", "name"))
    )
    return [
        GroupLine(
            public_id=str(row.public_id),
            name=row.name,
            members=tuple(
                (str(each.public_id), each.kind, each.name) for each in row.members.all()
            ),
        )
        for row in rows.order_by("name")
    ]


def holidays(first: date | None = None) -> list[HolidayLine]:
    """Holidays in order of time; from ``first`` on, or all."""
    rows = Holiday.objects.select_related("site").order_by("date", "site__name")
    return [
        HolidayLine(
            public_id=str(row.public_id),
            date=row.date,
            name=row.name,
            site=row.site.name if row.site else "",
        )
        for row in (rows.filter(date__gte=first) if first else rows)
    ]


def site_names() -> list[str]:
    return list(Site.objects.order_by("name").values_list("name", flat=True))


def group_names() -> list[str]:
    return list(ResourceGroup.objects.order_by("name").values_list("name", flat=True))


def practitioners() -> list[tuple[str, str]]:
    """(public id, name) of those who order, perform or read."""
    rows = Practitioner.objects.order_by("name").values_list("public_id", "name")
    return [(str(key), name) for key, name in rows]


def choices() -> list[tuple[str, str]]:
    """(public id, name) of what can be in a group."""
    rows = Resource.objects.filter(active=True).order_by("kind", "name")
    return [(str(row.public_id), row.name) for row in rows]


def is_known(kind: ResourceKind, name: str) -> bool:
    return Resource.objects.filter(kind=kind.value, name=name).exists()


def key_of(kind: ResourceKind, name: str) -> str:
    """The public id; raises UnknownKeyError."""
    row = Resource.objects.filter(kind=kind.value, name=name).only("public_id").first()
    if row is None:
        raise UnknownKeyError(f"no {kind.value.lower()} {name}")
    return str(row.public_id)
