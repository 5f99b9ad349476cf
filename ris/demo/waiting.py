"""The demo's waiting list, an offer that is open, and which exam goes before which."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ris.domain.actors import OPERATOR, TIMER, Actor
from ris.domain.errors import RisError
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.facility import RegisterSite
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.waiting import DayPart, OfferSlot, WaitForSlot
from ris.models import ProcedureDefinition, ScheduledProcedureStep, Site
from ris.selectors.openings import Wish, bookable_devices, exam_of, first_openings, start_of
from ris.services import execute

# Of one patient on one day: first, then, and the minutes between them.
_SEQUENCES = (("CTHEAD", "CTHEADC", 0, 240), ("USABD", "CTABDPELC", 0, None))


def queue_up(now: datetime, actors: Mapping[str, Actor]) -> None:
    """Once the stories are told: three wait, one of them has an offer."""
    _careful_site()
    _sequence(actors["manager"])
    waiting = list(
        ScheduledProcedureStep.objects.select_related("procedure__order", "procedure__definition")
        .filter(
            status=StepStatus.PENDING.value,
            procedure__order__status=OrderStatus.ACTIVE.value,
            appointment=None,
        )
        .exclude(modality="")
        .order_by("id")[:3]
    )
    parts = ((), (DayPart.MORNING,), (DayPart.AFTERNOON, DayPart.EVENING))
    entries = [
        execute(
            WaitForSlot(
                step=str(step.public_id),
                day_parts=wanted,
                notice_hours=2,
                comment="Works in shifts" if wanted else "",
            ),
            actor=actors["scheduler"],
        )
        for step, wanted in zip(waiting, parts, strict=False)
    ]
    if entries:
        _offer(entries[0], waiting[0], now)


def _offer(entry: str, step: ScheduledProcedureStep, now: datetime) -> None:
    exam = exam_of(step)
    devices = bookable_devices(step.modality)
    wish = Wish(earliest=now + timedelta(hours=3))
    found = first_openings(exam, devices, now.date(), 14, count=1, now=now, wish=wish)
    for opening in found:
        device = next(each for each in devices if each.pk == opening.place)
        try:
            execute(
                OfferSlot(entry=entry, device=str(device.public_id), start_at=start_of(opening)),
                actor=TIMER,
            )
        except RisError:
            return  # the demo is as good without an offer


def _careful_site() -> None:
    for row in Site.objects.order_by("id"):
        execute(
            RegisterSite(
                name=row.name,
                institution=row.institution,
                time_zone=row.time_zone,
                address=row.address,
                patient_id_issuer=row.patient_id_issuer,
                avoids_gaps=True,
            ),
            actor=OPERATOR,
        )


def _sequence(manager: Actor) -> None:
    keys = {
        row.code: str(row.public_id)
        for row in ProcedureDefinition.objects.filter(
            code__in={code for pair in _SEQUENCES for code in pair[:2]}
        )
    }
    for first, then, least, most in _SEQUENCES:
        if first in keys and then in keys:
            execute(
                SequenceProcedures(
                    first=keys[first],
                    then=keys[then],
                    gap_minutes=least,
                    gap_at_most_minutes=most,
                ),
                actor=manager,
            )
