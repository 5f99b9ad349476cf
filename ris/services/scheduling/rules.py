"""What every booking must agree with, whoever asks for it: page, REST or FHIR.

The engine that offers times also refuses them (``ris/domain/openings.py``): hours, closures,
holidays, kept times, buffers, lead time, device rules and staff. What another scheduler did, and
what an order says itself, is followed and not judged (``calendar.book`` without an agreement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ris.domain.errors import InvalidValueError, RisError, SlotTakenError
from ris.domain.facility import ResourceKind
from ris.domain.local_time import ended
from ris.domain.openings import HARD, SOFT, Against, Refusal
from ris.domain.places import Place
from ris.models import Appointment, Device, Resource, ScheduledProcedureStep, StaffMember
from ris.selectors.openings import Exam, Openings, exam_of
from ris.selectors.resources import days_at
from ris.selectors.taken import when
from ris.services._context import Context
from ris.services.scheduling.resources import lock, resources_of

# Time kept for some is asked about once it is said what the exam is.
_LATER = frozenset({Against.RESERVED, Against.STAFF, Against.LEAD_TIME})
# Asked and answered when it was booked first, by the rules or over them.
_AS_BEFORE = frozenset({Against.RESERVED, Against.OUTSIDE_HOURS, Against.LEAD_TIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What a booking takes: device, room and staff, with the minutes kept free around it."""

    resources: Sequence[Resource]
    overbooked: bool
    before: int
    after: int


def agree(
    exam: Exam,
    device: Device,
    start_at: datetime,
    context: Context,
    *,
    overbook: bool = False,
    open_only: bool = False,
    but: Appointment | None = None,
    tolerated: frozenset[Against] = frozenset(),
) -> Agreed:
    """Lock what the exam would take and look; raises what stands against it.

    ``overbook`` takes everything but the wrong device; ``tolerated`` is what does not count.
    """
    staff = _candidates(exam)
    places = resources_of(device)
    lock([*places, *staff.values()])
    minutes = exam.minutes_on(device)
    first, days = days_at([device], start_at, ended(start_at, minutes))
    calendar = Openings(
        [device],
        first,
        days,
        now=context.now,
        staff=exam.needs_staff,
        besides=[but.pk] if but is not None and but.pk is not None else [],
    )
    against = calendar.reasons(device, exam, start_at)
    past = open_only and start_at < context.now
    serious = [
        each
        for each in against
        if each.kind in HARD
        or (not overbook and each.kind not in SOFT | tolerated)
        or (past and each.kind is Against.PAST and not overbook)
    ]
    if serious:
        raise refused(serious)
    team = calendar.team(device, exam, start_at) or []
    place = calendar.place(device, exam)
    return Agreed(
        resources=[*places, *(staff[key] for key in team)],
        overbooked=any(each.kind is Against.TAKEN for each in against),
        before=place.before,
        after=place.after,
    )


def agree_unnamed(
    exam: Exam, device: Device, start_at: datetime, context: Context, *, open_only: bool
) -> Agreed:
    """What the time is for is not said yet, so the rules of the exam wait until it is."""
    return agree(exam, device, start_at, context, open_only=open_only, tolerated=_LATER)


def agree_again(
    step: ScheduledProcedureStep,
    appointment: Appointment,
    device: Device,
    context: Context,
) -> Agreed:
    """What an appointment had, with its staff: only what came between stands against it."""
    if not device.active:
        raise SlotTakenError(f"{device.ae_title} is not in use any more", path=Place.DEVICE)
    minutes = round((appointment.end_at - appointment.start_at).total_seconds() / 60)
    attended = appointment.bookings.filter(
        resource__kind=ResourceKind.STAFF.value, start_at=appointment.start_at
    ).exists()
    return agree(
        exam_of(step, minutes),
        device,
        appointment.start_at,
        context,
        overbook=appointment.overbooked,
        but=appointment,
        tolerated=_AS_BEFORE if attended else _AS_BEFORE | {Against.STAFF},
    )


def candidates_of(step: ScheduledProcedureStep) -> list[Resource]:
    """The staff who might attend a step."""
    return list(_candidates(exam_of(step)).values())


def _candidates(exam: Exam) -> dict[int, Resource]:
    """Who might attend, by resource: locked with device and room, all in one order."""
    if not exam.needs_staff:
        return {}
    wanted = set(exam.skills)
    rows = StaffMember.objects.select_related("resource").filter(active=True, resource__active=True)
    return {
        member.resource.pk: member.resource
        for member in rows
        if exam.staff or wanted & set(member.skills)
    }


def refused(against: Sequence[Refusal]) -> RisError:
    """The error that says everything that stands against a time."""
    words = "; ".join(dict.fromkeys(each.words for each in against))
    details: dict[str, Any] = {
        "reasons": [
            {
                "kind": each.kind.value,
                "about": each.about,
                "until": when(each.until).isoformat() if each.until is not None else None,
            }
            for each in against
        ]
    }
    kinds = {each.kind for each in against}
    if kinds & {Against.OTHER_MODALITY, Against.NOT_ALLOWED}:
        return InvalidValueError(words, path=Place.DEVICE, details=details)
    if kinds == {Against.PAST}:
        return InvalidValueError(words, path=Place.START_AT, details=details)
    return SlotTakenError(words, path=Place.START_AT, details=details)
