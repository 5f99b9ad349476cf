"""Around the web application: how many requests at once, and who keeps a database connection.

An open page holds a stream (ris/web/live), and a stream holds a thread of the server that waits
for nearly all of its life. The server therefore has a thread for each stream beside those for
requests, and this gate sees to it that no more than ``RIS_HTTP__THREADS`` requests are served at
once and that no more threads than that keep a connection to the database.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Seat:
    """One of the threads that keep their connection; left when the thread ends."""

    def __init__(self, seats: threading.Semaphore) -> None:
        self._seats = seats

    def __del__(self) -> None:
        self._seats.release()


class Gate:
    """The application, entered by so many requests at once."""

    def __init__(self, application: Application, requests: int) -> None:
        self._application = application
        self._entry = threading.Semaphore(requests)
        self._seats = threading.Semaphore(requests)
        self._own = threading.local()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._entry:
            answer = self._application(environ, start)
            if getattr(answer, "is_live", False):
                # This thread now only waits; what it had is for those that work.
                self._own.seat = None
                connections.close_all()
            elif getattr(self._own, "seat", None) is None:
                if self._seats.acquire(blocking=False):
                    self._own.seat = _Seat(self._seats)
                else:
                    connections.close_all()
            return answer


def on_end(callback: Callable[[], None]) -> None:
    """Have ``callback`` called when this process is told to end, beside whoever handles the signal.

    To be called in the main thread. The server waits for answers that are under way, and a stream
    would go on until it is killed.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait() -> None:
        while number := os.read(reader, 1):
            if number[0] in {signal.SIGTERM, signal.SIGINT}:
                callback()
                return

    threading.Thread(target=wait, name="end", daemon=True).start()
