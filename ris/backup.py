"""``ris backup`` and ``ris restore``: consistent copies of the database, taken while it runs."""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ris import config
from ris.terminal import complain, confirmed, say

DUMP_SUFFIX = ".dump"
COPY_SUFFIX = ".sqlite3"
# What numbers orders, exams and patients, here and in the systems that were told of them.
SERIES = ("accession", "filler", "procedure", "step", "patient")
# So many numbers are passed over where nobody knows which were given since the copy.
AHEAD = 100_000
WORKER_GONE_SECONDS = 10
_NUMBERS = "SELECT name, value FROM ris_counter"
_NUMBERED = (
    "INSERT INTO ris_counter (name, value) VALUES ({mark}, {mark}) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


class BackupError(Exception):
    """The copy could not be made or put back; the text is one line."""


def backup(argv: list[str]) -> int:
    """Copy the database into one file."""
    parser = argparse.ArgumentParser(
        prog="ris backup",
        description="Copy the database into one file while it runs. SQLite: its online backup; "
        "PostgreSQL: pg_dump. The secret key is not in it: keep that file apart.",
    )
    parser.add_argument("--to", metavar="FILE", help="default: backups/ in the data directory")
    parser.add_argument("--keep", type=int, metavar="N", help="then keep only the newest N copies")
    arguments = parser.parse_args(argv)
    if arguments.keep is not None and arguments.keep < 1:
        parser.error("--keep must be at least 1")
    settings = config.load()
    suffix = COPY_SUFFIX if settings.database_is_sqlite else DUMP_SUFFIX
    folder = settings.home / "backups"
    target = Path(arguments.to) if arguments.to else folder / f"ris-{_stamp()}{suffix}"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.exists():
            raise BackupError(f"{target} exists already")
        part = target.with_name(f".{target.name}.part")
        try:
            part.touch(mode=0o600)
            if settings.database_is_sqlite:
                _copy_sqlite(_sqlite_path(), part)
            else:
                _dump_postgresql(settings, part)
            _sync(part)
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
    except BackupError as error:
        complain(f"ris: {error}")
        return 1
    say(f"{target} ({target.stat().st_size / 1024**2:.1f} MB)")
    if arguments.keep:
        for old in sorted(folder.glob(f"ris-*{suffix}"))[: -arguments.keep]:
            old.unlink()
    return 0


def restore(argv: list[str]) -> int:
    """Put a copy back in the place of the database."""
    parser = argparse.ArgumentParser(
        prog="ris restore",
        description="Replace the database by a copy made with `ris backup`. Every part must be "
        "stopped. The database as it was is kept beside it (SQLite).",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    arguments = parser.parse_args(argv)
    settings = config.load()
    try:
        if not arguments.file.is_file():
            raise BackupError(f"{arguments.file} is not a file")
        _refuse_while_running(settings)
        if settings.database_is_sqlite:
            _check_sqlite(arguments.file)
        if not arguments.yes and not confirmed(f"Replace the database by {arguments.file}?"):
            raise BackupError("nothing was changed; say --yes to restore without being asked")
        if settings.database_is_sqlite:
            kept, known = _replace_sqlite(_sqlite_path(), arguments.file)
            say(f"restored; the database before is {kept}" if kept else "restored")
        else:
            known = _replace_postgresql(settings, arguments.file)
            say("restored")
    except BackupError as error:
        complain(f"ris: {error}")
        return 1
    if not known:
        say(f"new numbers begin {AHEAD} later: which were given since the copy is not known")
    say("run `ris migrate` if the copy is of an older release")
    return 0


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _sqlite_path() -> Path:
    from django.conf import settings

    return Path(settings.DATABASES["default"]["NAME"])


def _copy_sqlite(source: Path, target: Path) -> None:
    """The online backup of SQLite: readers and writers go on meanwhile."""
    if not source.exists():
        raise BackupError(f"there is no database at {source}")
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        # All at once: a copy in steps begins again whenever somebody writes.
        try:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            found = copy.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:  # a full disk, a damaged page
            raise BackupError(f"no copy was made: {error}") from None
    if found != "ok":
        raise BackupError(f"the copy is damaged: {found}")


def _check_sqlite(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
            names = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file} is no copy of a database: {error}") from None
    if found != "ok":
        raise BackupError(f"{file} is damaged: {found}")
    if "django_migrations" not in names:
        raise BackupError(f"{file} is not a database of this product")


def _replace_sqlite(database: Path, copy: Path) -> tuple[Path | None, bool]:
    """A rename, so that there is a whole database at every moment.

    Returns where the one before is, and whether the numbers that it had given are known.
    """
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = _close_sqlite(database) if database.exists() else {}
    incoming = database.with_name(f".{database.name}.restore")
    try:
        shutil.copyfile(copy, incoming)
        incoming.chmod(0o600)
        with closing(sqlite3.connect(incoming)) as restored, restored:
            stored = dict(restored.execute(_NUMBERS).fetchall())
            numbers, are_known = _later(stored, given)
            restored.executemany(_NUMBERED.format(mark="?"), numbers.items())
        _sync(incoming)
        kept = None
        if database.exists():
            kept = database.with_name(f"{database.stem}-before-{_stamp()}{database.suffix}")
            os.link(database, kept)
            for leftover in ("-wal", "-shm"):  # of a damaged one, which has them still
                beside = database.with_name(database.name + leftover)
                if beside.exists():
                    beside.rename(kept.with_name(kept.name + leftover))
        incoming.replace(database)
    finally:
        incoming.unlink(missing_ok=True)
    return kept, are_known


def _close_sqlite(database: Path) -> dict[str, int]:
    """Put all of it into its one file; the numbers it had given, or none if it is damaged.

    That takes the file alone: what another process wrote from here on would be lost.
    """
    try:
        with closing(sqlite3.connect(database, timeout=1)) as live:
            live.execute("PRAGMA journal_mode=DELETE")
            return dict(live.execute(_NUMBERS).fetchall())
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise BackupError(f"another process uses {database}; stop every part first") from None
        return {}


def _later(stored: dict[str, int], given: dict[str, int]) -> tuple[dict[str, int], bool]:
    """Where each series goes on, so that no number given since the copy is given again.

    The database before says how far they were, unless it was damaged, lost or made anew: the
    second value.
    """
    has_any = any(name in given for name in SERIES)
    reached = {name: given.get(name, 0) if has_any else -1 for name in SERIES}
    are_known = all(reached[name] >= stored.get(name, 0) for name in SERIES)
    later = {
        name: last if last >= stored.get(name, 0) else stored.get(name, 0) + AHEAD
        for name, last in reached.items()
    }
    return later, are_known


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _refuse_while_running(settings: config.Configuration) -> None:
    """What a part writes into the database that is put away would be lost, though acknowledged."""
    from ris import probes
    from ris.supervisor import StartError, lock

    try:
        lock(settings).close()
    except StartError:
        raise BackupError("`ris up` is running here; stop it first") from None
    age = probes.worker_age(settings)
    if age is not None and age < WORKER_GONE_SECONDS:
        raise BackupError("a worker is running here; stop every part first")
    for name, _, host, port in probes.listeners(settings):
        if probes.accepts(host, port):
            raise BackupError(f"{name} answers at {host}:{port}; stop every part first")


def _dump_postgresql(settings: config.Configuration, target: Path) -> None:
    _program(settings, "pg_dump", "--format=custom", "--no-owner", f"--file={target}")


def _replace_postgresql(settings: config.Configuration, file: Path) -> bool:
    """One transaction: after a failure the database is as it was.

    Returns whether the numbers that the database before had given are known.
    """
    from psycopg import connect, errors

    url = settings.database_url.get_secret_value()
    with connect(url) as connection:
        others = connection.execute(
            "SELECT coalesce(host(client_addr), 'this machine') FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend' LIMIT 1"
        ).fetchone()
        if others:
            raise BackupError(f"the database is in use from {others[0]}; stop every part first")
        try:
            given: dict[str, int] = dict(connection.execute(_NUMBERS).fetchall())
        except errors.UndefinedTable:
            given = {}
    _program(
        settings,
        "pg_restore",
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
        "--exit-on-error",
        str(file),
    )
    with connect(url) as connection, connection.cursor() as cursor:
        stored: dict[str, int] = dict(cursor.execute(_NUMBERS).fetchall())
        numbers, are_known = _later(stored, given)
        cursor.executemany(_NUMBERED.format(mark="%s"), list(numbers.items()))
    return are_known


def _program(settings: config.Configuration, name: str, *arguments: str) -> None:
    """Run a client program; the password goes by the environment, where `ps` does not show it."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    program = shutil.which(name)
    if program is None:
        raise BackupError(f"{name} is not installed; it comes with the PostgreSQL client")
    way = conninfo_to_dict(settings.database_url.get_secret_value())
    password = {"PGPASSWORD": str(way.pop("password"))} if "password" in way else {}
    named = make_conninfo("", **way)
    done = subprocess.run(  # noqa: S603 - a fixed program with our own arguments
        [program, f"--dbname={named}", *arguments],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupError(f"{name}: {last}")
