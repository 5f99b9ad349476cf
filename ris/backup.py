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
from urllib.parse import unquote, urlsplit

from ris import config
from ris.terminal import complain, confirmed, say

DUMP_SUFFIX = ".dump"
COPY_SUFFIX = ".sqlite3"


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
            kept = _replace_sqlite(_sqlite_path(), arguments.file)
            say(f"restored; the database before is {kept}" if kept else "restored")
        else:
            _load_postgresql(settings, arguments.file)
            say("restored")
    except BackupError as error:
        complain(f"ris: {error}")
        return 1
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
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
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


def _replace_sqlite(database: Path, copy: Path) -> Path | None:
    """A rename, so that there is a whole database at every moment."""
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming = database.with_name(f".{database.name}.restore")
    shutil.copyfile(copy, incoming)
    incoming.chmod(0o600)
    _sync(incoming)
    kept = None
    if database.exists():
        with closing(sqlite3.connect(database)) as live:
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = database.with_name(f"{database.stem}-before-{_stamp()}{database.suffix}")
        os.link(database, kept)
    for leftover in ("-wal", "-shm"):
        database.with_name(database.name + leftover).unlink(missing_ok=True)
    incoming.replace(database)
    return kept


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _refuse_while_running(settings: config.Configuration) -> None:
    from ris.probes import worker_age
    from ris.supervisor import StartError, lock

    try:
        lock(settings).close()
    except StartError:
        raise BackupError("`ris up` is running here; stop it first") from None
    age = worker_age(settings)
    if age is not None and age < 10:
        raise BackupError("a worker is running here; stop every part first")


def _dump_postgresql(settings: config.Configuration, target: Path) -> None:
    _program(settings, "pg_dump", "--format=custom", "--no-owner", f"--file={target}")


def _load_postgresql(settings: config.Configuration, file: Path) -> None:
    """One transaction: after a failure the database is as it was."""
    _program(
        settings,
        "pg_restore",
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
        "--exit-on-error",
        f"--dbname={_database_name(settings)}",
        str(file),
    )


def _database_name(settings: config.Configuration) -> str:
    return unquote(urlsplit(settings.database_url.get_secret_value()).path.lstrip("/"))


def _program(settings: config.Configuration, name: str, *arguments: str) -> None:
    """Run a client program; the password goes by the environment, where `ps` does not show it."""
    program = shutil.which(name)
    if program is None:
        raise BackupError(f"{name} is not installed; it comes with the PostgreSQL client")
    parts = urlsplit(settings.database_url.get_secret_value())
    host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    environment = {
        **os.environ,
        "PGHOST": host,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": _database_name(settings),
    }
    done = subprocess.run(  # noqa: S603 - a fixed program with our own arguments
        [program, *arguments],
        env={key: value for key, value in environment.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupError(f"{name}: {last}")
