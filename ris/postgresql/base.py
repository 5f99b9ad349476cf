"""The backend itself, where Django looks for it."""

from __future__ import annotations

import select
from time import monotonic
from typing import Any, Final

from django.db.backends.postgresql import base

from ris.postgresql.libpq import Statements

# So long the answer to whether a connection lives stands, if nothing has come from the server.
_SECONDS: Final = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL with fewer round trips around the statements of a request."""

    health_check_done: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._alive_until = 0.0

    def close_if_health_check_failed(self) -> None:
        """As Django does before each request, but without asking a connection that is in use.

        A server that ends, or ends a connection, says so: then there is something to read.
        """
        if self.connection is None or self.health_check_done:
            return
        now = monotonic()
        if now < self._alive_until and _is_silent(self.connection):
            self.health_check_done = True
            return
        super().close_if_health_check_failed()
        self._alive_until = now + _SECONDS

    # --- savepoints (django/db/backends/base/base.py; not in the stubs)

    def _savepoint(self, sid: str) -> None:
        if self._is_watched():
            super()._savepoint(sid)  # type: ignore[misc]
        else:
            self._say(self.ops.savepoint_create_sql(sid))

    def _savepoint_commit(self, sid: str) -> None:
        if self._is_watched():
            super()._savepoint_commit(sid)  # type: ignore[misc]
        else:
            self._say(self.ops.savepoint_commit_sql(sid))

    def _say(self, statement: str) -> None:
        with self.wrap_database_errors:
            Statements.of(self.connection).command(statement.encode())

    def _is_watched(self) -> bool:
        return self.connection is None or bool(self.execute_wrappers) or self.queries_logged


def _is_silent(raw: Any) -> bool:
    """Whether nothing has come from the server since its last answer."""
    poll = select.poll()
    poll.register(raw.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
