"""What a removal gives back is noted for the waiting list, in the transaction that removes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from ris.models import FreedTime
from ris.selectors.freeing import Span
from ris.services._context import Context

_KEPT = timedelta(days=1)  # the clock looks back for minutes


def note_freed(spans: Iterable[Span], context: Context) -> None:
    """Have the clock offer it to those who wait, as it does with what a booking gives back."""
    rows = [
        FreedTime(
            resource_id=each.resource,
            start_at=each.start_at,
            end_at=each.end_at,
            at=context.now,
        )
        for each in spans
    ]
    if rows:
        FreedTime.objects.filter(at__lt=context.now - _KEPT).delete()
        FreedTime.objects.bulk_create(rows)
