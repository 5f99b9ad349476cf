"""The first free times for an exam that is being ordered, before there is an order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from django.utils import timezone

from ris.domain.openings import Opening, Wanted
from ris.models import Device, Patient, ProcedureDefinition, ScheduledProcedureStep
from ris.selectors.openings import (
    Exam,
    Wish,
    bookable_devices,
    end_of,
    exam_of,
    first_openings,
    rules_of,
    start_of,
)
from ris.selectors.resources import days_at, zone_at

DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    device: str
    room: str
    start_at: datetime
    end_at: datetime
    zone: tzinfo  # of the site


def offers(
    definition: str,
    *,
    patient: str = "",
    priority: str = "",
    interpreter: str = "",
    earliest: datetime | None = None,
    count: int = 3,
) -> list[Offer]:
    """For a procedure of the catalog and, if known, a patient; public ids."""
    procedure = ProcedureDefinition.objects.filter(public_id=uuid.UUID(definition)).first()
    if procedure is None:
        return []
    person = Patient.objects.filter(public_id=uuid.UUID(patient)).first() if patient else None
    exam = Exam(
        modality=procedure.modality,
        minutes=procedure.duration_minutes,
        definition=procedure,
        rules=rules_of([procedure]).get(procedure.pk, {}),
        wanted=Wanted(code=procedure.code, modality=procedure.modality, priority=priority),
        patient=person.pk if person else None,
        interpreter=interpreter,
    )
    return _first(exam, earliest, count)


def next_offer(step: ScheduledProcedureStep, earliest: datetime | None = None) -> Offer | None:
    """The first free time of a step, not before ``earliest``."""
    found = _first(exam_of(step), earliest, 1)
    return found[0] if found else None


def _first(exam: Exam, earliest: datetime | None, count: int) -> list[Offer]:
    devices = bookable_devices(exam.modality)
    now = timezone.now()
    wish = Wish(earliest=earliest) if earliest is not None else None
    begins = max(earliest, now) if earliest else now
    day, _days = days_at(devices, begins, begins)
    found = first_openings(exam, devices, day, DAYS, count=count, now=now, wish=wish)
    return [_offer(opening, devices) for opening in found]


def _offer(opening: Opening, devices: Sequence[Device]) -> Offer:
    device = next(each for each in devices if each.pk == opening.place)
    return Offer(
        device=str(device.public_id),
        room=device.room.name if device.room else device.ae_title,
        start_at=start_of(opening),
        end_at=end_of(opening),
        zone=zone_at(device),
    )
