"""What the slot finder shows: the first openings, some days in full, any time's reasons.

All of it from one look at the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from ris.domain.openings import Opening, Refusal
from ris.domain.scheduling import Slot
from ris.models import Device, ResourceGroup, ScheduledProcedureStep
from ris.selectors.openings import (
    Exam,
    Openings,
    Wish,
    bookable_devices,
    exam_of,
    resource_keys,
)
from ris.selectors.resources import zone_of
from ris.selectors.schedule import DaySlots, days_of, next_even, slot_of
from ris.selectors.taken import minute_of, when

HORIZON_DAYS = 42
FIRST = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A place to look in: a site, a group of rooms, or one device."""

    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A reason against a time; ``until`` is when it ends, if that is known."""

    refusal: Refusal
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``first`` are the soonest within six weeks, ``days`` those that are shown in full."""

    first: tuple[Slot, ...]
    days: tuple[DaySlots, ...]
    nearest: tuple[Slot, ...]
    devices: tuple[Device, ...]  # all that do the exam's modality
    sites: tuple[Choice, ...]
    groups: tuple[Choice, ...]
    rooms: tuple[Choice, ...]
    against: tuple[Against, ...] | None
    minutes: int


def find(
    step: ScheduledProcedureStep,
    first: date,
    days: int,
    *,
    where: str = "",
    wish: Wish | None = None,
    near: datetime | None = None,
    ask: tuple[str, datetime] | None = None,
) -> Found:
    """Look for times for a step. ``near``: also the three nearest to a time that was not to be had.

    ``ask`` is a device (by public id) and a time whose reasons are wanted.
    """
    now = timezone.now()
    exam = exam_of(step)
    devices = bookable_devices(step.modality)
    groups = _groups(devices)
    chosen = [device for device in devices if _is_in(device, where, groups)]
    begin = min(first, timezone.localtime(ask[1]).date()) if ask else first
    begin = min(begin, timezone.localtime(near).date()) if near else begin
    calendar = Openings(
        devices,
        begin,
        (first - begin).days + HORIZON_DAYS,
        now=now,
        staff=exam.needs_staff,
        patient=exam.patient,
        besides=exam.besides,
    )
    wish = wish or Wish()
    midnight = datetime.combine(first, datetime.min.time(), zone_of(None))
    wish = Wish(
        earliest=max(next_even(now, exam.minutes), midnight),
        hours=wish.hours,
        with_gaps=wish.with_gaps,
    )
    offered = sorted(
        opening for device in chosen for opening in calendar.look(device, exam, wish)[1]
    )
    by_key = {device.pk: device for device in devices}
    shown = [first + timedelta(days=offset) for offset in range(days)]
    return Found(
        first=tuple(slot_of(by_key[each.place], each) for each in offered[:FIRST]),
        days=tuple(days_of(calendar, exam, chosen, shown, offered)),
        nearest=_nearest(offered, by_key, near),
        devices=tuple(devices),
        sites=_sites(devices),
        groups=tuple(Choice(f"group:{key}", name) for key, (name, _) in groups.items()),
        rooms=tuple(Choice(f"device:{each.public_id}", _place_name(each)) for each in devices),
        against=_against(calendar, exam, devices, ask) if ask else None,
        minutes=exam.minutes,
    )


def _groups(devices: Sequence[Device]) -> dict[str, tuple[str, set[int]]]:
    """The groups that hold some of the devices or their rooms, with their members; one query."""
    keys = {key for device in devices for key in resource_keys(device)}
    rows = (
        ResourceGroup.objects.filter(members__in=keys)
        .order_by("name")
        .values_list("public_id", "name", "members")
    )
    found: dict[str, tuple[str, set[int]]] = {}
    for public_id, name, member in rows:
        found.setdefault(str(public_id), (name, set()))[1].add(member)
    return found


def _place_name(device: Device) -> str:
    room = device.room.name if device.room else ""
    return room or device.ae_title


def _is_in(device: Device, where: str, groups: dict[str, tuple[str, set[int]]]) -> bool:
    kind, _, key = where.partition(":")
    if kind == "device":
        return str(device.public_id) == key
    if kind == "site":
        site = device.room.site if device.room else None
        return site is not None and str(site.public_id) == key
    if kind == "group":
        _, members = groups.get(key, ("", set()))
        return bool(members & set(resource_keys(device)))
    return True


def _sites(devices: Sequence[Device]) -> tuple[Choice, ...]:
    sites = {device.room.site for device in devices if device.room and device.room.site}
    return tuple(
        Choice(f"site:{site.public_id}", site.name)
        for site in sorted(sites, key=lambda site: site.name)
    )


def _nearest(
    offered: Sequence[Opening], devices: dict[int, Device], near: datetime | None
) -> tuple[Slot, ...]:
    """Three free times as near as possible to the one that was taken meanwhile."""
    if near is None:
        return ()
    wanted = minute_of(near)
    found = sorted(offered, key=lambda each: (abs(each.start - wanted), each))[:3]
    return tuple(slot_of(devices[each.place], each) for each in found)


def _against(
    calendar: Openings, exam: Exam, devices: Sequence[Device], ask: tuple[str, datetime]
) -> tuple[Against, ...]:
    device = next((each for each in devices if str(each.public_id) == ask[0]), None)
    if device is None:
        return ()
    return tuple(
        Against(refusal=each, until=when(each.until) if each.until is not None else None)
        for each in calendar.reasons(device, exam, ask[1])
    )
