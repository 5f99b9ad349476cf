"""Statements of the quick paths, as prepared SQL on the connection of the thread.

The ORM's cursor sends PostgreSQL a new text each time, which costs more to plan than to carry out,
and asks whether the connection still lives. Whoever counts or logs statements gets Django's cursor.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connection

_MARK = re.compile(r"(?<!%)%s")
# Set where a pooler between us and PostgreSQL does not keep prepared statements.
_unprepared: set[str] = set()


def fetch(statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows; ``statement`` has Django's ``%s`` marks."""
    if connection.queries_logged or connection.execute_wrappers:
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return list(cursor.fetchall())
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            rows = connection.connection.cursor().execute(_with_question_marks(statement), params)
            return list(rows.fetchall())
        return _fetch_prepared(statement, params)


@lru_cache(maxsize=512)
def _with_question_marks(statement: str) -> str:
    return _MARK.sub("?", statement).replace("%%", "%")


def _fetch_prepared(statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    import psycopg

    raw = connection.connection
    cursor = psycopg.Cursor(raw, row_factory=psycopg.rows.tuple_row)
    if connection.alias in _unprepared:
        return cursor.execute(statement.encode(), params, binary=True).fetchall()
    if raw.prepare_threshold is None:
        raw.prepare_threshold = sys.maxsize  # only what asks for it
    try:
        return cursor.execute(statement.encode(), params, prepare=True, binary=True).fetchall()
    except (
        psycopg.errors.InvalidSqlStatementName,
        psycopg.errors.DuplicatePreparedStatement,
        psycopg.errors.FeatureNotSupported,  # a migration changed a column meanwhile
    ) as error:
        if connection.in_atomic_block:
            raise
        if not isinstance(error, psycopg.errors.FeatureNotSupported):
            _unprepared.add(connection.alias)
        return cursor.execute(statement.encode(), params, prepare=False, binary=True).fetchall()
