"""What the screens of a site show: who is called, how the rooms stand. Never a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from django.utils import timezone

from ris.domain.arrivals import LabelSize, WallKind, WallNames
from ris.domain.errors import UnknownKeyError
from ris.domain.orders import StepStatus
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import PersonName
from ris.models import DeskSettings, Device, ScheduledProcedureStep, Site, Ticket, WallLink
from ris.selectors.resources import zone_of, zone_together
from ris.selectors.rooms import day_steps

CALLED = 8  # numbers that a waiting room shows as called, the newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLine:
    public_id: str
    name: str
    site: str
    kind: str
    issued_by: str
    issued_at: datetime
    revoked_at: datetime | None
    revoked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDesk:
    public_id: str
    name: str
    label: str
    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A number on the wall; ``words`` has initials where the site shows them."""

    number: int
    words: str
    room: str
    at: datetime | None
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    site: str
    called: tuple[Called, ...]
    waiting: tuple[Called, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomState:
    """How a room stands, without saying who is in it."""

    room: str
    modality: str
    status: str  # of the exam that is most under way; empty: nobody
    since: datetime | None
    exam: str
    minutes: int
    planned_minutes: int
    next_at: datetime | None
    next_exam: str
    waiting: int
    to_come: int

    @property
    def is_over_time(self) -> bool:
        return self.status == StepStatus.STARTED.value and 0 < self.planned_minutes < self.minutes


def links() -> list[LinkLine]:
    return [
        LinkLine(
            public_id=str(row.public_id),
            name=row.name,
            site=row.site.name,
            kind=row.kind,
            issued_by=row.issued_by,
            issued_at=row.created_at,
            revoked_at=row.revoked_at,
            revoked_by=row.revoked_by,
        )
        for row in WallLink.objects.select_related("site").order_by("revoked_at", "-id")[:100]
    ]


def open_link(public_id: str) -> tuple[str, WallKind]:
    """The site's name and the kind of a link that holds; raises UnknownKeyError for any other."""
    row = (
        WallLink.objects.select_related("site").filter(public_id=public_id, revoked_at=None).first()
    )
    if row is None:
        raise UnknownKeyError("this screen's address was taken back")
    return row.site.name, WallKind(row.kind)


def site_desks() -> list[SiteDesk]:
    settings = {row.site_id: row for row in DeskSettings.objects.all()}
    found = []
    for site in Site.objects.order_by("name"):
        row = settings.get(site.pk)
        found.append(
            SiteDesk(
                public_id=str(site.public_id),
                name=site.name,
                label=row.label if row else LabelSize.MEDIUM.value,
                names=row.names if row else WallNames.NUMBER.value,
            )
        )
    return found


def find_site(key: str) -> str:
    """A site's name by public id or name; raises UnknownKeyError."""
    names = {site.public_id: site.name for site in site_desks()}
    if key in names:
        return names[key]
    if key in names.values():
        return key
    raise UnknownKeyError("no such site")


def zone_of_site(name: str) -> tzinfo:
    """The clock that hangs beside the screens."""
    return zone_of(Site.objects.filter(name=name).first())


# --- the waiting room


def waiting_room(site: str, names: WallNames) -> Waiting:
    """Who is called and who waits, by the numbers of today."""
    rows = list(
        Ticket.objects.select_related("appointment__patient", "appointment__device__room")
        .prefetch_related("appointment__steps")
        .filter(
            site__name=site,
            day=timezone.localdate(),
            appointment__status=AppointmentStatus.ARRIVED.value,
        )
        .order_by("number")
    )
    here = [row for row in rows if _is_waiting(row)]
    called = sorted(
        (row for row in here if row.called_at is not None),
        key=lambda row: row.called_at or timezone.now(),
        reverse=True,
    )
    return Waiting(
        site=site,
        called=tuple(_called(row, names) for row in called[:CALLED]),
        waiting=tuple(_called(row, names) for row in here if row.called_at is None),
    )


def _is_waiting(row: Ticket) -> bool:
    return any(
        step.status in {StepStatus.ARRIVED.value, StepStatus.READY.value}
        for step in row.appointment.steps.all()
    )


def _called(row: Ticket, names: WallNames) -> Called:
    patient = row.appointment.patient
    words = str(row.number)
    if names is WallNames.INITIALS and patient is not None:
        words = f"{initials(PersonName.parse(patient.name))} {row.number}".strip()
    device = row.appointment.device
    room = row.called_to or (device.room.name if device and device.room else "")
    return Called(number=row.number, words=words, room=room, at=row.called_at, calls=row.calls)


def initials(name: PersonName) -> str:
    """First letters of given and family name in alphabetic writing; nothing in other writings.

    One letter of an ideographic name is most of it.
    """
    parts = (name.alphabetic.given, name.alphabetic.family)
    return "".join(f"{part.strip()[0].upper()}." for part in parts if part.strip())


# --- the control room


def control_room(site: str, day: date | None = None) -> list[RoomState]:
    """How each room of a site stands now."""
    now = timezone.now()
    found = list(
        Device.objects.select_related("room__site")
        .filter(active=True, room__site__name=site)
        .order_by("room__name", "ae_title")
    )
    steps: dict[str, list[ScheduledProcedureStep]] = {device.ae_title: [] for device in found}
    today = day or timezone.localdate()
    for step in _todays(list(steps), today, zone_together(found)):
        steps[step.station_ae_title].append(step)
    return [_room(device, steps[device.ae_title], now) for device in found]


def _todays(stations: Sequence[str], day: date, zone: tzinfo) -> list[ScheduledProcedureStep]:
    return list(
        day_steps(day, zone)
        .filter(station_ae_title__in=stations)
        .select_related("procedure", "appointment")
        .prefetch_related("performed")
        .order_by("start_at", "id")
    )


_FURTHEST = {
    StepStatus.STARTED.value: 0,
    StepStatus.READY.value: 1,
    StepStatus.ARRIVED.value: 2,
}


def _room(device: Device, steps: Sequence[ScheduledProcedureStep], now: datetime) -> RoomState:
    live = sorted(
        (step for step in steps if step.status in _FURTHEST),
        key=lambda step: _FURTHEST[step.status],
    )
    inside = next((s for s in live if s.status != StepStatus.ARRIVED.value), None)
    to_come = [s for s in steps if s.status == StepStatus.SCHEDULED.value]
    following = next(
        (s for s in [*(s for s in live if s is not inside), *to_come] if s is not inside), None
    )
    since = _since(inside) if inside is not None else None
    return RoomState(
        room=device.room.name if device.room else device.ae_title,
        modality=device.modality,
        status=inside.status if inside is not None else "",
        since=since,
        exam=_words(inside) if inside is not None else "",
        minutes=max(int((now - since).total_seconds() // 60), 0) if since else 0,
        planned_minutes=inside.duration_minutes if inside is not None else 0,
        next_at=following.start_at if following is not None else None,
        next_exam=_words(following) if following is not None else "",
        waiting=sum(step.status == StepStatus.ARRIVED.value for step in live),
        to_come=len(to_come),
    )


def _words(step: ScheduledProcedureStep) -> str:
    return step.description or step.procedure.description or step.procedure.code_meaning


def _since(step: ScheduledProcedureStep) -> datetime | None:
    running = [row.started_at for row in step.performed.all() if row.ended_at is None]
    if running:
        return max(running)
    return step.appointment.arrived_at if step.appointment else None
