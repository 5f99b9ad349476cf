"""PostgreSQL's present snapshot for an event loop, which must not wait.

One connection, one question at a time; whoever asks while one is under way is answered by the next,
for its snapshot has to be younger than the question.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

log = structlog.get_logger(__name__)

_STATEMENT: Final = b"SELECT pg_current_snapshot()::text"
_NAME: Final = b"ris_snapshot"
# A database that takes longer is busy: then asking it from a thread is the smaller wait.
_PATIENCE_SECONDS: Final = 0.05
_AGAIN_SECONDS: Final = 5.0

Told = Callable[[str | None], None]


class Snapshots:
    """Lives on one event loop; all but connecting happens there."""

    _loop: asyncio.AbstractEventLoop  # that of the first question

    def __init__(self) -> None:
        self._connection: Any = None
        self._asked: list[Told] = []  # the question under way is theirs
        self._waiting: list[Told] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_connecting = False
        self._is_closed = False
        self._not_before = 0.0

    def ask(self, then: Told) -> bool:
        """Have ``then`` called with the snapshot, or None if it does not come at once.

        False if there is no connection; one is made meanwhile.
        """
        if self._connection is None:
            self._connect()
            return False
        self._waiting.append(then)
        if not self._asked:
            self._send()
        return True

    def close(self) -> None:
        """From any thread, when the loop has ended or will end."""
        self._is_closed = True
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    # --- the question

    def _send(self) -> None:
        from psycopg import OperationalError

        self._asked, self._waiting = self._waiting, []
        try:
            self._connection.pgconn.send_query_prepared(_NAME, [])
            self._connection.pgconn.flush()
        except OperationalError:
            self._fail()
            return
        self._timer = self._loop.call_later(_PATIENCE_SECONDS, self._fail)

    def _receive(self) -> None:
        from psycopg import OperationalError

        snapshot = None
        try:
            link = self._connection.pgconn
            link.consume_input()
            while not link.is_busy():
                result = link.get_result()
                if result is None:
                    break
                value = result.get_value(0, 0) if result.ntuples else None
                snapshot = value.decode() if value is not None else None
            else:
                return  # more to come
        except OperationalError:
            self._fail()
            return
        if self._timer is not None:
            self._timer.cancel()
        told, self._asked = self._asked, []
        if told and snapshot is None:
            self._asked = told
            self._fail()
            return
        if self._waiting:
            self._send()
        _tell(told, snapshot)

    def _fail(self) -> None:
        """Give up this connection; those who ask get no answer."""
        if self._timer is not None:
            self._timer.cancel()
        broken, self._connection = self._connection, None
        if broken is not None:
            with suppress(Exception):
                self._loop.remove_reader(broken.pgconn.socket)
            with suppress(Exception):
                broken.close()
        self._not_before = monotonic() + _AGAIN_SECONDS
        told = [*self._asked, *self._waiting]
        self._asked, self._waiting = [], []
        _tell(told, None)

    # --- the connection

    def _connect(self) -> None:
        if self._is_connecting or self._is_closed or monotonic() < self._not_before:
            return
        self._is_connecting = True
        self._not_before = monotonic() + _AGAIN_SECONDS
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._open, name="snapshots", daemon=True).start()

    def _open(self) -> None:
        """In a thread: connecting takes milliseconds, or seconds."""
        import psycopg

        made = None
        try:
            with connections[DEFAULT_DB_ALIAS].wrap_database_errors:
                parameters = connections[DEFAULT_DB_ALIAS].get_connection_params()
            for ours in ("cursor_factory", "prepare_threshold", "context"):
                parameters.pop(ours, None)
            made = psycopg.connect(**parameters, autocommit=True)
            prepared = made.pgconn.prepare(_NAME, _STATEMENT)
            if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
                made.close()
                made = None
            else:
                made.pgconn.nonblocking = 1
        except psycopg.Error:
            made = None
        finally:
            connections.close_all()
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._opened, made)

    def _opened(self, made: Any) -> None:
        self._is_connecting = False
        if made is None:
            return
        if self._is_closed:
            made.close()
            return
        self._connection = made
        self._loop.add_reader(made.pgconn.socket, self._receive)


def _tell(told: Sequence[Told], snapshot: str | None) -> None:
    for one in told:
        try:
            one(snapshot)
        except Exception:
            log.exception("whoever asked for a snapshot failed")
