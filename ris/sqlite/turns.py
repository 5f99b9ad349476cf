"""The line of those who want to write to one SQLite file, across threads and processes.

Two files beside the database are locked with flock(2): ``-line`` by the one whose turn is next,
``-turn`` by the one who writes. Who has written and wants to write again finds somebody at the head
of the line and cannot go before them. The kernel lets go of both when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from time import monotonic


class Turn:
    """The place of one connection. Not for two threads at once, as a connection is not."""

    def __init__(self, database: str) -> None:
        self._line = _Lock(f"{database}-line")
        self._turn = _Lock(f"{database}-turn")

    @property
    def is_held(self) -> bool:
        return self._turn.is_held

    def take(self, seconds: float) -> bool:
        """Wait for the turn, at most so long; False if it did not come."""
        until = monotonic() + seconds
        if not self._line.take(until):
            return False
        try:
            return self._turn.take(until)
        finally:
            self._line.give()

    def give(self) -> None:
        """Let the next one write; nothing happens if it is somebody else's turn."""
        self._turn.give()

    def close(self) -> None:
        self._turn.close()
        self._line.close()


class _Lock:
    """One file that one open description locks at a time; it stays open meanwhile."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self.is_held = False

    def take(self, until: float) -> bool:
        if self._file is None:
            # As the database is: who may write to that may lock this.
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o660)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self._wait(self._file, until):
                return False
        self.is_held = True
        return True

    def _wait(self, file: int, until: float) -> bool:
        """flock(2) knows no timeout: a thread waits, and closes the file if it was too long."""
        waiting = _Waiting(file)
        if waiting.finished(until):
            return True
        self._file = None  # the thread's, from now on
        return False

    def give(self) -> None:
        if self.is_held and self._file is not None:
            self.is_held = False
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        file, self._file, self.is_held = self._file, None, False
        if file is not None:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # a child process may hold it open
            os.close(file)


class _Waiting(threading.Thread):
    def __init__(self, file: int) -> None:
        super().__init__(name="sqlite-line", daemon=True)
        self._file = file
        self._deciding = threading.Lock()
        self._locked = threading.Event()
        self._given_up = False
        self.start()

    def run(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._deciding:
            if self._given_up:
                os.close(self._file)
            else:
                self._locked.set()

    def finished(self, until: float) -> bool:
        """Whether it was locked in time; if not, the file is left to this thread."""
        if self._locked.wait(max(until - monotonic(), 0)):
            return True
        with self._deciding:
            self._given_up = not self._locked.is_set()
            return not self._given_up
