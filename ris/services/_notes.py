"""Small facts that need no transaction of their own: written along with the next one.

That an answer left is known after the commit that made it. To commit once more for it would cost as
much as the message itself, so it goes with the next message, or by itself a moment later.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

T = TypeVar("T")
_MOMENT = 0.05
_AGAIN = 1.0
_KEPT = 10_000  # with the database away for long, the oldest are given up


class Notes(Generic[T]):
    """What is still to be written; ``write`` has a transaction write them when it is quiet."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._notes: list[T] = []
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, note: T) -> None:
        with self._lock:
            self._notes.append(note)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="notes", daemon=True)
                self._thread.start()
                atexit.register(self.write_rest)
        self._there.set()

    def take(self) -> list[T]:
        """All of them; the caller writes them, or puts them back."""
        if not self._notes:
            return []
        with self._lock:
            taken, self._notes = self._notes, []
        return taken

    def put_back(self, notes: list[T]) -> None:
        if notes:
            with self._lock:
                self._notes = (notes + self._notes)[-_KEPT:]
            self._there.set()

    def _run(self) -> None:
        while True:
            self._there.wait()
            self._there.clear()
            time.sleep(_MOMENT)
            if not self.write_rest():
                time.sleep(_AGAIN)
            connection.close()

    def write_rest(self) -> bool:
        """Write what there is now; False if that failed, which is told and tried again."""
        if not self._notes or connection.in_atomic_block:
            return True
        try:
            self._write()
        except Exception as error:
            # Whatever it is, the notes were put back, and the thread is there for the next ones.
            log.warning("what became of answers is not written yet", error=type(error).__name__)
            return False
        return True
