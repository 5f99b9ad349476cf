"""The floors of what is stored before it is acknowledged: how fast this disk commits."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.load import Sample

_ROW = b"x" * 1024
_BLOCK = b"x" * 4096


def sqlite_commits(folder: Path, seconds: float) -> Sample:
    """1 kB inserts, one transaction each, with the settings of the RIS: WAL and FULL."""
    database = sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA wal_autocheckpoint=8000")
    database.execute("CREATE TABLE IF NOT EXISTS floor (id INTEGER PRIMARY KEY, data BLOB)")
    try:
        return _repeat(
            lambda: database.execute("INSERT INTO floor (data) VALUES (?)", (_ROW,)), seconds
        )
    finally:
        database.close()


def postgresql_commits(url: str, seconds: float) -> Sample:
    """The same on PostgreSQL with its own settings for durability, one connection."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, data bytea)")
        return _repeat(
            lambda: database.execute("INSERT INTO floor (data) VALUES (%s)", (_ROW,)), seconds
        )


def appends(folder: Path, seconds: float) -> Sample:
    """4 KiB appended to a file and forced to disk."""
    handle = os.open(folder / "floor.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def append() -> None:
        os.write(handle, _BLOCK)
        os.fdatasync(handle)

    try:
        return _repeat(append, seconds)
    finally:
        os.close(handle)


def _repeat(action: Callable[[], object], seconds: float) -> Sample:
    sample = Sample()
    began, cpu = time.perf_counter(), time.process_time()
    stop, before = began + seconds, began
    while before < stop:
        action()
        now = time.perf_counter()
        sample.latencies.append(now - before)
        before = now
    sample.seconds = time.perf_counter() - began
    sample.client_cpu = time.process_time() - cpu
    return sample
