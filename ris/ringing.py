"""The clock's ringing at a broker that may be away."""

from __future__ import annotations

from typing import Any

import structlog
from celery.beat import ScheduleEntry, Scheduler

log = structlog.get_logger(__name__)


class Ringer(Scheduler):
    """Says once that the broker is away, and once that it is back.

    Celery's own writes twenty kilobytes of stack at every turn, which is every second. What a ring
    would have done is done by the worker's own sweep meanwhile (ADR 0005).
    """

    is_away = False

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            if not self.is_away:
                log.warning("the broker cannot be rung", error=type(error).__name__)
            self.is_away = True
        else:
            if self.is_away:
                log.info("the broker is rung again")
            self.is_away = False
