"""Statements by libpq's own call do what psycopg's cursor does, in whichever thread."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from ris.models import Counter, driver
from ris.models.driver import Text
from ris.postgresql import libpq

# SQLite has no libpq.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("postgresql")]

INSERT = "INSERT INTO ris_counter (name, value) VALUES (%s, 1)"


def here(work: Callable[[], Any]) -> Any:
    return work()


def in_a_thread(work: Callable[[], Any]) -> Any:
    """As ``here``, by the call of a thread that nobody interrupts."""
    told: list[Any] = []

    def run() -> None:
        try:
            told.append(work())
        except Exception as error:
            told.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


@pytest.fixture(params=[here, in_a_thread], ids=["main thread", "another thread"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    found: Callable[[Callable[[], Any]], Any] = request.param
    return found


@pytest.fixture(autouse=True)
def _open() -> Iterator[None]:
    """A new connection, and none that is left as a test made it."""
    connection.close()
    yield
    driver._unprepared.clear()
    connection.close()


def rows(statement: str, *params: Any) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    return driver.rows(driver.here(), Text(statement, "postgresql"), params)


def test_values_come_back_as_psycopg_reads_them(run: Callable[..., Any]) -> None:
    given = (
        7,
        2**40,
        1.5,
        True,
        None,
        "é%",
        b"\0\xff",
        uuid.UUID(int=5),
        datetime(2026, 11, 23, 3, 36, 23, 120000, tzinfo=UTC),
    )
    kinds = ("int", "bigint", "float8", "bool", "text", "text", "bytea", "uuid", "timestamptz")
    statement = "SELECT " + ", ".join(f"%s::{kind}" for kind in kinds) + ", '5 %%'"

    def both() -> tuple[Any, Any]:
        ours = rows(statement, *given)
        return ours, psycopg.Cursor(connection.connection).execute(statement, given).fetchall()

    ours, psycopgs = run(both)

    assert ours == psycopgs == [(*given, "5 %")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0001-01-01 00:00+00", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-03-29 03:30:00.5+02", datetime(2026, 3, 29, 1, 30, 0, 500000, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_a_time_is_in_utc(written: str, read: datetime) -> None:
    ((found,),) = rows("SELECT %s::timestamptz", written)

    assert found == read
    assert found.tzinfo is UTC


@pytest.mark.parametrize("written", ["infinity", "12026-01-01 00:00+00", "0044-03-15 00:00+00 BC"])
def test_a_time_that_python_does_not_know_is_refused_as_psycopg_refuses_it(written: str) -> None:
    with pytest.raises(Exception, match="timestamp too") as ours:
        rows("SELECT %s::timestamptz", written)
    with pytest.raises(psycopg.DataError) as psycopgs:
        connection.connection.execute("SELECT %s::timestamptz", [written]).fetchall()

    assert str(ours.value) == str(psycopgs.value)


def test_what_a_statement_changed_is_counted(run: Callable[..., Any]) -> None:
    Counter.objects.create(name="a")
    Counter.objects.create(name="b")

    def work() -> tuple[int, int]:
        connection.ensure_connection()
        text = Text("UPDATE ris_counter SET value = 9 WHERE name >= %s", "postgresql")
        return driver.count(driver.here(), text, ["a"]), driver.count(driver.here(), text, ["c"])

    assert run(work) == (2, 0)


def test_a_transaction_begins_with_the_first_statement(run: Callable[..., Any]) -> None:
    def work() -> None:
        connection.ensure_connection()
        with transaction.atomic():
            driver.count(driver.here(), Text(INSERT, "postgresql"), ["undone"])
            transaction.set_rollback(True)

    run(work)

    assert not Counter.objects.exists()


def test_a_transaction_begins_as_the_connection_wants_it(run: Callable[..., Any]) -> None:
    def work() -> str:
        connection.ensure_connection()
        connection.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        with transaction.atomic():
            ((level,),) = rows("SELECT current_setting('transaction_isolation')")
        return str(level)

    assert run(work) == "serializable"


def test_what_the_database_refuses_is_djangos_error_and_can_be_undone(
    run: Callable[..., Any],
) -> None:
    def work() -> None:
        connection.ensure_connection()
        with transaction.atomic():
            driver.count(driver.here(), Text(INSERT, "postgresql"), ["kept"])
            with pytest.raises(IntegrityError, match="duplicate key"), transaction.atomic():
                driver.count(driver.here(), Text(INSERT, "postgresql"), ["kept"])

    run(work)

    assert list(Counter.objects.values_list("name", flat=True)) == ["kept"]


def test_a_statement_is_prepared_once(run: Callable[..., Any]) -> None:
    def work() -> int:
        for value in ("a", "b", "c"):
            assert rows("SELECT %s::text", value) == [(value,)]
        held = "SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::text'"
        ((number,),) = connection.connection.execute(held).fetchall()
        return int(number)

    assert run(work) == 1


def test_no_more_than_so_many_are_kept(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libpq, "_KEPT", 5)

    def work() -> int:
        for number in range(12):
            assert rows(f"SELECT {number} + %s::int", 1) == [(number + 1,)]
        held = "SELECT COUNT(*) FROM pg_prepared_statements"
        ((number,),) = connection.connection.execute(held).fetchall()
        return int(number)

    assert run(work) == 5


def test_a_lost_connection_is_djangos_error_and_another_one_is_made(
    run: Callable[..., Any],
) -> None:
    def work() -> list[tuple[Any, ...]]:
        ((pid,),) = rows("SELECT pg_backend_pid()")
        with psycopg.connect(connection.connection.info.dsn) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with pytest.raises(OperationalError):
            rows("SELECT pg_backend_pid()")
        connection.close_if_unusable_or_obsolete()
        return rows("SELECT 1")

    assert run(work) == [(1,)]


def test_a_statement_that_a_pooler_forgot_is_not_prepared_again(run: Callable[..., Any]) -> None:
    def work() -> list[tuple[Any, ...]]:
        rows("SELECT %s::text", "a")
        connection.connection.execute("DEALLOCATE ALL")
        with pytest.raises(OperationalError, match="prepared statement"):
            rows("SELECT %s::text", "b")
        return rows("SELECT %s::text", "c")

    assert run(work) == [("c",)]
