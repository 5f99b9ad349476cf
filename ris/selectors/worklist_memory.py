"""What is remembered of worklist answers, and how it is known to be still right.

Nothing here has to be invalidated. A remembered answer is given again only if the database shows
the same rows with the same versions as before, or tells that nobody wrote since.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.db import DEFAULT_DB_ALIAS, connections

from ris.selectors.statements import fetch
from ris.selectors.views import WorklistEntry, WorklistQuery

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class WorklistAnswer:
    """What matches, in order of start, priority and step id; ``truncated`` if there is more.

    The same object as before, as long as nothing in it changed: what is made of it can be kept by
    its identity.
    """

    entries: tuple[WorklistEntry, ...]
    truncated: bool = False


@dataclass(slots=True)
class KnownEntries:
    """Entries read before, by their version keys, which the primary key of the step leads."""

    capacity: int = 2_000
    entries: OrderedDict[tuple[int, ...], WorklistEntry] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(
        self,
        keys: Sequence[tuple[int, ...]],
        read: Callable[[Mapping[int, tuple[int, ...]]], dict[int, WorklistEntry]],
    ) -> list[WorklistEntry]:
        with self.lock:
            found = {key: self.entries[key] for key in keys if key in self.entries}
            for key in found:
                self.entries.move_to_end(key)
        missing = {key[0]: key for key in keys if key not in found}
        if missing:
            # What changed between the two statements is newer than its key says: that key will
            # not be asked for again, so nothing old can come of it.
            new = {entry.key: entry for entry in read(missing).values()}
            found |= new
            with self.lock:
                self.entries.update(new)
                while len(self.entries) > self.capacity:
                    self.entries.popitem(last=False)
        return [found[key] for key in keys if key in found]


@dataclass(slots=True)
class KnownAnswers:
    """The last answer to each query, with the rows it was made of."""

    capacity: int = 20_000  # rows, of all answers together
    answers: OrderedDict[WorklistQuery, tuple[Rows, WorklistAnswer]] = field(
        default_factory=OrderedDict
    )
    held: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, query: WorklistQuery, rows: Rows) -> WorklistAnswer | None:
        """The answer, if these are the rows it was made of."""
        with self.lock:
            known = self.answers.get(query)
            if known is None:
                return None
            self.answers.move_to_end(query)
        return known[1] if known[0] == rows else None

    def remember(self, query: WorklistQuery, rows: Rows, answer: WorklistAnswer) -> None:
        with self.lock:
            before = self.answers.pop(query, None)
            if before is not None:
                self.held -= 1 + len(before[0])
            self.answers[query] = rows, answer
            self.held += 1 + len(rows)
            while self.held > self.capacity and len(self.answers) > 1:
                _, (dropped, _) = self.answers.popitem(last=False)
                self.held -= 1 + len(dropped)


class DataVersion:
    """Tells whether the same statement would find the same rows: nobody wrote since.

    SQLite has a number that changes with each commit of another connection, so it is read on a
    connection of its own, in microseconds and without waiting. PostgreSQL has the snapshot, which
    is all that a statement's result depends on; to ask for it takes a fifth of asking for a day.
    """

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def read(self) -> str | int | None:
        """What to compare; None if it cannot be told. May wait for the database."""
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.in_atomic_block:
            return None  # what this transaction wrote does not show
        if connection.vendor == "postgresql":
            ((snapshot,),) = fetch("SELECT pg_current_snapshot()::text", ())
            return str(snapshot)
        return self.read_at_once()

    def read_at_once(self) -> int | None:
        """The same, for the event loop: None where it would mean to wait."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._connection is None:
                self._connection = _own_connection()
                if self._connection is None:
                    return None
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(version)
        except sqlite3.Error:
            self._close()
            return None
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _own_connection() -> sqlite3.Connection | None:
    settings = connections.settings[DEFAULT_DB_ALIAS]
    name = str(settings["NAME"])
    # Connections to a database in memory share one cache, which the number is not made for.
    if "sqlite" not in settings["ENGINE"] or name == ":memory:" or "mode=memory" in name:
        return None
    return sqlite3.connect(
        f"file:{quote(name)}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
