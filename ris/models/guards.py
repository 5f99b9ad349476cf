"""Triggers that keep signed report versions as they are, whoever writes (ADR 0013).

SQLite makes a table anew for a new column, and its triggers are gone with the old one: a migration
that changes the columns of ``ReportVersion`` ends with ``guard_versions`` once more
(``tests/services/test_report_seals.py`` fails without).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

NAME = "report_version_stays"
TABLE = "ris_reportversion"
_EVENTS = ("UPDATE", "DELETE")


def guard_versions(apps: Any, schema_editor: Any) -> None:
    """For migrations: refuse UPDATE and DELETE of versions; done twice is done once."""
    _put(schema_editor.connection, schema_editor.execute)


def unguard_versions(apps: Any, schema_editor: Any) -> None:
    _lift(schema_editor.connection, schema_editor.execute)


def _put(database: BaseDatabaseWrapper, execute: Callable[[str], Any]) -> None:
    _lift(database, execute)
    if database.vendor == "postgresql":
        execute(
            f"""
            CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{NAME}' USING ERRCODE = 'restrict_violation';
            END $$
            """
        )
        execute(
            f"CREATE TRIGGER {NAME} BEFORE UPDATE OR DELETE ON {TABLE} "
            f"FOR EACH ROW EXECUTE FUNCTION {NAME}()"
        )
        return
    for event in _EVENTS:
        execute(
            f"CREATE TRIGGER {NAME}_{event.lower()} BEFORE {event} ON {TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{NAME}'); END"
        )


def _lift(database: BaseDatabaseWrapper, execute: Callable[[str], Any]) -> None:
    if database.vendor == "postgresql":
        execute(f"DROP TRIGGER IF EXISTS {NAME} ON {TABLE}")
        return
    for event in _EVENTS:
        execute(f"DROP TRIGGER IF EXISTS {NAME}_{event.lower()}")


def versions_are_guarded() -> bool:
    """Whether the database refuses to change what was signed."""
    found = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s"
    if connection.vendor == "postgresql":
        found = "SELECT 2 * count(*) FROM pg_trigger WHERE tgenabled <> 'D' AND tgname LIKE %s"
    with connection.cursor() as cursor:
        cursor.execute(found, [f"{NAME}%"])
        (number,) = cursor.fetchone()
    return bool(number == len(_EVENTS))


@contextmanager
def lifted() -> Iterator[None]:
    """Without the guard for a while: for emptying a whole database, and for tests of what it is
    there against."""
    with connection.cursor() as cursor:
        _lift(connection, cursor.execute)
        try:
            yield
        finally:
            _put(connection, cursor.execute)
