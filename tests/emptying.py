"""The database is emptied after a test that commits: of what the test left, and nothing else.

Django's ``flush`` empties every table, whether there is a row in it or not, and then finds all
content types and permissions anew: a tenth of a second on SQLite, and a second or two on
PostgreSQL, which makes new files for every table and index that it truncates.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

from django.db import connection, transaction

from ris.models import guards

# What Django says of the models: the same before each test.
_KEPT = {"django_content_type", "auth_permission"}
# What was deleted stays in PostgreSQL's files: more than this (bytes) is better truncated.
_MUCH = 16 * 1024 * 1024


def empty() -> None:
    """Leave no row; on PostgreSQL once everybody else has ended a transaction, as TRUNCATE does."""
    if connection.vendor == "postgresql":
        _empty_postgresql()
        return
    with transaction.atomic():
        used = _used()
        with guards.lifted() if guards.TABLE in used else nullcontext():
            _delete(used)


def _empty_postgresql() -> None:
    everything = ", ".join(f'"{table}"' for table in _tables())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {everything} IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'r'")
        (size,) = cursor.fetchone()
        if size > _MUCH:
            cursor.execute(f"TRUNCATE {everything}")
            return
        # Neither the guard of signed versions nor keys between tables: all of it goes.
        cursor.execute("SET LOCAL session_replication_role = replica")
        _delete(_used())


@cache
def _tables() -> tuple[str, ...]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(sorted(set(names) - _KEPT))


def _used() -> list[str]:
    """The tables with a row."""
    asked = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")" for table in _tables())
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        return [name for (name,) in cursor.fetchall()]


def _delete(tables: list[str]) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')
