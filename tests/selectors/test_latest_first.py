"""What changed last, or first, is found as if everything had been looked at, but by an index."""

from __future__ import annotations

import random
from dataclasses import replace
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
from ris.selectors.search.terms import Comparison, TimeTerm
from ris.services import execute
from tests import make, people
from tests.selectors.test_search_plans import plans, whole

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WORKED_OUT = ("Appointment", "DiagnosticReport", "ImagingStudy", "ServiceRequest", "Task")
LATEST_FIRST = (("updated", True),)
OLDEST_FIRST = (("updated", False),)
EITHER = (LATEST_FIRST, OLDEST_FIRST)
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
LAST = datetime(2027, 1, 1, tzinfo=UTC)
CHANGING: tuple[Any, ...] = (
    Order, Patient, RequestedProcedure, ScheduledProcedureStep, PerformedProcedureStep,
    Appointment, Report,
)  # fmt: skip


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
    for model in CHANGING:
        for row in model.objects.all():
            at = BEGIN + timedelta(minutes=chance.randrange(10_000))
            model.objects.filter(pk=row.pk).update(updated_at=at)


def paged(kind: str, page: Page | None) -> tuple[list[str], list[Page]]:
    """What the pages have from one on, and the pages."""
    finder, criteria = KINDS[kind].finder, KINDS[kind].criteria()
    found: list[str] = []
    asked: list[Page] = []
    while page is not None:
        shown = finder.keys(criteria, page)
        found += shown.hits
        asked.append(page)
        behind = shown.following
        page = None if behind is None else replace(page, after=behind)
    return found, asked


@pytest.mark.parametrize("kind", WORKED_OUT)
def test_pages_have_what_one_page_of_all_has(kind: str, department: None) -> None:
    for order in EITHER:
        every = list(KINDS[kind].finder.keys(KINDS[kind].criteria(), Page(100, order)).hits)
        assert len(every) >= 5
        for size in (1, 2, 3):
            assert (size, paged(kind, Page(size, order))[0]) == (size, every)


@pytest.mark.parametrize("kind", WORKED_OUT)
def test_pages_back_have_what_pages_on_had(kind: str, department: None) -> None:
    finder, criteria = KINDS[kind].finder, KINDS[kind].criteria()
    for order in EITHER:
        found, asked = paged(kind, Page(2, order))
        last = finder.keys(criteria, asked[-1])

        back = list(last.hits)
        ahead = last.preceding
        while ahead is not None:
            shown = finder.keys(criteria, Page(2, order, before=ahead))
            back = [*shown.hits, *back]
            ahead = shown.preceding

        assert back == found


@pytest.mark.parametrize("kind", WORKED_OUT)
def test_pages_of_what_changed_at_once_have_each_once(kind: str, department: None) -> None:
    for model in CHANGING:
        model.objects.update(updated_at=BEGIN)
    for order in EITHER:
        every = KINDS[kind].finder.keys(KINDS[kind].criteria(), Page(100, order)).hits
        assert paged(kind, Page(2, order))[0] == list(every)


@pytest.mark.parametrize("kind", WORKED_OUT)
def test_what_changed_in_a_time_is_found(kind: str, department: None) -> None:
    finder, criteria = KINDS[kind].finder, KINDS[kind].criteria()
    found, asked = paged(kind, Page(1, OLDEST_FIRST))
    # The values a page begins behind are those of the row before; the last one's are not told.
    times = [page.after[0] for page in asked if page.after is not None]
    low, high = times[1], times[-1]
    changed = list(zip(found, [*times, LAST], strict=True))

    def within(*terms: TimeTerm) -> set[str]:
        wanted = replace(criteria, updated=tuple((term,) for term in terms))
        return set(finder.keys(wanted, Page(100)).hits)

    since, before = TimeTerm(Comparison.GE, low, low), TimeTerm(Comparison.LT, high, high)
    assert within(since, before) == {key for key, at in changed if low <= at < high}
    assert within(before) == {key for key, at in changed if at < high}
    assert within(since) == {key for key, at in changed if low <= at}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("kind", WORKED_OUT)
def test_the_first_page_works_out_no_more_than_it_needs(kind: str, department: None) -> None:
    for sort in ("-_lastUpdated", "_lastUpdated"):
        read_whole = [
            line for plan in plans(kind, f"_sort={sort}&_count=1") for line in whole(plan)
        ]

        # Where they stand in an index, it is read from its end or beginning until there are enough.
        assert [line for line in read_whole if "_updated" not in line] == []
