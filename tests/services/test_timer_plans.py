"""What the clock asks every half minute is found by an index, however large the archive is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.models import SafetyQuestion
from ris.selectors.waiting import freed_lately
from ris.services import unsafe_starts

# The plan is in its words.
pytestmark = [pytest.mark.django_db, pytest.mark.only("sqlite")]


def plan(queries: CaptureQueriesContext, table: str) -> list[str]:
    """How SQLite finds the rows of a table, in each of the statements that read it."""
    found = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            if not query["sql"].startswith("SELECT"):
                continue
            cursor.execute("EXPLAIN QUERY PLAN " + query["sql"].replace("%", "%%"))
            found += [row[3] for row in cursor.fetchall() if f" {table}" in row[3]]
    return found


def test_what_was_given_back_lately_is_found_by_the_change() -> None:
    with CaptureQueriesContext(connection) as asked:
        freed_lately(timezone.now() - timedelta(minutes=15))

    assert plan(asked, "ris_appointment") == [
        "SEARCH ris_appointment USING COVERING INDEX appointment_updated (updated_at>?)"
    ]


def test_late_starts_are_found_by_the_change() -> None:
    SafetyQuestion.objects.create(code="A", words="Metal?", kind="YES_NO", gate="START")
    with CaptureQueriesContext(connection) as asked:
        unsafe_starts.note_late()

    assert plan(asked, "ris_performedprocedurestep") == [
        "SEARCH ris_performedprocedurestep USING INDEX performed_updated (updated_at>?)"
    ]
