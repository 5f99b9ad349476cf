"""A query that takes too long ends in the database too."""

from __future__ import annotations

import time

import pytest
from django.db import OperationalError, connection

from ris.selectors import statements

# SQLite has no limit on a statement's time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("postgresql")]


@pytest.fixture
def _new_connection() -> None:
    """What is set on a connection is set once."""
    connection.close()


@pytest.mark.usefixtures("_new_connection")
def test_postgresql_ends_a_statement_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "longest_seconds", 0.2)
    began = time.monotonic()

    with pytest.raises(OperationalError, match="statement timeout"):
        statements.fetch("SELECT pg_sleep(20)", ())

    assert time.monotonic() - began < 10
    assert statements.fetch("SELECT 1", ()) == [(1,)]
    connection.close()
