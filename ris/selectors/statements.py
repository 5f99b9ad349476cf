"""Statements of the quick paths, as prepared SQL on the connection of the thread.

The ORM's cursor sends PostgreSQL a new text each time, which costs more to plan than to carry out,
and asks whether the connection still lives. Whoever counts or logs statements gets Django's cursor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# A migration changed a column of a prepared statement meanwhile.
_FEATURE_NOT_SUPPORTED = "0A000"
_MARK = re.compile(r"(?<!%)%s")
# Set where a pooler between us and PostgreSQL does not keep prepared statements.
_unprepared: set[str] = set()
_tuned: WeakSet[Any] = WeakSet()  # connections of the driver
# Set by a part whose peers do not wait for long: PostgreSQL then ends what takes longer.
longest_seconds = 0.0


def fetch(statement: str, params: Sequence[Any], *, as_text: bool = False) -> list[tuple[Any, ...]]:
    """All rows; ``statement`` has Django's ``%s`` marks.

    PostgreSQL sends values in binary, which is quicker; ``as_text`` is for those that Django's
    fields convert.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.queries_logged or connection.execute_wrappers:
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return list(cursor.fetchall())
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            rows = connection.connection.cursor().execute(_with_question_marks(statement), params)
            return list(rows.fetchall())
        return _fetch_prepared(connection, statement, params, binary=not as_text)


@lru_cache(maxsize=512)
def _with_question_marks(statement: str) -> str:
    return _MARK.sub("?", statement).replace("%%", "%")


def _fetch_prepared(
    connection: BaseDatabaseWrapper, statement: str, params: Sequence[Any], *, binary: bool
) -> list[tuple[Any, ...]]:
    from ris.postgresql import libpq

    raw = connection.connection
    if connection.alias in _unprepared:
        return _fetch_unprepared(raw, statement, params, binary=binary)
    if raw not in _tuned:
        _tuned.add(raw)
        # PostgreSQL's default is a disk with arms: it would rather read a whole table than look up
        # a few hundred rows.
        raw.execute(b"SET random_page_cost = 1.1")
        if longest_seconds:
            milliseconds = round(longest_seconds * 1000)
            raw.execute(f"SET statement_timeout = {milliseconds}".encode())
    text = libpq.numbered(statement)
    kept = libpq.Statements.of(raw)
    try:
        return kept.rows(text, params, binary=binary)
    except libpq.UNKNOWN as error:
        if connection.in_atomic_block:
            raise
        if error.sqlstate == _FEATURE_NOT_SUPPORTED:
            kept.forget(text)
        else:
            _unprepared.add(connection.alias)
        return _fetch_unprepared(raw, statement, params, binary=binary)


def _fetch_unprepared(
    raw: Any, statement: str, params: Sequence[Any], *, binary: bool
) -> list[tuple[Any, ...]]:
    import psycopg

    cursor = psycopg.Cursor(raw, row_factory=psycopg.rows.tuple_row)
    return cursor.execute(statement.encode(), params, prepare=False, binary=binary).fetchall()


def any_of(column: str, keys: Sequence[int]) -> tuple[str, list[Any]]:
    """A condition that is the same text for any number of keys, where there is one.

    PostgreSQL plans for an array anew each time, for it cannot know its length.
    """
    if len(keys) == 1:
        return f"{column} = %s", list(keys)
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", [list(keys)]
    return f"{column} IN ({', '.join(['%s'] * len(keys)) or 'NULL'})", list(keys)
