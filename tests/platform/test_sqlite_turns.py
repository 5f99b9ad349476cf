"""Who writes to SQLite stands in line: threads and processes on one file."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.db.utils import OperationalError
from pytest_django import DjangoDbBlocker

from ris.sqlite.base import DatabaseWrapper
from tests.programs import ROOT
from tests.running import clean_environment, wait_until

Connect = Callable[..., DatabaseWrapper]
LOCKED = r"^database is locked$"


@pytest.fixture
def connect(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Connect]:
    """A connection of its own to a file with a table ``told``, for any thread."""
    made: list[DatabaseWrapper] = []

    def connect(timeout: float = 20) -> DatabaseWrapper:
        settings = {
            **connections.settings["default"],
            "NAME": str(tmp_path / "line.sqlite3"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": timeout},
        }
        wrapper = DatabaseWrapper(settings, "line")
        wrapper.inc_thread_sharing()
        made.append(wrapper)
        return wrapper

    with django_db_blocker.unblock():  # these connections are not the tests' own
        with connect().cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("CREATE TABLE told (who TEXT)")
        yield connect
    for wrapper in made:
        wrapper.close()


def begin(wrapper: DatabaseWrapper) -> None:
    wrapper.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def commit(wrapper: DatabaseWrapper) -> None:
    wrapper.commit()
    wrapper.set_autocommit(True)


def tell(wrapper: DatabaseWrapper, who: str) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("INSERT INTO told VALUES (%s)", [who])


def told(wrapper: DatabaseWrapper) -> list[str]:
    with wrapper.cursor() as cursor:
        return [who for (who,) in cursor.execute("SELECT who FROM told ORDER BY rowid")]


def somebody_waits(folder: Path) -> bool:
    """Whether the head of the line is taken, which it is while somebody waits for the turn."""
    with (folder / "line.sqlite3-line").open("a") as line:
        try:
            fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def in_a_transaction(wrapper: DatabaseWrapper, who: str) -> None:
    begin(wrapper)
    tell(wrapper, who)
    commit(wrapper)


@pytest.mark.parametrize("write", [in_a_transaction, tell], ids=["a transaction", "a statement"])
def test_who_waits_goes_before_who_has_written_and_writes_again(
    connect: Connect, tmp_path: Path, write: Callable[[DatabaseWrapper, str], None]
) -> None:
    busy, patient = connect(), connect()
    begin(busy)
    tell(busy, "busy")
    waiting = threading.Thread(target=write, args=(patient, "patient"))
    waiting.start()
    wait_until(lambda: somebody_waits(tmp_path), "nobody stands in line")

    commit(busy)
    in_a_transaction(busy, "busy again")
    waiting.join()

    assert told(busy) == ["busy", "patient", "busy again"]


def test_who_waits_too_long_is_told_so_and_may_come_again(connect: Connect) -> None:
    busy, hasty = connect(), connect(timeout=0.2)
    begin(busy)

    with pytest.raises(OperationalError, match=LOCKED):
        begin(hasty)
    with pytest.raises(OperationalError, match=LOCKED):
        tell(hasty, "hasty")

    commit(busy)
    hasty.settings_dict["OPTIONS"]["timeout"] = 20
    in_a_transaction(hasty, "hasty")
    in_a_transaction(busy, "busy")
    assert told(hasty) == ["hasty", "busy"]


def test_the_turn_of_a_transaction_rolled_back_is_the_next_ones(connect: Connect) -> None:
    sorry, other = connect(), connect(timeout=0.2)
    begin(sorry)
    tell(sorry, "sorry")
    sorry.rollback()
    sorry.set_autocommit(True)

    in_a_transaction(other, "other")

    assert told(other) == ["other"]


def test_the_turn_of_a_closed_connection_is_the_next_ones(connect: Connect) -> None:
    gone, other = connect(), connect(timeout=0.2)
    begin(gone)
    gone.close()

    in_a_transaction(other, "other")

    assert told(other) == ["other"]


HOLDS = """
import sys, time
import django
django.setup()
from django.db import connections
from ris.sqlite.base import DatabaseWrapper
wrapper = DatabaseWrapper({**connections.settings["default"], "NAME": sys.argv[1]}, "line")
wrapper.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
print("holds", flush=True)
time.sleep(60)
"""


def test_a_process_that_dies_with_the_turn_keeps_nobody_waiting(
    connect: Connect, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "line.sqlite3")],
        cwd=ROOT,
        env={**clean_environment(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "ris.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        hasty, other = connect(timeout=0.2), connect()
        with pytest.raises(OperationalError, match=LOCKED):
            begin(hasty)
        process.kill()
    in_a_transaction(other, "other")

    assert told(other) == ["other"]
