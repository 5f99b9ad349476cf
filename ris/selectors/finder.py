"""What the slot finder shows: the first openings, some days in full, any time's reasons.

All of it from one look at the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from django.db.models import F, FilteredRelation, Q
from django.utils import timezone

from ris.domain.local_time import whole_day
from ris.domain.openings import Against as Kind
from ris.domain.openings import Opening, Refusal
from ris.domain.scheduling import Slot
from ris.models import Device, DeviceRule, ScheduledProcedureStep
from ris.selectors.linked import Ties, span_of
from ris.selectors.openings import (
    WITH_PLACES,
    Exam,
    Openings,
    Wish,
    end_of,
    exam_of,
    resource_keys,
    start_of,
)
from ris.selectors.resources import days_at, site_of, zone_at
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
    """``first`` are the soonest within six weeks, ``days`` those that are shown in full.

    ``tied`` are exams that it belongs with, by step: times that would part them are left out.
    """

    first: tuple[Slot, ...]
    days: tuple[DaySlots, ...]
    nearest: tuple[Slot, ...]
    devices: tuple[Device, ...]  # all that do the exam's modality
    sites: tuple[Choice, ...]
    groups: tuple[Choice, ...]
    rooms: tuple[Choice, ...]
    against: tuple[Against, ...] | None
    minutes: int
    tied: dict[str, str]


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
    devices, rules, groups = _places(step)
    exam = exam_of(step, rules=rules)
    chosen = [device for device in devices if _is_in(device, where, groups)]
    load = partial(
        Openings,
        now=now,
        staff=exam.needs_staff,
        patient=exam.patient,
        besides=exam.besides,
        known=True,
    )
    calendar = load(devices, first, HORIZON_DAYS)
    asked_of = calendar
    if ask:
        day, count = days_at(devices, ask[1], ask[1] + timedelta(days=1))
        if not 0 <= (day - first).days <= HORIZON_DAYS - count:
            # Of days that were not looked through it would say that the room is not open.
            asked_of = load(devices, day, count)
    wish = wish or Wish()
    even = next_even(now, exam.minutes)
    ties = Ties.of(step)
    offered = sorted(
        opening
        for device in chosen
        for opening in calendar.look(
            device, exam, replace(wish, earliest=max(even, whole_day(first, zone_at(device))[0]))
        )[1]
        if not ties.lost(start_of(opening), end_of(opening))
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
        against=_against(asked_of, exam, devices, ask, ties) if ask else None,
        minutes=exam.minutes,
        tied=ties.exams,
    )


_Groups = dict[str, tuple[str, set[int]]]


def _places(
    step: ScheduledProcedureStep,
) -> tuple[list[Device], dict[int, dict[int, DeviceRule]], _Groups]:
    """The devices that do the modality, what the catalog says of the exam on each, and the groups.

    One query: a device comes once for each group that it or its room is in.
    """
    if not step.modality:
        return [], {}, {}
    definition = step.procedure.definition_id
    rows = (
        WITH_PLACES.filter(modality=step.modality, active=True)
        .annotate(rule=FilteredRelation(
            "procedure_rules", condition=Q(procedure_rules__definition=definition or 0)
        ))
        .annotate(
            rule_allowed=F("rule__allowed"),
            rule_minutes=F("rule__minutes"),
            own_group=F("resource__groups__public_id"),
            own_group_name=F("resource__groups__name"),
            room_group=F("room__resource__groups__public_id"),
            room_group_name=F("room__resource__groups__name"),
        )
        .order_by("ae_title", "pk")
    )  # fmt: skip
    devices: dict[int, Device] = {}
    rules: dict[int, DeviceRule] = {}
    members: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        devices.setdefault(row.pk, row)
        if row.rule_allowed is not None and definition is not None:
            rules[row.pk] = DeviceRule(
                definition_id=definition,
                device_id=row.pk,
                allowed=row.rule_allowed,
                minutes=row.rule_minutes,
            )
        if row.own_group is not None:
            members.setdefault((row.own_group_name, str(row.own_group)), set()).add(row.resource_id)
        if row.room_group is not None and row.room is not None:
            group = members.setdefault((row.room_group_name, str(row.room_group)), set())
            group.add(row.room.resource_id)
    groups = {key: (name, members[name, key]) for name, key in sorted(members)}
    return list(devices.values()), {definition: rules} if definition is not None else {}, groups


def _place_name(device: Device) -> str:
    room = device.room.name if device.room else ""
    return room or device.ae_title


def _is_in(device: Device, where: str, groups: _Groups) -> bool:
    kind, _, key = where.partition(":")
    if kind == "device":
        return str(device.public_id) == key
    if kind == "site":
        site = site_of(device)
        return site is not None and str(site.public_id) == key
    if kind == "group":
        _, members = groups.get(key, ("", set()))
        return bool(members & set(resource_keys(device)))
    return True


def _sites(devices: Sequence[Device]) -> tuple[Choice, ...]:
    sites = {site for device in devices if (site := site_of(device)) is not None}
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
    calendar: Openings,
    exam: Exam,
    devices: Sequence[Device],
    ask: tuple[str, datetime],
    ties: Ties,
) -> tuple[Against, ...]:
    key, start_at = ask
    device = next((each for each in devices if str(each.public_id) == key), None)
    if device is None:
        return ()
    lost = ties.lost(*span_of(start_at, exam.minutes_on(device)))
    return tuple(
        Against(refusal=each, until=when(each.until) if each.until is not None else None)
        for each in [
            *calendar.reasons(device, exam, start_at),
            *(Refusal(Kind.LINKED, about) for about in lost),
        ]
    )
