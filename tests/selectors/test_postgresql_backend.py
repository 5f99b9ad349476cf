"""Our PostgreSQL backend asks less often and notices as much."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from ris.models import Counter, driver
from ris.models.driver import Text
from ris.postgresql import base

# SQLite has a backend of its own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("postgresql")]


@pytest.fixture(autouse=True)
def _open() -> Iterator[None]:
    """A new connection, and none that is left as a test made it."""
    connection.close()
    yield
    connection.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What PostgreSQL was asked, whether the connection lives."""
    answers: list[bool] = []
    is_usable = base.DatabaseWrapper.is_usable

    def ask(self: base.DatabaseWrapper) -> bool:
        answers.append(is_usable(self))
        return answers[-1]

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", ask)
    return answers


def request() -> int:
    """What happens around a request; the process of the server that answered it."""
    close_old_connections()
    with transaction.atomic():
        ((pid,),) = driver.rows(driver.here(), Text("SELECT pg_backend_pid()", "postgresql"), [])
    return int(pid)


def end(pid: int) -> None:
    with psycopg.connect(connection.connection.info.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_in_use_is_asked_once_in_some_seconds(
    asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = request()
    pids = {request() for _ in range(20)}
    within = len(asked)
    monkeypatch.setattr(base, "monotonic", lambda: time.monotonic() + 6)
    pids |= {request() for _ in range(20)}

    assert pids == {first}
    assert (within, asked) == (1, [True, True])


def test_a_connection_that_the_server_ended_is_never_used_again() -> None:
    first = request()
    assert request() == first

    end(first)
    second = request()

    assert second != first
    assert request() == second


def test_a_savepoint_is_undone_by_itself() -> None:
    with transaction.atomic():
        Counter.objects.create(name="before")
        with pytest.raises(IntegrityError), transaction.atomic():
            Counter.objects.bulk_create([Counter(name="within"), Counter(name="before")])
        with transaction.atomic():
            Counter.objects.create(name="after")

    assert sorted(Counter.objects.values_list("name", flat=True)) == ["after", "before"]


def test_who_counts_statements_counts_savepoints() -> None:
    with CaptureQueriesContext(connection) as seen, transaction.atomic(), transaction.atomic():
        pass

    assert [query["sql"].split(" ", 1)[0] for query in seen] == [
        "BEGIN", "SAVEPOINT", "RELEASE", "COMMIT",
    ]  # fmt: skip
