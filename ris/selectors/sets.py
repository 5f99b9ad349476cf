"""Exams of a patient that belong together, and when they could all be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.utils import timezone

from ris.domain.exam_sets import Apart
from ris.domain.local_time import whole_day
from ris.domain.openings import Place
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.scheduling import Slot
from ris.domain.set_openings import MOST_EXAMS, SetOpening, first_sets
from ris.domain.waiting import WaitingStatus
from ris.models import (
    Device,
    ProcedureSequence,
    ScheduledProcedureStep,
    StepTemplate,
    WaitingEntry,
)
from ris.selectors.openings import WITH_PLACES, Exam, Openings, Wish, exam_of
from ris.selectors.resources import zone_together
from ris.selectors.schedule import next_even, slot_of
from ris.selectors.taken import minute_of

_OPEN = (StepStatus.PENDING.value, StepStatus.NO_SHOW.value, StepStatus.SCHEDULED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedSet:
    """Times for a whole set, exam by exam as it was asked for."""

    slots: tuple[Slot, ...]

    @property
    def start_at(self) -> datetime:
        return min(slot.start_at for slot in self.slots)

    @property
    def end_at(self) -> datetime:
        return max(slot.end_at for slot in self.slots)


def beside(step: ScheduledProcedureStep) -> tuple[list[ScheduledProcedureStep], bool]:
    """The patient's other exams, and whether this one is on the waiting list; one query."""
    waiting = WaitingEntry.objects.filter(step=OuterRef("pk"), status=WaitingStatus.WAITING.value)
    others = Q(procedure__order__status=OrderStatus.ACTIVE.value, status__in=_OPEN)
    others &= ~Q(modality="")
    rows = (
        ScheduledProcedureStep.objects.select_related(
            "procedure__order", "procedure__definition", "appointment", "device__room__site"
        )
        .filter(others | Q(pk=step.pk), procedure__order__patient=step.procedure.order.patient_id)
        .annotate(
            is_other=Case(When(pk=step.pk, then=Value(0)), default=Value(1)),
            is_waiting=Exists(waiting),
        )
        .order_by("is_other", "id")[:MOST_EXAMS]
    )
    itself, *found = rows
    return list(found), itself.is_waiting


def apart_of(steps: Sequence[ScheduledProcedureStep]) -> list[Apart]:
    """What the catalog says of the order of these steps; two queries.

    Steps of one procedure follow each other as its templates do, procedures as their sequence says.
    """
    found = _within(steps)
    definitions = {step.procedure.definition_id for step in steps} - {None}
    rows = ProcedureSequence.objects.filter(first__in=definitions, then__in=definitions)
    for row in rows if len(definitions) > 1 else []:
        found += [
            Apart(first, then, row.gap_minutes, row.gap_at_most_minutes)
            for first, one in enumerate(steps)
            for then, other in enumerate(steps)
            if one.procedure.definition_id == row.first_id
            and other.procedure.definition_id == row.then_id
        ]
    return found


def _within(steps: Sequence[ScheduledProcedureStep]) -> list[Apart]:
    of_procedure: dict[int, list[int]] = {}
    for index, step in enumerate(steps):
        of_procedure.setdefault(step.procedure_id, []).append(index)
    several = [indexes for indexes in of_procedure.values() if len(indexes) > 1]
    if not several:
        return []
    definitions = {steps[indexes[0]].procedure.definition_id for indexes in several}
    templates: dict[int, list[StepTemplate]] = {}
    for template in StepTemplate.objects.filter(definition__in=definitions - {None}).order_by(
        "position"
    ):
        templates.setdefault(template.definition_id, []).append(template)
    found = []
    for indexes in several:
        ordered = sorted(indexes, key=lambda index: steps[index].pk)
        rules = templates.get(steps[ordered[0]].procedure.definition_id or 0, [])
        fitting = rules if len(rules) == len(ordered) else []
        for position in range(1, len(ordered)):
            rule = fitting[position] if fitting else None
            found.append(
                Apart(
                    ordered[position - 1],
                    ordered[position],
                    rule.gap_minutes if rule else 0,
                    rule.gap_at_most_minutes if rule else None,
                )
            )
    return found


def proposed_sets(
    steps: Sequence[ScheduledProcedureStep],
    day: date,
    days: int,
    *,
    count: int = 3,
    wish: Wish | None = None,
) -> list[ProposedSet]:
    """The first times at which all of the steps can be done on one day."""
    exams = [exam_of(step) for step in steps]
    devices = list(
        WITH_PLACES.filter(modality__in={step.modality for step in steps}, active=True).order_by(
            "ae_title"
        )
    )
    by_key = {device.pk: device for device in devices}
    calendar = Openings(
        devices,
        day,
        days,
        now=timezone.now(),
        staff=any(exam.needs_staff for exam in exams),
        patient=exams[0].patient,
        besides={key for exam in exams for key in exam.besides},
    )
    # Never before the next time that people would name.
    wish = wish or Wish(earliest=next_even(timezone.now(), exams[0].minutes))
    asked = [(_places(calendar, devices, exam), calendar.need(exam, wish)) for exam in exams]
    zone = zone_together(devices)
    spans = []
    for offset in range(days):
        low, high = whole_day(day + timedelta(days=offset), zone)
        spans.append((minute_of(low), minute_of(high)))
    found = first_sets(asked, apart_of(steps), spans, calendar.people, count=count)
    return [_proposed(each, by_key) for each in found]


def _places(calendar: Openings, devices: Sequence[Device], exam: Exam) -> list[Place]:
    return [calendar.place(device, exam) for device in devices if device.modality == exam.modality]


def _proposed(found: SetOpening, devices: dict[int, Device]) -> ProposedSet:
    return ProposedSet(slots=tuple(slot_of(devices[each.place], each) for each in found.openings))
