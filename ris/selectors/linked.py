"""Exams of one patient between which the catalog wants some time: what may not be lost by a move.

One rule for everybody who moves: what was as the catalog wants it before, is so after. What was
otherwise already, as people booked it, is nobody's to mend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.utils.translation import gettext_noop as noop

from ris.domain.local_time import ended
from ris.domain.orders import StepStatus
from ris.domain.scheduling import OCCUPYING, Slot
from ris.models import Appointment, Device, ScheduledProcedureStep
from ris.selectors import schedule
from ris.selectors.schedule import DaySlots
from ris.selectors.sets import apart_of

# What is further apart than this, besides what the catalog asks for, are two visits.
_VISIT = timedelta(days=1)
_NEAR = timedelta(days=14)

_FOLLOWS_SOON = noop("what follows it would come too soon: {about}")
_FOLLOWS_LATE = noop("what follows it would come too late: {about}")
_COMES_SOON = noop("it would come too soon after: {about}")
_COMES_LATE = noop("it would come too late after: {about}")

Spans = Mapping[int, tuple[datetime, datetime]]  # the new time of each appointment that moves


class Lost(StrEnum):
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Link:
    """Two exams and what is between them now as the catalog wants it; minutes."""

    first: ScheduledProcedureStep
    then: ScheduledProcedureStep
    least: int | None
    most: int | None

    def lost(self, spans: Spans) -> Lost | None:
        gap = _gap(self.first, self.then, spans)
        if self.least is not None and gap < self.least:
            return Lost.SOON
        return Lost.LATE if self.most is not None and gap > self.most else None


def span_of(start_at: datetime, minutes: int) -> tuple[datetime, datetime]:
    return start_at, ended(start_at, minutes)


def links_of(rows: Collection[Appointment]) -> list[Link]:
    """Those of ``rows``, which are to be moved, with all exams of their patients; few queries."""
    patients = {row.patient_id for row in rows} - {None}
    if not patients:
        return []
    steps = list(
        ScheduledProcedureStep.objects.filter(
            appointment__patient__in=patients,
            appointment__status__in=[status.value for status in OCCUPYING],
            appointment__start_at__gt=min(row.start_at for row in rows) - _NEAR,
            appointment__start_at__lt=max(row.start_at for row in rows) + _NEAR,
        )
        .exclude(status=StepStatus.CANCELED.value)
        .select_related("appointment", "procedure__order", "procedure__definition")
        .order_by("id")
    )
    moving = {row.pk for row in rows}
    found = []
    for rule in apart_of(steps) if len(steps) > 1 else []:
        first, then = steps[rule.first], steps[rule.then]
        of = {first.appointment_id, then.appointment_id}
        if len(of) < 2 or not of & moving:
            continue
        if first.procedure.order.patient_id != then.procedure.order.patient_id:
            continue
        gap = _gap(first, then, {})
        if not 0 <= gap <= max(rule.least, rule.most or 0) + _VISIT.total_seconds() / 60:
            continue
        least = rule.least if gap >= rule.least else None
        most = rule.most if rule.most is not None and gap <= rule.most else None
        found.append(Link(first, then, least, most))
    return found


def _gap(first: ScheduledProcedureStep, then: ScheduledProcedureStep, spans: Spans) -> float:
    return (_span(then, spans)[0] - _span(first, spans)[1]).total_seconds() / 60


def _span(step: ScheduledProcedureStep, spans: Spans) -> tuple[datetime, datetime]:
    row = step.appointment
    assert row is not None  # noqa: S101 - only steps that have one are asked for
    return spans.get(row.pk, (row.start_at, row.end_at))


def name_of(step: ScheduledProcedureStep) -> str:
    return step.description or step.procedure.description or step.modality


@dataclass(frozen=True, slots=True)
class Ties:
    """What a booked exam is tied to; of one that waits, nothing."""

    appointment: int
    links: Sequence[Link] = ()

    @classmethod
    def of(cls, step: ScheduledProcedureStep) -> Ties:
        row = step.appointment
        return cls(row.pk, links_of([row])) if row is not None else cls(0)

    def lost(self, start_at: datetime, end_at: datetime) -> list[str]:
        """The exams to which it would no longer be as the catalog wants it."""
        spans = {self.appointment: (start_at, end_at)}
        return [name_of(self._other(link)) for link in self.links if link.lost(spans)]

    @property
    def exams(self) -> dict[str, str]:
        """The exams that it is tied to: their names by the public id of the step."""
        others = (self._other(link) for link in self.links)
        return {str(other.public_id): name_of(other) for other in others}

    def _other(self, link: Link) -> ScheduledProcedureStep:
        return link.then if link.first.appointment_id == self.appointment else link.first


def free_slots(
    step: ScheduledProcedureStep,
    day_from: date,
    days: int,
    *,
    devices: Sequence[Device] | None = None,
    ties: Ties | None = None,
) -> list[DaySlots]:
    """:func:`ris.selectors.schedule.free_slots` of what may be booked already, without the times at
    which it would no longer be as the catalog wants it to the patient's other exams."""
    found = schedule.free_slots(step, day_from, days, devices=devices)
    ties = ties or Ties.of(step)
    if not ties.links:
        return found

    def is_kept(slot: Slot) -> bool:
        return not ties.lost(slot.start_at, slot.end_at)

    return [
        replace(
            day,
            devices=tuple(
                replace(each, slots=tuple(slot for slot in each.slots if is_kept(slot)))
                for each in day.devices
            ),
        )
        for day in found
    ]


def losses(rows: Collection[Appointment], spans: Spans) -> dict[int, list[str]]:
    """Why each of what moves, by key, would not be as the catalog wants it to its other exams."""
    return words_against(links_of(rows), spans)


def words_against(links: Iterable[Link], spans: Spans) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for link in links:
        lost = link.lost(spans)
        one, other = link.first.appointment_id or 0, link.then.appointment_id or 0
        first, then = name_of(link.first), name_of(link.then)
        if lost is None:
            continue
        # Of two that move, the one that runs into the other, or away from it.
        soon = lost is Lost.SOON
        if one in spans and (soon or other not in spans):
            found[one].append((_FOLLOWS_SOON if soon else _FOLLOWS_LATE).format(about=then))
        else:
            found[other].append((_COMES_SOON if soon else _COMES_LATE).format(about=first))
    return found
