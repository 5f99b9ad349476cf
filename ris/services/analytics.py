"""Daily facts: counted by the clock from the records, and counted again where these changed.

A day is written whole, so it does not matter who counts it, or how often; all of it can be thrown
away and made again (``ris analytics rebuild``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import structlog

from ris.models import DeviceFact, ExamFact, FactDay
from ris.selectors import facts
from ris.services import _clock
from ris.services._execute import transactional

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=2)  # what was committed late still counts
FIRST_DAYS = 92  # how far back a new installation counts
AT_ONCE = 10  # days in one pass of the timer


def count_day(day: date, at: datetime) -> None:
    """Write the facts of a day anew; ``at`` is when the counting began.

    Read first and then written, so that nobody waits for the reading.
    """
    _write(day, at, facts.exams(day), facts.devices(day))


@transactional
def _write(
    day: date,
    at: datetime,
    exams: Mapping[facts.Key, facts.ExamTally],
    devices: Mapping[int, facts.DeviceTally],
) -> None:
    ExamFact.objects.filter(day=day).delete()
    DeviceFact.objects.filter(day=day).delete()
    ExamFact.objects.bulk_create(
        [
            ExamFact(
                day=day,
                site_id=site,
                modality=modality,
                priority=priority,
                exams=tally.exams,
                legs={leg: dict(counts) for leg, counts in tally.legs.items()},
                hours=dict(tally.hours),
            )
            for (site, modality, priority), tally in sorted(
                exams.items(), key=lambda item: (item[0][0] or 0, *item[0][1:])
            )
        ]
    )
    DeviceFact.objects.bulk_create(
        [
            DeviceFact(
                day=day,
                device_id=key,
                open_minutes=tally.open_minutes,
                booked_minutes=tally.booked_minutes,
                used_minutes=tally.used_minutes,
                appointments=tally.appointments,
                no_shows=tally.no_shows,
                canceled=tally.canceled,
            )
            for key, tally in devices.items()
        ]
    )
    FactDay.objects.update_or_create(day=day, defaults={"counted_at": at})


def run_due() -> int:
    """Count what changed since the last time, and a few of the days that never were; how many."""
    now = _clock.now()
    today = facts.latest_day(now)
    # The last day's: it is counted last, so what broke off is looked at once more.
    last = FactDay.objects.filter(day__lte=today).order_by("-day")
    newest = last.values_list("counted_at", flat=True).first()
    missing = _missing(today)
    if newest is not None and now - newest < EVERY and not missing:
        return 0
    if newest is None and not missing:
        return 0  # nothing was done here yet
    changed = facts.changed_days(newest - OVERLAP) if newest is not None else set()
    days = sorted((day for day in changed if day < today), reverse=True)
    others = [day for day in missing[:AT_ONCE] if day != today]
    # Today moves the clock on, so that what changed is looked at once.
    chosen = [*dict.fromkeys([*days, *others]), today]
    count(chosen, now)
    return len(chosen)


def count(days: Iterable[date], at: datetime) -> None:
    for day in days:
        count_day(day, at)


def _missing(today: date) -> list[date]:
    """Days since the first exam, of the last months, that were never counted; newest first."""
    began = facts.first_day()
    if began is None:
        return []
    first = max(began, today - timedelta(days=FIRST_DAYS))
    counted = set(FactDay.objects.filter(day__gte=first).values_list("day", flat=True))
    return [
        day
        for offset in range((today - first).days + 1)
        if (day := today - timedelta(days=offset)) not in counted
    ]


def rebuild(first: date, last: date) -> int:
    """Count every day of a period again; how many."""
    now = _clock.now()
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    count(days, now)
    return len(days)
