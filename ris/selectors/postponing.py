"""A room runs late: its exams of the day, each later by so many minutes. Nothing is taken.

From one exam on, whatever is booked and not begun. Only as far as needed: an exam moves if one that
moves would run into it, and then to where that one ends, so that gaps make good for the delay. What
stands against a time is what the door would say; besides, exams of a patient that follow each other
keep the time between them. However many appointments, the number of queries is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils.translation import gettext_noop as noop

from ris.domain import openings as engine
from ris.domain.local_time import ended, whole_day
from ris.domain.openings import GRID_MINUTES, Against, Opening, Refusal
from ris.domain.orders import StepStatus
from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment, Device
from ris.selectors.linked import losses, span_of
from ris.selectors.openings import Exam, rules_of
from ris.selectors.relocation import Proposal, Search, Touched, known_exam, touched
from ris.selectors.resources import zone_at
from ris.selectors.taken import minute_of

LEAST, MOST = 5, 240  # minutes
# What keeps a time from being offered and does not refuse it; who comes later has prepared already.
_NO_REFUSAL = frozenset({Against.GAP, Against.NOT_WISHED, Against.LEAD_TIME})
_TAKEN_BY = noop("that time is taken by {about}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """``moves`` have a new time, and in ``against`` why they cannot have it."""

    moves: tuple[Proposal, ...] = ()
    unmoved: tuple[Proposal, ...] = ()  # nothing runs into them
    stay: tuple[Proposal, ...] = ()  # who is here, or whose exam has begun

    @property
    def cannot(self) -> list[Proposal]:
        return [each for each in self.moves if each.against]


@dataclass(frozen=True, slots=True)
class _Late:
    each: Touched
    exam: Exam
    device: Device
    start_at: datetime


def postponed(
    begin: Appointment,
    devices: Sequence[Device],
    minutes: int,
    *,
    needed_only: bool,
    now: datetime,
) -> Postponed:
    """The day of the room of ``begin`` from it on, each exam ``minutes`` later at most."""
    by_key = {device.pk: device for device in devices}
    device = by_key.get(begin.device_id or 0)
    if device is None:
        return Postponed()
    zone = zone_at(device)
    _low, high = whole_day(begin.start_at.astimezone(zone).date(), zone)
    rows = [
        each
        for each in touched(device, begin.start_at, high, devices)
        if each.row.start_at >= begin.start_at
    ]
    rows.sort(key=lambda each: (each.row.start_at, each.row.pk != begin.pk, each.row.pk))
    movable = [each for each in rows if _is_movable(each)]
    rules = rules_of(
        {each.step.procedure.definition for each in movable if each.step.procedure.definition}
    )
    exams = {each.row.pk: _exam(each, known_exam(each.step, rules)) for each in movable}
    late = _later(movable, exams, by_key, minutes, begin, needed_only=needed_only)
    moving = {each.each.row.pk for each in late}
    here = {each.row.pk: each.line.patient.name.display for each in rows if not _is_movable(each)}
    against = _against(late, devices, here, now)
    return Postponed(
        moves=tuple(_proposal(each, against[each.each.row.pk]) for each in late),
        unmoved=tuple(Proposal(line=each.line) for each in movable if each.row.pk not in moving),
        stay=tuple(Proposal(line=each.line) for each in rows if not _is_movable(each)),
    )


def _is_movable(each: Touched) -> bool:
    return each.line.status == AppointmentStatus.BOOKED.value and all(
        step.status == StepStatus.SCHEDULED.value for step in each.line.steps
    )


def _exam(each: Touched, exam: Exam) -> Exam:
    """It keeps the length that was agreed."""
    return replace(exam, minutes=_length(each.row), fixed=True)


def _length(row: Appointment) -> int:
    return round((row.end_at - row.start_at).total_seconds() / 60)


def _later(
    movable: Iterable[Touched],
    exams: dict[int, Exam],
    devices: dict[int, Device],
    minutes: int,
    begin: Appointment,
    *,
    needed_only: bool,
) -> list[_Late]:
    """Those that move, in the order of the day, with their new time."""
    found: list[_Late] = []
    free_at = begin.start_at  # of the room, after those that move
    for each in movable:
        row, exam = each.row, exams[each.row.pk]
        device = devices[row.device_id or 0]
        before, after = _kept_free(exam, device)
        start_at = row.start_at + timedelta(minutes=minutes)
        if needed_only and row.pk != begin.pk:
            due = free_at + timedelta(minutes=before)
            start_at = min(max(row.start_at, _on_grid(due)), start_at)
        if start_at > row.start_at:
            found.append(_Late(each, exam, device, start_at))
            free_at = max(free_at, ended(start_at, exam.minutes + after))
    return found


def _on_grid(at: datetime) -> datetime:
    minute = minute_of(at)
    return at + timedelta(minutes=-minute % GRID_MINUTES)


def _kept_free(exam: Exam, device: Device) -> tuple[int, int]:
    """The minutes before and after it, as ``Openings.place`` has them."""
    resources = [device.resource, *([device.room.resource] if device.room else [])]
    return (
        max(exam.before, *(each.buffer_before_minutes for each in resources)),
        max(exam.after, *(each.buffer_after_minutes for each in resources)),
    )


def _against(
    late: Sequence[_Late], devices: Iterable[Device], here: Mapping[int, str], now: datetime
) -> dict[int, tuple[str, ...]]:
    """Why each cannot have its new time, by appointment; all others have left theirs."""
    if not late:
        return {}
    used = {each.device.pk for each in late}
    search = Search(
        [each.exam for each in late],
        [each.each.row for each in late],
        [device for device in devices if device.pk in used],
        now,
    )
    linked = losses(
        [each.each.row for each in late],
        {each.each.row.pk: span_of(each.start_at, _length(each.each.row)) for each in late},
    )
    found: dict[int, tuple[str, ...]] = {}
    # The last one first, as they are moved (the patient's next exam makes way before).
    for each in reversed(late):
        start = minute_of(each.start_at)
        place = search.calendar.place(each.device, each.exam)
        own = [*place.taken, *search.taken[each.device.pk]]
        place = replace(place, taken=sorted(own))
        need = replace(search.calendar.need(each.exam), patient=search.busy[each.exam.patient])
        reasons = engine.reasons(place, need, start, search.people)
        words = [_words(one, here) for one in reasons if one.kind not in _NO_REFUSAL]
        found[each.each.row.pk] = tuple(dict.fromkeys([*words, *linked.get(each.each.row.pk, ())]))
        opening = Opening(start, each.device.pk, each.exam.minutes)
        team = engine.team(place, need, search.people, start) if each.exam.needs_staff else []
        search.take(each.device, place, opening)
        search.occupy(team or [], opening)
        search.busy[each.exam.patient].append((opening.start, opening.end))
    return found


def _words(reason: Refusal, here: Mapping[int, str]) -> str:
    """With the name of who is in the way and stays."""
    name = here.get(reason.owner) if reason.kind is Against.TAKEN else None
    return _TAKEN_BY.format(about=name) if name else reason.words


def _proposal(late: _Late, against: tuple[str, ...]) -> Proposal:
    device, row = late.device, late.each.row
    return Proposal(
        line=late.each.line,
        device=str(device.public_id),
        ae_title=device.ae_title,
        room=device.room.name if device.room else "",
        start_at=late.start_at,
        minutes=_length(row),
        against=against,
    )
