"""The backend itself, where Django looks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

from ris.sqlite.turns import Turn

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")  # as the ORM writes them


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite where each transaction, and each statement outside one that writes, has its turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: Turn | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have the turn for one statement."""
        self._take_turn()
        try:
            yield
        finally:
            self._give_turn()

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=partial(_Cursor, self))

    def _take_turn(self) -> None:
        """Raises OperationalError as SQLite would if others write for too long."""
        if self.is_in_memory_db():
            return
        if self._turn is None:
            self._turn = Turn(str(self.settings_dict["NAME"]))
        if not self._turn.take(self.settings_dict["OPTIONS"].get("timeout", 5.0)):
            raise OperationalError("database is locked")

    def _give_turn(self) -> None:
        if self._turn is not None:
            self._turn.give()

    # --- where a transaction begins and ends (django/db/backends/base/base.py; not in the stubs)

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._give_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # what it refuses is rolled back, or the connection closed
        self._give_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._give_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            if self._turn is not None:
                self._turn.close()


class _Cursor(base.SQLiteCursorWrapper):
    def __init__(self, wrapper: DatabaseWrapper, *args: Any) -> None:
        super().__init__(*args)
        self._wrapper = wrapper

    def execute(self, query: str, params: Any = None) -> Any:
        return self._in_turn(super().execute, query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        return self._in_turn(super().executemany, query, param_list)

    def _in_turn(self, execute: Callable[[str, Any], Any], query: str, values: Any) -> Any:
        if not self._wrapper.autocommit or not query.startswith(_WRITES):
            return execute(query, values)
        with self._wrapper.writing():
            return execute(query, values)
