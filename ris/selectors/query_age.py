"""How old the oldest worklist query on record is."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ris.models import WorklistQueryLog


def queries_due(days: int) -> bool:
    """Whether there is a query a day older than ``days``: then all older ones go, once a day."""
    if days <= 0:
        return False
    oldest = WorklistQueryLog.objects.order_by("at").values_list("at", flat=True).first()
    return oldest is not None and oldest < timezone.now() - timedelta(days=days + 1)
