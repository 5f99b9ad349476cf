"""Celery wrappers without logic, and the doorbell.

The worker's own sweeper thread calls the same functions directly, so no work ever depends on a
broker (docs/adr/0005-events-and-deliveries-are-rows.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import close_old_connections

from ris import config
from ris.celery import app

log = structlog.get_logger(__name__)

BREAKER_SECONDS = 30.0
RING_SECONDS = 0.05  # between rings; one answers for all commits before it
EVENTS_AT_ONCE = 200  # one transaction at most,
HOLD_SECONDS = 0.1  # and for no longer: on SQLite whoever else writes waits for it
DRAIN_SECONDS = 5.0  # then deliver; the next pass goes on
# A connection that ended since the last ring, as by a restart of the broker, is made anew at once.
AGAIN = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

# When each kind of work last began in this process, for the sweeper (monotonic clock).
ran_at: dict[str, float] = {"deliver": 0.0, "timers": 0.0}
# The same for doorbells, by the clock that ringers use.
_delivering_since = 0.0
# The threads that are in the middle of something.
_at_work: set[int] = set()


@contextmanager
def _working() -> Iterator[None]:
    thread = threading.get_ident()
    _at_work.add(thread)
    try:
        yield
    finally:
        _at_work.discard(thread)


def is_at_work() -> bool:
    """Whether something is under way in this process: a pass, or a message being sent."""
    from ris.services import outbox

    return bool(_at_work) or outbox.is_sending()


@_working()
def deliver() -> None:
    """Apply what was only stored, turn new events into deliveries, deliver what is due."""
    from ris.services import afterwards, deferred, outbox

    global _delivering_since
    ran_at["deliver"] = time.monotonic()
    _delivering_since = time.time()
    close_old_connections()
    try:
        deferred.apply_stored()
    except Exception:
        log.exception("applying stored messages stopped")  # what must leave goes on leaving
    until = time.monotonic() + DRAIN_SECONDS
    while outbox.fan_out(EVENTS_AT_ONCE, HOLD_SECONDS) and time.monotonic() < until:
        pass
    afterwards.follow_apart()
    outbox.deliver_due(threads=config.load().delivery.threads)


@_working()
def run_timers() -> None:
    """Do what is due by the clock: holds that expire, exams without a sign of life."""
    from ris.services import timers

    ran_at["timers"] = time.monotonic()
    close_old_connections()
    timers.run_due()


@app.task(name="ris.deliver")
def deliver_task(rung_at: float) -> None:
    """Answer a doorbell, unless a pass that began after it was rung has seen its row already."""
    if rung_at > _delivering_since:
        deliver()


@app.task(name="ris.sweep")
def sweep_task() -> None:
    deliver()


@app.task(name="ris.timers")
def timers_task() -> None:
    run_timers()


class Doorbell:
    """Rings the worker after a commit; best effort, and silent for a while after a failure.

    With the broker down a ring costs a connection attempt: after one failure the breaker stays
    open, so a clinical save is slowed once and never fails. Of many commits in a row the first
    rings at once and those after it together, a moment later.
    """

    def __init__(self) -> None:
        self._silent_until = 0.0
        self._rung_at = 0.0
        self._waiting = False
        self._lock = threading.Lock()

    @property
    def is_silent(self) -> bool:
        return time.monotonic() < self._silent_until

    def ring(self) -> None:
        with self._lock:
            if self._waiting or self.is_silent:
                return  # the ring that waits comes after this commit as well
            wait = self._rung_at + RING_SECONDS - time.monotonic()
            if wait > 0:
                self._waiting = True
        if wait > 0:
            later = threading.Timer(wait, self._ring_now)
            later.daemon = True
            later.start()
        else:
            self._ring_now()

    def _ring_now(self) -> None:
        with self._lock:
            self._waiting = False
            self._rung_at = time.monotonic()
        try:
            deliver_task.apply_async((time.time(),), retry=True, retry_policy=AGAIN, expires=30)
        except Exception as error:
            self._silent_until = time.monotonic() + BREAKER_SECONDS
            log.warning("doorbell is silent", seconds=BREAKER_SECONDS, error=type(error).__name__)


doorbell = Doorbell()
ring = doorbell.ring
