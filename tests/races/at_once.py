"""Calls at the same moment, and what must never stand after them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection

from ris.domain.errors import RisError
from ris.models import Booking


def together(*calls: Callable[[], object]) -> list[object]:
    """Run the calls at the same moment, each in a thread of its own; results or RisErrors."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def run(position: int, call: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=20)
            results[position] = call()
        except RisError as error:
            results[position] = error
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(position, call)) for position, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return results


def overlaps() -> int:
    """Pairs of live, exclusive bookings of one resource that overlap."""
    rows = list(Booking.objects.filter(live=True, exclusive=True).order_by("start_at"))
    return sum(
        1
        for position, one in enumerate(rows)
        for other in rows[position + 1 :]
        if one.resource_id == other.resource_id
        and one.start_at < other.end_at
        and other.start_at < one.end_at
    )
