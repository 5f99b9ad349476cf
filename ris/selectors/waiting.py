"""Who waits for a time, what has become free, and to whom it is offered next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ris.domain.local_time import whole_day
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.waiting import DAY_PARTS, DayPart, OfferStatus, WaitingStatus
from ris.models import Appointment, Booking, Device, FreedTime, SlotOffer, WaitingEntry
from ris.selectors.openings import WITH_PLACES, Openings, Wish, exam_of, rules_of, start_of
from ris.selectors.resources import at_site, days_at, site_of, zone_at

IN_TURN = 20  # of those who wait are asked about one freed time
MOST_CHANGED = 500
MOST_FREED = 50  # times are looked at in one go
WAITABLE = (StepStatus.PENDING.value, StepStatus.NO_SHOW.value, StepStatus.SCHEDULED.value)
_WAITS = Q(status=WaitingStatus.WAITING.value, step__status__in=WAITABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """A stretch of a device that became free."""

    device: Device
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """To whom a freed time is to be offered."""

    entry: str
    device: str
    start_at: datetime


def is_anybody_waiting() -> bool:
    return WaitingEntry.objects.filter(status=WaitingStatus.WAITING.value).exists()


def over(limit: int = 50) -> list[str]:
    """Entries whose exam is done, begun or canceled: nothing is to be found for it any more."""
    rows = WaitingEntry.objects.filter(status=WaitingStatus.WAITING.value)
    rows = rows.exclude(step__status__in=WAITABLE).order_by("pk")
    return [str(key) for key in rows.values_list("public_id", flat=True)[:limit]]


def freed_lately(since: datetime) -> list[Freed]:
    """What bookings and removals gave back since then, in order of time; three queries."""
    now = timezone.now()
    # First by the index of changes: most bookings of the archive were given back once.
    changed = Appointment.objects.filter(updated_at__gte=since).order_by("-updated_at")
    given_back = (
        Booking.objects.filter(
            live=False,
            appointment__in=list(changed.values_list("pk", flat=True)[:MOST_CHANGED]),
            start_at__gt=now,
            resource__device__active=True,
        )
        .order_by("start_at")
        .values_list("resource__device", "start_at", "end_at")[:MOST_FREED]
    )
    removed = (
        FreedTime.objects.filter(at__gte=since, end_at__gt=now)
        .filter(Q(resource__device__active=True) | Q(resource__room__devices__active=True))
        .order_by("start_at")
        .values_list("resource__device", "resource__room__devices", "start_at", "end_at")[
            :MOST_FREED
        ]
    )
    spans = {(key, start, end) for key, start, end in given_back}
    whole = {(own or of_room, start, end) for own, of_room, start, end in removed}
    devices = WITH_PLACES.filter(active=True).in_bulk({key for key, _, _ in spans | whole})
    spans |= {
        (key, *span)
        for key, start, end in whole
        if key in devices
        for span in _by_days(start, end, zone_at(devices[key]))
    }
    return [
        Freed(device=devices[key], start_at=start, end_at=end)
        for key, start, end in sorted(spans, key=lambda span: (span[1], span[0]))
        if key in devices
    ][:MOST_FREED]


def _by_days(start: datetime, end: datetime, zone: tzinfo) -> list[tuple[datetime, datetime]]:
    """A long stretch day by day: each day is offered to one after the other."""
    found = []
    while start < end:
        day = start.astimezone(zone).date() + timedelta(days=1)
        midnight = min(end, whole_day(day, zone)[0])
        found.append((start, midnight))
        start = midnight
    return found


def in_turn(freed: Freed) -> QuerySet[WaitingEntry]:
    """Who may be asked about a freed time: the most urgent first, then who waits longest."""
    day = freed.start_at.astimezone(zone_at(freed.device)).date()
    other = SlotOffer.objects.filter(entry=OuterRef("pk"))
    site = site_of(freed.device)
    there = Q()
    if site is not None:
        there = at_site("step__device__", pk=site.pk) | at_site("step__device__", isnull=True)
    return (
        WaitingEntry.objects.filter(
            Q(earliest=None) | Q(earliest__lte=day),
            Q(latest=None) | Q(latest__gte=day),
            # Who is booked wants an earlier time, not another one, nor another site.
            Q(step__appointment=None)
            | ~Q(step__status=StepStatus.SCHEDULED.value)
            | (Q(step__start_at__gt=freed.start_at) & there),
            status=WaitingStatus.WAITING.value,
            modality=freed.device.modality,
            step__status__in=WAITABLE,
            step__procedure__order__status=OrderStatus.ACTIVE.value,
        )
        # One offer at a time, and never the same one twice.
        .exclude(Exists(other.filter(status=OfferStatus.OPEN.value)))
        .exclude(
            Exists(
                other.filter(
                    device=freed.device, start_at__lt=freed.end_at, end_at__gt=freed.start_at
                )
            )
        )
        .select_related(
            "step__procedure__order", "step__procedure__definition", "step__appointment"
        )
        .order_by("rank", "since", "pk")
    )


def proposals(since: datetime) -> list[Proposal]:
    """What is to be offered to whom, one offer for each person and each freed time."""
    if not is_anybody_waiting():
        return []
    found: list[Proposal] = []
    asked: set[int] = set()
    for freed in freed_lately(since):
        proposal = _proposal(freed, asked)
        if proposal is not None:
            found.append(proposal)
    return found


def _proposal(freed: Freed, asked: set[int]) -> Proposal | None:
    entries = [entry for entry in in_turn(freed)[:IN_TURN] if entry.pk not in asked]
    if not entries:
        return None
    now = timezone.now()
    definitions = [
        entry.step.procedure.definition for entry in entries if entry.step.procedure.definition
    ]
    rules = rules_of(definitions)
    for entry in entries:
        exam = exam_of(entry.step, rules=rules)
        calendar = Openings(
            [freed.device],
            *days_at([freed.device], freed.start_at, freed.start_at),
            now=now,
            staff=exam.needs_staff,
            patient=exam.patient,
            besides=exam.besides,
        )
        wish = Wish(
            earliest=max(freed.start_at, now + timedelta(hours=entry.notice_hours)),
            latest=freed.end_at,
            hours=[DAY_PARTS[DayPart(part)] for part in entry.day_parts],
        )
        opening = next(iter(calendar.first(exam, 1, wish)), None)
        if opening is not None:
            asked.add(entry.pk)
            return Proposal(
                entry=str(entry.public_id),
                device=str(freed.device.public_id),
                start_at=start_of(opening),
            )
    return None


# --- for pages


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLine:
    """An offer as lists show it."""

    public_id: str
    start_at: datetime
    ae_title: str
    room: str
    expires_at: datetime
    zone: tzinfo  # of the site


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLine:
    """Somebody on the waiting list, with the offer that is open to him."""

    public_id: str
    step: str
    place: int  # in the queue of the modality, from 1
    entry: WaitingEntry
    offer: OfferLine | None


def waiting_lines(*, modality: str = "", step: str = "", most: int = 200) -> list[WaitingLine]:
    """The waiting list in order of turns; two queries."""
    rows = WaitingEntry.objects.filter(_WAITS)
    if modality:
        rows = rows.filter(modality=modality)
    if step:
        rows = rows.filter(step__public_id=step)
    entries = list(
        rows.select_related(
            "step__procedure__order__patient__merged_into",
            "step__appointment",
            "step__device__room__site",
        ).order_by("modality", "rank", "since", "pk")[:most]
    )
    offers = _open_offers(entries)
    found = []
    for _, group in groupby(entries, key=lambda entry: entry.modality):
        for place, entry in enumerate(group, start=1):
            found.append(
                WaitingLine(
                    public_id=str(entry.public_id),
                    step=str(entry.step.public_id),
                    place=place,
                    entry=entry,
                    offer=offers.get(entry.pk),
                )
            )
    return found


def _open_offers(entries: Iterable[WaitingEntry]) -> dict[int, OfferLine]:
    rows = SlotOffer.objects.filter(
        entry__in=list(entries), status=OfferStatus.OPEN.value
    ).select_related("device__room__site")
    return {
        row.entry_id: OfferLine(
            public_id=str(row.public_id),
            start_at=row.start_at,
            ae_title=row.device.ae_title,
            room=row.device.room.name if row.device.room else "",
            expires_at=row.expires_at,
            zone=zone_at(row.device),
        )
        for row in rows
    }
