"""Whom the outbox asks now, and with how many threads: a breaker and a gate per endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BREAKER_FAILURES = 5
BREAKER_SECONDS = 15.0


class Breaker:
    """Keeps a process from asking an endpoint that does not answer, but for a probe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[int, int] = {}
        self._closed_until: dict[int, float] = {}
        self._lock = threading.Lock()

    def lets(self, endpoint_id: int) -> bool:
        with self._lock:
            return self._clock() >= self._closed_until.get(endpoint_id, 0.0)

    def doubts(self, endpoint_id: int) -> bool:
        """Whether the last try did not reach it."""
        with self._lock:
            return endpoint_id in self._failures

    def note(self, endpoint_id: int, *, reached: bool) -> None:
        with self._lock:
            if reached:
                self._failures.pop(endpoint_id, None)
                self._closed_until.pop(endpoint_id, None)
                return
            failures = self._failures.get(endpoint_id, 0) + 1
            self._failures[endpoint_id] = failures
            if failures >= BREAKER_FAILURES:
                self._closed_until[endpoint_id] = self._clock() + BREAKER_SECONDS


class Gate:
    """Lets one thread of this process at a time serve an endpoint.

    Without it a peer that hangs would take a thread for each of its lanes, until none is left for
    anybody else. Who finds an endpoint being served leaves word, so that nothing is overlooked.
    """

    def __init__(self) -> None:
        self._inside: set[int] = set()
        self._again: set[int] = set()
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        return not self._inside

    def enter(self, endpoint_id: int) -> bool:
        with self._lock:
            if endpoint_id in self._inside:
                self._again.add(endpoint_id)
                return False
            self._inside.add(endpoint_id)
            return True

    def leave(self, endpoint_id: int, *, for_good: bool = False) -> bool:
        """Whether the endpoint was left; not if somebody came meanwhile."""
        with self._lock:
            if endpoint_id in self._again and not for_good:
                self._again.discard(endpoint_id)
                return False
            self._again.discard(endpoint_id)
            self._inside.discard(endpoint_id)
            return True
