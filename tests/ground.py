"""Rows that many tests begin with: made once in a process, then put back as they were.

What the door makes in tenths of a second is read back from copies of the tables in hundredths. Only
for what a test begins with: what it does itself goes through the door.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.db import connection, transaction
from django.utils import timezone

T = TypeVar("T")
Rows = Any  # of SQLite a list of rows, of PostgreSQL what COPY says


@dataclass(frozen=True, slots=True)
class _Made:
    """What a builder left: its result, the tables it changed, and the time it was done."""

    result: Any
    tables: dict[str, Rows]
    at: datetime


_made: dict[str, _Made] = {}


def begin(name: str, build: Callable[[], T]) -> tuple[T, datetime]:
    """Do ``build``, or have its rows again; with the time on the clock when it was done."""
    if name not in _made:
        before = _all_tables()
        result = build()
        changed = {table: rows for table, rows in _all_tables().items() if rows != before[table]}
        _made[name] = _Made(result, changed, timezone.now())
    else:
        with transaction.atomic():
            _put(_made[name].tables)
    made = _made[name]
    # A test may change the objects; the next one gets them as they were.
    return cast(T, copy.deepcopy(made.result)), made.at


def _all_tables() -> dict[str, Rows]:
    return {name: _read(name) for name in connection.introspection.django_table_names()}


def _read(table: str) -> Rows:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f'COPY "{table}" TO STDOUT') as lines:
                return sorted(bytes(line) for line in lines)
        # An expression has no declared type, so that no converter changes a value.
        values = ", ".join(f'+"{column}"' for column in _columns(table))
        return cursor.execute(f'SELECT {values} FROM "{table}" ORDER BY rowid').fetchall()


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [row[1] for row in cursor.execute(f'PRAGMA table_info("{table}")').fetchall()]


def _put(tables: dict[str, Rows]) -> None:
    """In any order: keys between tables are looked at when the transaction ends."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
        for table, rows in tables.items():
            if connection.vendor == "postgresql":
                with cursor.copy(f'COPY "{table}" FROM STDIN') as lines:
                    for line in rows:
                        lines.write(line)
            elif rows:
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)
