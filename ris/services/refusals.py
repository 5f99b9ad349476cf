"""The record of what devices were refused outside their queries and messages.

A refused query is in the query log and a refused MPPS message in the inbox. What ends before either
(an association that is not let in, a request no handler is asked for) is kept here.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from ris.models import DeviceRefusal
from ris.services import _clock
from ris.services._execute import transactional

# Of callers that nobody registered anybody can invent as many as they like.
KEPT = 2_000


@transactional
def record_refusal(
    ae_title: str,
    *,
    address: str,
    operation: str,
    status: str,
    reason: str,
    at: datetime | None = None,
    count: int = 1,
) -> None:
    """Count a refusal; ``reason`` is in our own words, never what a peer sent."""
    at = at or _clock.now()
    row, is_new = DeviceRefusal.objects.get_or_create(
        ae_title=_printable(ae_title.strip()[:16]),
        address=address[:100],
        operation=operation[:20],
        status=status[:12],
        reason=reason[:100],
        defaults={"first_at": at, "last_at": at, "count": count},
    )
    if is_new:
        _forget_the_oldest()
    else:
        DeviceRefusal.objects.filter(pk=row.pk).update(last_at=at, count=F("count") + count)


def _printable(text: str) -> str:
    """What a caller says of itself may be any bytes, and not every database keeps those."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _forget_the_oldest() -> None:
    if DeviceRefusal.objects.count() > KEPT:
        kept = DeviceRefusal.objects.order_by("-last_at").values_list("pk", flat=True)[:KEPT]
        DeviceRefusal.objects.exclude(pk__in=list(kept)).delete()
