"""What is due leaves, as the worker sends it; and the clock goes on to what is due later."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from django.utils import timezone

from ris.services import outbox

# No peer of these tests is slow, and a peer that is gone says so at once.
QUICK = {"connect_seconds": 5, "associate_seconds": 5, "answer_seconds": 10}


def deliver() -> None:
    """All that is due, as the worker does it, however often it takes."""
    outbox.fan_out()
    for _ in range(20):
        if not outbox.deliver_due():
            return
    raise AssertionError("it never ends")


def later(seconds: float = 400) -> time_machine.travel:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)
