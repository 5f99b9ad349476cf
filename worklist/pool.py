"""The pool that runs what may block: a fixed number of long-lived daemon threads.

Unlike ThreadPoolExecutor it does not keep the process from ending if a handler hangs, and it does
not build a future for each piece of work, which shows on a path of half a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_Work = tuple[Callable[..., None], tuple[Any, ...]]


class WorkerPool:
    """Work waits in one queue, no longer than there are associations: each runs one request."""

    def __init__(self, threads: int, name: str, on_end: Callable[[], None] | None = None) -> None:
        self._on_end = on_end
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Run ``function`` in one of the threads; False if the pool is closed."""
        if not self._is_open:
            return False
        self._queue.put((function, arguments))
        return True

    def close(self, seconds: float = 0.5) -> None:
        """Take no more work and end the threads; one still running then is left behind."""
        self._is_open = False
        for _ in self._threads:
            self._queue.put(None)
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            function, arguments = work
            _keep_alive(function, *arguments)
            # Or the last request would stay in memory until the next one comes.
            del work, function, arguments
        if self._on_end is not None:
            _keep_alive(self._on_end)


def _keep_alive(function: Callable[..., None], *arguments: Any) -> None:
    """Call without losing the thread to an exception; the work answers its peer itself."""
    try:
        function(*arguments)
    except BaseException as error:
        log.error("dicom worker failed", error=type(error).__name__)
