"""The pool that runs what may block: a fixed number of long-lived daemon threads.

Unlike ThreadPoolExecutor it does not keep the process from ending if a handler hangs, and it does
not build a future for each piece of work, which shows on a path of half a millisecond.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_Work = tuple[Callable[..., None], tuple[Any, ...]]


class WorkerPool:
    """Work goes to the thread that ended its last piece latest, or waits if all are busy.

    So a few threads do what there is to do on a quiet day, with what they need at hand: a database
    connection that has prepared its statements, warm caches. What waits is no longer than there are
    associations: each runs one request.
    """

    def __init__(self, threads: int, name: str, on_end: Callable[[], None] | None = None) -> None:
        self._on_end = on_end
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Work | None]] = []
        self._waiting: deque[_Work] = deque()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Run ``function`` in one of the threads; False if the pool is closed."""
        with self._lock:
            if not self._is_open:
                return False
            if not self._idle:
                self._waiting.append((function, arguments))
                return True
            own = self._idle.pop()
        own.put((function, arguments))
        return True

    def close(self, seconds: float = 0.5) -> None:
        """Take no more work and end the threads; one still running then is left behind."""
        with self._lock:
            self._is_open = False
            idle, self._idle = self._idle, []
        for own in idle:
            own.put(None)
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _work(self) -> None:
        own: SimpleQueue[_Work | None] = SimpleQueue()
        while (work := self._next(own)) is not None:
            function, arguments = work
            _keep_alive(function, *arguments)
            # Or the last request would stay in memory until the next one comes.
            del work, function, arguments
        if self._on_end is not None:
            _keep_alive(self._on_end)

    def _next(self, own: SimpleQueue[_Work | None]) -> _Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if not self._is_open:
                return None
            self._idle.append(own)
        return own.get()


def _keep_alive(function: Callable[..., None], *arguments: Any) -> None:
    """Call without losing the thread to an exception; the work answers its peer itself."""
    try:
        function(*arguments)
    except BaseException as error:
        log.error("dicom worker failed", error=type(error).__name__)
