"""A plain MPPS manager as pynetdicom's own examples build one, with a database behind it.

``python -m benchmarks.servers.stock PORT DATABASE SIZE``: pynetdicom's server with its defaults,
one transaction for each N-CREATE and N-SET that stores the performed step, sets the status of the
scheduled one and leaves a row for whoever is to be told. DATABASE is a file of SQLite or the URL of
a PostgreSQL.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from benchmarks.dataset import items
from benchmarks.servers.ris import Part, process, wait_for
from benchmarks.workspace import Workspace
from tests.running import accepts, free_ports

AE_TITLE = "STOCK"

_TABLES = (
    "CREATE TABLE step (id TEXT PRIMARY KEY, status TEXT NOT NULL)",
    "CREATE TABLE performed (uid TEXT PRIMARY KEY, status TEXT NOT NULL, dataset TEXT NOT NULL)",
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY {auto}, uid TEXT NOT NULL, what TEXT NOT NULL)",
)
_local = threading.local()


@contextmanager
def running(space: Workspace, database: str, size: int) -> Iterator[Part]:
    """With that many scheduled steps."""
    (port,) = free_ports(1)
    where = str(space.folder / "stock.sqlite3")
    if database == "PostgreSQL":
        space.create_database("stock")
        where = space.url("stock")
    command = [sys.executable, "-m", "benchmarks.servers.stock", str(port), where, str(size)]
    log = space.folder / f"stock-{database}.log"
    with process(command, space.site(database).environment, log) as server:
        wait_for(lambda: accepts(port), server, "the stock manager", log)
        yield Part(port, server.pid)


def _connect(where: str) -> Any:
    if where.startswith("postgresql:"):
        return psycopg.connect(where, autocommit=True)
    connection = sqlite3.connect(where, timeout=20)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=8000")
    return connection


def _run(where: str, *statements: tuple[str, tuple[str, ...]]) -> None:
    connection = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = _connect(where)
    if where.startswith("postgresql:"):
        with connection.transaction():
            for text, values in statements:
                connection.execute(text.replace("?", "%s").encode(), values)
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for text, values in statements:
            connection.execute(text, values)


def _close() -> None:
    connection = getattr(_local, "connection", None)
    if connection is not None:
        connection.close()
        _local.connection = None


def main(port: int, where: str, size: int) -> None:
    setup = _connect(where)
    auto = "GENERATED ALWAYS AS IDENTITY" if where.startswith("postgresql:") else ""
    mark = "%s" if auto else "?"
    cursor = setup.cursor()
    for statement in _TABLES:
        cursor.execute(statement.format(auto=auto))
    rows = [(item.step_id, "SCHEDULED") for item in items(size)]
    cursor.executemany(f"INSERT INTO step VALUES ({mark}, {mark})", rows)
    if not auto:
        setup.commit()
    setup.close()

    def create(event: Any) -> tuple[int, Any]:
        uid, data = str(event.request.AffectedSOPInstanceUID), event.attribute_list
        step = str(data.ScheduledStepAttributesSequence[0].ScheduledProcedureStepID)
        status = str(data.PerformedProcedureStepStatus)
        _run(
            where,
            ("INSERT INTO performed VALUES (?, ?, ?)", (uid, status, data.to_json())),
            ("UPDATE step SET status = 'STARTED' WHERE id = ?", (step,)),
            ("INSERT INTO outbox (uid, what) VALUES (?, ?)", (uid, "begun")),
        )
        return 0x0000, data

    def change(event: Any) -> tuple[int, Any]:
        uid, data = str(event.request.RequestedSOPInstanceUID), event.modification_list
        status = str(data.PerformedProcedureStepStatus)
        _run(
            where,
            ("UPDATE performed SET status = ?, dataset = ? WHERE uid = ?",
             (status, data.to_json(), uid)),
            ("INSERT INTO outbox (uid, what) VALUES (?, ?)", (uid, status)),
        )  # fmt: skip
        return 0x0000, data

    manager = AE(AE_TITLE)
    manager.add_supported_context(ModalityPerformedProcedureStep)
    handlers: Any = [
        (evt.EVT_N_CREATE, create),
        (evt.EVT_N_SET, change),
        (evt.EVT_CONN_CLOSE, lambda _: _close()),
    ]
    manager.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
