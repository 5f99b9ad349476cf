"""What follows from changes but must not hold up what leaves: done apart, a moment later.

An edge that keeps something of its own up to date registers a follower. It is given the events of
each fan-out after its commit, in a thread of its own, so that neither a commit nor a delivery waits
for it. What a process had not followed when it ended is not followed up: a follower keeps only
what can be made again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from django.db import close_old_connections

from ris.domain.protocol import StoredEvent

log = structlog.get_logger(__name__)

Follower = Callable[[Sequence[StoredEvent]], None]

AT_ONCE = 200
_MOST_WAITING = 5000

_followers: list[Follower] = []
_waiting: deque[StoredEvent] = deque(maxlen=_MOST_WAITING)
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_running: Future[int] | None = None


def register(follower: Follower) -> None:
    """Called by an edge when it starts; twice is once."""
    if follower not in _followers:
        _followers.append(follower)


def wait_with(events: Sequence[StoredEvent]) -> None:
    """These were committed and fanned out; the oldest are dropped if nobody follows for long."""
    if _followers:
        _waiting.extend(events)


def follow() -> int:
    """Let the followers see what waits; how many events."""
    done = 0
    while events := _taken():
        for follower in _followers:
            try:
                follower(events)
            except Exception:
                log.exception("what follows from events stopped", events=len(events))
        done += len(events)
    return done


def _taken() -> list[StoredEvent]:
    with _lock:
        return [_waiting.popleft() for _ in range(min(AT_ONCE, len(_waiting)))]


def follow_apart() -> None:
    """Follow in the thread that is there for it, unless it does so already."""
    global _pool, _running
    with _lock:
        if not _waiting or (_running is not None and not _running.done()):
            return
        if _pool is None:
            _pool = ThreadPoolExecutor(1, thread_name_prefix="afterwards")
        _running = _pool.submit(_follow)


def _follow() -> int:
    close_old_connections()
    return follow()
