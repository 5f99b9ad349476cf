"""What is remembered of worklist answers, and how it is known to be still right.

Nothing here has to be invalidated. A remembered answer is given again only if the database shows
the same rows with the same versions as before, or (SQLite) says that nobody wrote since.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

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
    """Entries read before, by their version keys."""

    capacity: int = 2_000
    entries: OrderedDict[tuple[int, ...], WorklistEntry] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(
        self,
        keys: Sequence[tuple[int, ...]],
        read: Callable[[Sequence[int]], dict[int, WorklistEntry]],
    ) -> list[WorklistEntry]:
        with self.lock:
            found = {key: self.entries[key] for key in keys if key in self.entries}
            for key in found:
                self.entries.move_to_end(key)
        missing = [key for key in keys if key not in found]
        if missing:
            fresh = read([key[0] for key in missing])
            # What changed between the two statements is newer than its key says: that key will
            # not be asked for again, so nothing old can come of it.
            new = {key: replace(fresh[key[0]], key=key) for key in missing if key[0] in fresh}
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


def _is_in_memory() -> bool:
    # As the tests have it: its connections share one cache, which data_version is not made for.
    name = str(connection.settings_dict["NAME"])
    return name == ":memory:" or "mode=memory" in name


class Unchanged(threading.local):
    """Answers this thread's connection gave since anybody last wrote; only SQLite can tell.

    ``PRAGMA data_version`` changes when another connection commits, ``total_changes`` counts what
    this one wrote. Both cost microseconds, a broad query a millisecond.
    """

    def __init__(self) -> None:
        self._connection: Any = None
        self._state: tuple[int, int] = (0, 0)
        self._answers: dict[WorklistQuery, WorklistAnswer] = {}

    def is_known(self) -> bool:
        """Whether it can be told now; forgets what is not right any more."""
        if (
            connection.vendor != "sqlite"
            or connection.in_atomic_block
            or connection.execute_wrappers
            or connection.queries_logged
            or _is_in_memory()
        ):
            return False
        connection.ensure_connection()
        raw = connection.connection
        with connection.wrap_database_errors:
            (version,) = raw.execute("PRAGMA data_version").fetchone()
        state = (version, raw.total_changes)
        if raw is not self._connection or state != self._state:
            self._connection, self._state = raw, state
            self._answers.clear()
        return True

    def recall(self, query: WorklistQuery) -> WorklistAnswer | None:
        return self._answers.get(query)

    def remember(self, query: WorklistQuery, answer: WorklistAnswer) -> None:
        if len(self._answers) >= 256:
            self._answers.clear()
        self._answers[query] = answer
