"""Kept statements on the connection of the database driver, where nobody watches them.

Django's cursor rewrites a statement's marks each time, and sends PostgreSQL a new text that costs
more to plan than to carry out. A kept statement goes straight to the driver; whoever counts, logs
or wraps statements gets Django's cursor.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_MARK = re.compile(r"(?<!%)%s")
# Set where a pooler between us and PostgreSQL does not keep prepared statements.
_unprepared: set[str] = set()

_thread = threading.local()

Params = Sequence[Any]
Rows = list[tuple[Any, ...]]


def here() -> BaseDatabaseWrapper:
    """The connection of this thread; the same for its whole life, so it is looked up once."""
    try:
        connection: BaseDatabaseWrapper = _thread.connection
    except AttributeError:
        connection = _thread.connection = connections[DEFAULT_DB_ALIAS]
    return connection


class SharedConnection:
    """A connection that threads take turns at: who holds it works on it as on their own.

    SQLite keeps pages in memory for each connection, and what another connection writes makes them
    void. If threads take turns at writing with connections of their own, each of them reads anew
    what the one before has written; with this one nobody has to.
    """

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None
        self._process = 0
        self._lock = threading.Lock()
        atexit.register(self.close)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, the thread's connection is this one."""
        with self._lock:
            own = connections[DEFAULT_DB_ALIAS]
            shared = self._open(own)
            connections[DEFAULT_DB_ALIAS] = _thread.connection = shared
            try:
                yield
            finally:
                connections[DEFAULT_DB_ALIAS] = _thread.connection = own

    def _open(self, own: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
        known = self._connection
        if known is not None and self._process == os.getpid():  # or it is another process's
            if known.settings_dict["NAME"] == own.settings_dict["NAME"]:
                return known
            known.close()
        self._connection, self._process = connections.create_connection(own.alias), os.getpid()
        self._connection.inc_thread_sharing()
        return self._connection

    def close(self) -> None:
        """The next who holds it opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()


class Text:
    """The text of a statement: with Django's marks, and as the driver takes it."""

    __slots__ = ("marked", "native")

    def __init__(self, marked: str, vendor: str) -> None:
        self.marked = marked
        self.native: Any = marked
        if vendor == "sqlite":
            self.native = _MARK.sub("?", marked).replace("%%", "%")
        elif vendor == "postgresql":
            self.native = _libpq().numbered(marked)


def rows(connection: BaseDatabaseWrapper, text: Text, params: Params) -> Rows:
    """What the statement finds or returns."""
    if _is_watched(connection):
        with connection.cursor() as cursor:
            cursor.execute(text.marked, params)
            return list(cursor.fetchall())
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            found: Rows = connection.connection.execute(text.native, params).fetchall()
        else:
            found = _prepared(connection, text, params, counted=False)
        return found


def count(connection: BaseDatabaseWrapper, text: Text, params: Params) -> int:
    """How many rows the statement changed."""
    if _is_watched(connection):
        with connection.cursor() as cursor:
            cursor.execute(text.marked, params)
            return int(cursor.rowcount)
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            return int(connection.connection.execute(text.native, params).rowcount)
        return int(_prepared(connection, text, params, counted=True))


@cache
def _is_debugging() -> bool:
    """Asked once: Django takes almost as long to say it as for the rest of a statement here."""
    return bool(settings.DEBUG)


def _is_watched(connection: BaseDatabaseWrapper) -> bool:
    if not connection.in_atomic_block:
        connection.close_if_health_check_failed()
    elif connection.needs_rollback:
        connection.validate_no_broken_transaction()
    return (
        connection.connection is None
        or bool(connection.execute_wrappers)
        or connection.force_debug_cursor
        or _is_debugging()
    )


def _prepared(connection: BaseDatabaseWrapper, text: Text, params: Params, *, counted: bool) -> Any:
    raw = connection.connection
    if connection.alias in _unprepared:
        cursor = raw.execute(text.marked.encode(), params)
        return cursor.rowcount if counted else cursor.fetchall()
    libpq = _libpq()
    kept = libpq.Statements.of(raw)
    try:
        return kept.count(text.native, params) if counted else kept.rows(text.native, params)
    except libpq.UNKNOWN as error:
        # The transaction is lost, but not what it was about: the next try goes without.
        _unprepared.add(connection.alias)
        raise OperationalError("the database does not know a prepared statement") from error


@cache
def _libpq() -> Any:
    """Not loaded where there is SQLite only."""
    from ris.postgresql import libpq

    return libpq
