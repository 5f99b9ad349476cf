"""What waits to be read is found by an index, however large the archive is, on either database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.selectors import reading, reading_leases
from ris.selectors.reading import Pile
from ris.selectors.reading_filters import Filters, Scope, narrowed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive")]


def plan(ask: Callable[[], object]) -> str:
    """How the database finds what the first statement of a question reads.

    PostgreSQL reads small tables whole; told not to, it shows what it does with large ones.
    """
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if postgresql:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        with CaptureQueriesContext(connection) as asked:
            ask()
        statement = asked.captured_queries[0]["sql"].replace("%", "%%")
        cursor.execute(("EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN ") + statement)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_the_unread_are_found_by_their_stage_and_only_they_are_sorted() -> None:
    filters = Filters(modality="CT", subspecialty="neuro", q="berg")
    rows = narrowed(
        reading.in_pile(Pile.UNREAD, 1), filters, Scope(subspecialties=("neuro", "MSK"))
    )

    found = plan(lambda: list(reading.ordered(rows, Pile.UNREAD, user_id=1)[:51]))

    assert "procedure_stage_performed" in found
    assert "SCAN ris_requestedprocedure" not in found
    assert "SCAN ris_order" not in found


def test_silent_readers_are_found_among_those_who_read() -> None:
    assert "reading_lease_going_on" in plan(reading_leases.due_to_end)
