"""What is remembered of worklist answers is given again only while it is right."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from ris.models import Order, Patient
from ris.selectors import statements, worklist
from ris.selectors.views import WorklistQuery
from ris.selectors.worklist_memory import KnownAnswers, WorklistAnswer
from tests import make


def _raised(order: Order) -> None:
    Patient.objects.filter(pk=order.patient_id).update(name="Other^Name", version=F("version") + 1)


def _elsewhere(work: Callable[[], Any]) -> None:
    """Do it on another connection."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def _names(answer: WorklistAnswer) -> list[str]:
    return [str(entry.patient.name) for entry in answer.entries]


@pytest.fixture
def order() -> Order:
    make.site()
    make.device()
    return make.booked()


@pytest.mark.django_db
def test_the_same_rows_give_the_same_answer(order: Order) -> None:
    first = worklist.entries(WorklistQuery())
    second = worklist.entries(WorklistQuery())

    assert second is first
    assert len(first.entries) == 1


@pytest.mark.django_db
def test_a_change_gives_another_answer(order: Order) -> None:
    before = worklist.entries(WorklistQuery())
    _raised(order)
    after = worklist.entries(WorklistQuery())

    assert after is not before
    assert _names(after) == ["Other^Name"]


@pytest.mark.django_db(transaction=True)
def test_a_change_on_another_connection_gives_another_answer(order: Order) -> None:
    worklist.entries(WorklistQuery())
    before = worklist.entries(WorklistQuery())
    _elsewhere(lambda: _raised(order))
    after = worklist.entries(WorklistQuery())

    assert _names(before) != ["Other^Name"]
    assert _names(after) == ["Other^Name"]


@pytest.mark.django_db(transaction=True)
def test_a_change_on_the_own_connection_gives_another_answer(order: Order) -> None:
    worklist.entries(WorklistQuery())
    _raised(order)

    assert _names(worklist.entries(WorklistQuery())) == ["Other^Name"]


def test_answers_are_bounded_in_memory() -> None:
    known = KnownAnswers(capacity=5)
    answer = WorklistAnswer(())
    rows: list[tuple[Any, ...]] = [(1,), (2,)]

    for limit in range(1, 5):
        known.remember(WorklistQuery(limit=limit), rows, answer)

    assert [query.limit for query in known.answers] == [4]
    assert known.held == 3
    assert known.recall(WorklistQuery(limit=4), [(1,), (2,)]) is answer
    assert known.recall(WorklistQuery(limit=4), [(1,), (3,)]) is None
    assert known.recall(WorklistQuery(limit=1), rows) is None


@pytest.mark.django_db
def test_a_statement_has_the_marks_of_django() -> None:
    rows = statements.fetch("SELECT %s = 'a%%b', 1 + %s", ["a%b", 2])

    assert [(bool(same), total) for same, total in rows] == [(True, 3)]


@pytest.mark.django_db
def test_a_statement_is_seen_by_who_counts(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        statements.fetch("SELECT %s + 1", [1])


@pytest.mark.only("postgresql")
@pytest.mark.django_db(transaction=True)
def test_a_statement_survives_that_its_prepared_form_is_gone() -> None:
    statement = "SELECT %s + 1"
    assert statements.fetch(statement, [1]) == [(2,)]
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    try:
        assert statements.fetch(statement, [2]) == [(3,)]
        assert statements.fetch(statement, [3]) == [(4,)]
    finally:
        statements._unprepared.clear()
