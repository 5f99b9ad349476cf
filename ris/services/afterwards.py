"""What follows from changes but must not hold up what leaves: done apart, a moment later.

An edge that keeps something of its own up to date registers a follower. It is given the events of
each fan-out after its commit, in a thread of its own, so that neither a commit nor a delivery waits
for it. What a process had not followed when it ended is not followed up: a follower keeps only
what can be made again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from django.db import close_old_connections

from ris.domain.protocol import StoredEvent

log = structlog.get_logger(__name__)

Follower = Callable[[Sequence[StoredEvent]], None]

AT_ONCE = 100
_LONGEST_REST = 1.0
_MOST_WAITING = 5000

_followers: list[Follower] = []
_waiting: deque[StoredEvent] = deque(maxlen=_MOST_WAITING)
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_at_work = False


def register(follower: Follower) -> None:
    """Called by an edge when it starts; twice is once."""
    if follower not in _followers:
        _followers.append(follower)


def wait_with(events: Sequence[StoredEvent]) -> None:
    """These were committed and fanned out; the oldest are dropped if nobody follows for long."""
    if _followers:
        _waiting.extend(events)


def follow() -> int:
    """Let the followers see all that waits; how many events."""
    done = 0
    while some := _follow_some():
        done += some
    return done


def _follow_some() -> int:
    with _lock:
        events = [_waiting.popleft() for _ in range(min(AT_ONCE, len(_waiting)))]
    for follower in _followers if events else ():
        try:
            follower(events)
        except Exception:
            log.exception("what follows from events stopped", events=len(events))
    return len(events)


def follow_apart() -> None:
    """Follow in the thread that is there for it, unless it does so already."""
    global _pool, _at_work
    with _lock:
        if _at_work or not _waiting:
            return
        if _pool is None:
            _pool = ThreadPoolExecutor(1, thread_name_prefix="afterwards")
        _pool.submit(_follow_apart, _pool)
        _at_work = True


def _follow_apart(pool: ThreadPoolExecutor) -> None:
    """Some of what waits, then the rest as work of its own, so that a process can end between."""
    global _at_work
    began = time.monotonic()
    try:
        close_old_connections()
        _follow_some()
        if _waiting:
            # Whoever delivers here gets at least as much of the process, however much there is.
            time.sleep(min(time.monotonic() - began, _LONGEST_REST))
    finally:
        with _lock:
            _at_work = False
            if _waiting:
                with suppress(RuntimeError):  # the process ends
                    pool.submit(_follow_apart, pool)
                    _at_work = True
