"""Bookings in minutes, read as plainly as can be: six weeks of thirty rooms are 40,000 rows.

Making a datetime of each would cost more than the search itself. SQLite gives the stored text, of
which few are different (exams begin on a grid); PostgreSQL computes the minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Func, IntegerField, TextField

from ris.domain.openings import Taken
from ris.models import Booking

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def minute_of(at: datetime) -> int:
    """The minute in which a time lies, since 1970."""
    return int(at.timestamp() // 60)


def minute_up(at: datetime) -> int:
    """The first minute that does not begin before a time."""
    return -int(-at.timestamp() // 60)


def when(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


def taken_minutes(
    resources: Iterable[int], low: datetime, high: datetime, besides: Iterable[int] = ()
) -> dict[int, list[Taken]]:
    """What is taken of resources by bookings that begin in [low, high); sorted; one query."""
    rows = Booking.objects.filter(
        resource_id__in=list(resources), live=True, start_at__gte=low, start_at__lt=high
    )
    but = list(besides)
    if but:
        rows = rows.exclude(appointment_id__in=but)
    names = ("resource_id", "first", "last", "before_minutes", "after_minutes", "appointment_id")
    found: dict[int, list[Taken]] = {}
    if connection.vendor == "postgresql":
        first, last = _minutes("FLOOR"), _minutes("CEIL")
        for key, start, end, before, after, owner in (
            rows.annotate(first=first("start_at"), last=last("end_at"))
            .order_by("resource_id", "start_at")
            .values_list(*names)
        ):
            found.setdefault(key, []).append((start, end, before, after, owner))
        return found
    starts: dict[str, int] = {}
    ends: dict[str, int] = {}
    for key, begun, ended, before, after, owner in (
        rows.annotate(first=_text("start_at"), last=_text("end_at"))
        .order_by("resource_id", "start_at")
        .values_list(*names)
    ):
        start = starts.get(begun)
        if start is None:
            start = starts[begun] = minute_of(_read(begun))
        end = ends.get(ended)
        if end is None:
            end = ends[ended] = minute_up(_read(ended))
        found.setdefault(key, []).append((start, end, before, after, owner))
    return found


def _text(column: str) -> Func:
    # An expression has no declared type, so that no converter makes a datetime of it.
    return Func(F(column), template="%(expressions)s || ''", output_field=TextField())


def _minutes(rounded: str) -> Any:
    template = f"{rounded}(EXTRACT(EPOCH FROM %(expressions)s) / 60)::bigint"
    return lambda column: Func(F(column), template=template, output_field=IntegerField())


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
