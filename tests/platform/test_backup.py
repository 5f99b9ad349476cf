"""Copies of the database, and putting them back; on PostgreSQL in ``test_postgresql``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import clean_environment, prepared, ris

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
