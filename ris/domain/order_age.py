"""How long an order may wait to be scheduled, by its priority."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from ris.domain.orders import Priority


class Age(StrEnum):
    """What the time an order has waited is worth saying."""

    FRESH = "FRESH"
    AGING = "AGING"
    LATE = "LATE"


# After the first an order is getting old, after the second it is late.
LIMITS: Mapping[Priority, tuple[timedelta, timedelta]] = {
    Priority.STAT: (timedelta(minutes=30), timedelta(hours=1)),
    Priority.ASAP: (timedelta(hours=2), timedelta(hours=4)),
    Priority.URGENT: (timedelta(hours=12), timedelta(hours=24)),
    Priority.ROUTINE: (timedelta(days=3), timedelta(days=7)),
}


def age(priority: Priority, since: datetime, now: datetime) -> Age:
    aging, late = LIMITS[priority]
    waited = now - since
    return Age.LATE if waited >= late else Age.AGING if waited >= aging else Age.FRESH
