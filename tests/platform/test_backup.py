"""Copies of the database, and putting them back; on PostgreSQL in ``test_postgresql``."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.programs import ROOT
from tests.running import accepts, clean_environment, free_ports, prepared, ris, wait_until

COUNT = "SELECT count(*) FROM django_session"
INSERT = "INSERT INTO django_session VALUES (?, 'x', '2026-01-01')"


def run_sql(database: Path, statement: str, *values: str) -> int:
    with closing(sqlite3.connect(database)) as connection, connection:
        row = connection.execute(statement, values).fetchone()
    return int(row[0]) if row else 0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A data directory with an empty database of this release."""
    prepared(tmp_path / "var", demo=False)
    return clean_environment(tmp_path / "var")


def test_a_copy_taken_and_put_back_holds_what_was_there(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "var" / "ris.sqlite3"
    run_sql(database, INSERT, "before")
    copy = tmp_path / "copy.sqlite3"

    made = ris("backup", "--to", str(copy), environment=environment)
    run_sql(database, INSERT, "after")
    restored = ris("restore", str(copy), "--yes", environment=environment)

    assert (made.returncode, restored.returncode) == (0, 0)
    assert copy.stat().st_mode & 0o077 == 0
    assert run_sql(database, COUNT) == 1
    kept = list((tmp_path / "var").glob("ris-before-*.sqlite3"))
    assert [run_sql(file, COUNT) for file in kept] == [2]


def test_only_the_newest_copies_are_kept(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "var" / "backups"
    folder.mkdir()
    for day in ("20200101", "20200102", "20200103"):
        (folder / f"ris-{day}T000000Z.sqlite3").touch()

    done = ris("backup", "--keep", "2", environment=environment)

    assert done.returncode == 0
    names = sorted(file.name for file in folder.iterdir())
    assert names[0] == "ris-20200103T000000Z.sqlite3"
    assert len(names) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database at all" * 100, "is no copy of a database"),
        (b"", "is not a database of this product"),
    ],
)
def test_what_is_no_copy_is_refused_and_nothing_is_changed(
    content: bytes, message: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "var" / "ris.sqlite3"
    run_sql(database, INSERT, "kept")
    wrong = tmp_path / "wrong.sqlite3"
    wrong.write_bytes(content)

    done = ris("restore", str(wrong), "--yes", environment=environment)

    assert done.returncode == 1
    assert message in done.stderr
    assert run_sql(database, COUNT) == 1


def test_without_a_yes_nothing_is_restored(tmp_path: Path, environment: dict[str, str]) -> None:
    copy = tmp_path / "copy.sqlite3"
    ris("backup", "--to", str(copy), environment=environment)

    done = ris("restore", str(copy), environment=environment)

    assert done.returncode == 1
    assert done.stderr.startswith("ris: nothing was changed; say --yes")


@contextmanager
def listening(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The HL7 listener and nothing else, as under systemd when somebody forgot it."""
    (port,) = free_ports(1)
    environment = {**environment, "RIS_MLLP__PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", "mllp"], env=environment
    )
    try:
        wait_until(lambda: accepts(port), "the listener answers")
        yield environment
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_nothing_is_restored_while_a_single_part_is_running(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    copy = tmp_path / "copy.sqlite3"
    ris("backup", "--to", str(copy), environment=environment)
    database = tmp_path / "var" / "ris.sqlite3"
    run_sql(database, INSERT, "after")

    with listening(environment) as with_port:
        done = ris("restore", str(copy), "--yes", environment=with_port)

    assert done.returncode == 1
    answers = f"127.0.0.1:{with_port['RIS_MLLP__PORT']}"
    assert done.stderr == f"ris: mllp answers at {answers}; stop every part first\n"
    assert run_sql(database, COUNT) == 1


def test_nothing_is_restored_while_a_process_has_the_database_open(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    copy = tmp_path / "copy.sqlite3"
    ris("backup", "--to", str(copy), environment=environment)
    database = tmp_path / "var" / "ris.sqlite3"

    with closing(sqlite3.connect(database)) as other:
        other.execute(COUNT).fetchone()
        done = ris("restore", str(copy), "--yes", environment=environment)

    assert done.returncode == 1
    assert done.stderr == f"ris: another process uses {database}; stop every part first\n"
    assert list(database.parent.glob("*before*")) == []


def test_a_worker_of_before_the_clock_was_put_back_holds_nothing_up(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    copy = tmp_path / "copy.sqlite3"
    ris("backup", "--to", str(copy), environment=environment)
    mark = tmp_path / "var" / "run" / "worker"
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    os.utime(mark, (time.time() + 7200, time.time() + 7200))

    assert ris("restore", str(copy), "--yes", environment=environment).returncode == 0
    assert "last seen 7" in ris("doctor", environment=environment).stdout


def test_a_damaged_database_is_replaced_and_kept(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "var" / "ris.sqlite3"
    run_sql(database, INSERT, "before")
    copy = tmp_path / "copy.sqlite3"
    ris("backup", "--to", str(copy), environment=environment)
    with database.open("r+b") as file:
        file.write(b"\xff" * 4096)

    done = ris("restore", str(copy), "--yes", environment=environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert run_sql(database, COUNT) == 1
    (kept,) = (tmp_path / "var").glob("ris-before-*.sqlite3")
    assert kept.read_bytes()[:2] == b"\xff\xff"


NUMBER = "SELECT value FROM ris_counter WHERE name = 'accession'"
GIVEN = "INSERT OR REPLACE INTO ris_counter (name, value) VALUES (?, ?)"


def test_numbers_given_since_the_copy_are_not_given_again(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "var" / "ris.sqlite3"
    copy = tmp_path / "copy.sqlite3"
    for name in ("accession", "filler", "procedure", "step"):  # no patient was registered here
        run_sql(database, GIVEN, name, "5")
    ris("backup", "--to", str(copy), environment=environment)
    run_sql(database, GIVEN, "accession", "8")

    done = ris("restore", str(copy), "--yes", environment=environment)

    assert "new numbers begin" not in done.stdout
    assert run_sql(database, NUMBER) == 8


def test_where_the_database_before_is_lost_new_numbers_begin_much_later(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    database = tmp_path / "var" / "ris.sqlite3"
    copy = tmp_path / "copy.sqlite3"
    run_sql(database, GIVEN, "accession", "5")
    ris("backup", "--to", str(copy), environment=environment)
    database.unlink()

    done = ris("restore", str(copy), "--yes", environment=environment)

    assert "new numbers begin 100000 later" in done.stdout
    assert run_sql(database, NUMBER) == 100_005
