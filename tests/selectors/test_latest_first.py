"""What changed last is found as if everything had been looked at, but by an index."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.fhir.resources import KINDS
from ris.models import (
    Appointment,
    Order,
    Patient,
    PerformedProcedureStep,
    Report,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.search import Page
from ris.services import execute
from tests import make, people
from tests.selectors.test_search_plans import plans, whole

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WORKED_OUT = ("Appointment", "DiagnosticReport", "ImagingStudy", "ServiceRequest", "Task")
LATEST_FIRST = (("updated", True),)
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def department() -> None:
    """Eight exams, five of them performed, four reported; what belongs to them changed anywhen."""
    make.site()
    make.device()
    orders = [make.booked(make.NOON + timedelta(hours=hour)) for hour in range(8)]
    for order in orders[:5]:
        execute(make.start(order), actor=people.ct1)
    for order in orders[:4]:
        make.final_report(order)
    chance = random.Random(7)
    changing: tuple[Any, ...] = (
        Order, Patient, RequestedProcedure, ScheduledProcedureStep, PerformedProcedureStep,
        Appointment, Report,
    )  # fmt: skip
    for model in changing:
        for row in model.objects.all():
            at = BEGIN + timedelta(minutes=chance.randrange(10_000))
            model.objects.filter(pk=row.pk).update(updated_at=at)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", WORKED_OUT)
def test_pages_have_what_one_page_of_all_has(kind: str, size: int, department: None) -> None:
    finder, criteria = KINDS[kind].finder, KINDS[kind].criteria()
    every = finder.keys(criteria, Page(100, LATEST_FIRST)).hits

    found: list[str] = []
    page: Page | None = Page(size, LATEST_FIRST)
    while page is not None:
        shown = finder.keys(criteria, page)
        found += shown.hits
        behind = shown.following
        page = None if behind is None else Page(size, LATEST_FIRST, after=behind)

    assert len(every) >= 5
    assert found == list(every)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("kind", WORKED_OUT)
def test_the_first_page_works_out_no_more_than_changed_since(kind: str, department: None) -> None:
    read_whole = [
        line for plan in plans(kind, "_sort=-_lastUpdated&_count=2") for line in whole(plan)
    ]

    # Where the latest stand in an index, it is read from its end until there are three.
    assert [line for line in read_whole if "_updated" not in line] == []
