"""The threads that run what may block: a fixed number, long-lived, daemons."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic


class Threads:
    """A fixed number of daemon threads, so that a hanging handler cannot keep the process alive."""

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"mllp-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        self._queue.put(work)

    def close(self, seconds: float) -> None:
        """Let the threads finish what was submitted; one that hangs is left behind."""
        for _ in self._threads:
            self._queue.put(None)
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
            del work  # or the last message would stay in memory until the next one
