"""What is said of one performed step on several associations, where many write at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from ris.domain.identifiers import new_uid
from ris.models import PerformedProcedureStep
from tests import make
from tests.running import wait_until
from tests.worklist.performed import n_create, n_set, series
from tests.worklist.requests import change, create, handlers
from worklist.service import Outcome

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("postgresql")]


def meanwhile(first: Callable[[], Outcome], second: Callable[[], Outcome]) -> list[int]:
    """The statuses of both; ``second`` comes when ``first`` is done and not committed."""
    statuses: list[int] = []

    def run() -> None:
        try:
            statuses.append(second().status)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        before = first().status
        thread.start()
        wait_until(somebody_waits, "the second message waits for the first one")
    thread.join(timeout=20)
    assert not thread.is_alive()
    return [before, *statuses]


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_an_n_set_waits_for_an_n_create_that_is_not_committed() -> None:
    make.site()
    make.device()
    server, uid = handlers(), new_uid()

    statuses = meanwhile(
        lambda: create(server, n_create(), uid), lambda: change(server, n_set(), uid)
    )

    assert statuses == [0x0000, 0x0000]
    assert PerformedProcedureStep.objects.get().status == "COMPLETED"


def test_of_two_n_sets_at_once_the_second_knows_what_the_first_has_said() -> None:
    make.site()
    make.device()
    server, uid = handlers(), new_uid()
    create(server, n_create(), uid)

    statuses = meanwhile(
        lambda: change(server, n_set("IN PROGRESS", PerformedSeriesSequence=[series()]), uid),
        lambda: change(server, n_set(PerformedSeriesSequence=None), uid),
    )

    performed = PerformedProcedureStep.objects.get()
    assert statuses == [0x0000, 0x0000]
    assert (performed.status, performed.flags) == ("COMPLETED", [])
