"""What the pages ask all day is found by indexes, however large the archive is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.selectors import audit, order_lists, schedule
from tests.selectors.test_search_plans import explained, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive")]

ID = "01890000-0000-7000-8000-000000000001"
MONDAY = date(2026, 3, 2)
# Where a plan has the conditions that an index is asked by.
BY_INDEX = "IndexCond:" if connection.vendor == "postgresql" else "USINGINDEX"


def plans(ask: Callable[[], object]) -> list[str]:
    """How the database means to do each statement of a question."""
    with CaptureQueriesContext(connection) as captured:
        ask()
    return explained(each["sql"] for each in captured.captured_queries)


def test_the_day_at_the_desk_does_not_walk_through_all_days_before() -> None:
    of_day = plans(lambda: schedule.expected(MONDAY))[0].replace(" ", "").splitlines()

    [by_index] = [line for line in of_day if BY_INDEX in line and "start_at<" in line]
    assert "start_at>" in by_index


@pytest.mark.only("postgresql")
def test_what_is_done_is_counted_by_what_is_open() -> None:
    [counted] = plans(order_lists.standing)

    # "None of these stages" would be asked of every procedure there ever was.
    assert "<> ALL" not in counted


@pytest.mark.parametrize("patient", [ID, "P00000012"])
def test_who_looked_at_a_patient_is_found_by_number_and_by_id(patient: str) -> None:
    looked = plans(lambda: list(audit.events(patient=patient)[:50]))

    assert [line for plan in looked for line in whole(plan)] == []
