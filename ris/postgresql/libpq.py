"""Prepared statements of PostgreSQL by libpq's own call, on a connection of psycopg.

psycopg's cursor is made for any statement: in Python it looks for the marks of its parameters, for
what is prepared, and at each of the results that may come. A message of a scanner has forty
statements, so that alone was a sixth of its time. A statement that is kept needs none of it: its
values are written and its rows read by psycopg's own C code, and libpq does the rest.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from psycopg import Connection, Cursor, InternalError, OperationalError
from psycopg.abc import AdaptContext
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.errors import (
    DuplicatePreparedStatement,
    FeatureNotSupported,
    InvalidSqlStatementName,
    error_from_result,
)
from psycopg.generators import execute
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

_MARK = re.compile(r"%[s%]")
_KEPT: Final = 400  # prepared statements of a connection
_ATTRIBUTE: Final = "_ris_statements"
_MAIN = threading.main_thread()

# What is raised where a pooler between us and PostgreSQL keeps no prepared statements; the last one
# where a migration changed a column meanwhile.
UNKNOWN: Final = (InvalidSqlStatementName, DuplicatePreparedStatement, FeatureNotSupported)

Rows = list[tuple[Any, ...]]


@lru_cache(maxsize=1024)
def numbered(marked: str) -> bytes:
    """The text of a statement with Django's marks as PostgreSQL takes it."""
    number = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal number
        if found[0] == "%%":
            return "%"
        number += 1
        return f"${number}"

    return _MARK.sub(mark, marked).encode()


class Statements(AdaptContext):
    """What is prepared on one connection, and how its values are written and read."""

    def __init__(self, raw: Connection[Any]) -> None:
        self._raw = raw
        self._pgconn = raw.pgconn
        self._adapters = AdaptersMap(raw.adapters)
        if getattr(raw.adapters.get_loader(_Moment.OID, Format.TEXT), "timezone", None) is UTC:
            self._adapters.register_loader("timestamptz", _Moment)
        self._transformer = Transformer(self)
        self._names: OrderedDict[tuple[bytes, tuple[int, ...]], bytes] = OrderedDict()

    @classmethod
    def of(cls, raw: Connection[Any]) -> Statements:
        found: Statements | None = getattr(raw, _ATTRIBUTE, None)
        if found is None:
            found = cls(raw)
            setattr(raw, _ATTRIBUTE, found)
        return found

    # what psycopg asks of a context

    @property
    def adapters(self) -> AdaptersMap:
        return self._adapters

    @property
    def connection(self) -> Connection[Any]:
        return self._raw

    def rows(self, text: bytes, params: Sequence[Any], *, binary: bool = False) -> Rows:
        """What the statement finds or returns; raises psycopg's errors."""
        self._begin()
        with self._raw.lock:
            result = self._run(text, params, Format.BINARY if binary else Format.TEXT)
            transformer = self._transformer
            transformer.set_pgresult(result)
            try:
                return transformer.load_rows(0, result.ntuples, tuple)
            finally:
                transformer.set_pgresult(None)  # or it would stay in memory until the next

    def count(self, text: bytes, params: Sequence[Any]) -> int:
        """How many rows the statement changed; raises psycopg's errors."""
        self._begin()
        with self._raw.lock:
            result = self._run(text, params, Format.TEXT)
            return result.command_tuples or 0

    def command(self, text: bytes) -> None:
        """A statement without values or rows, such as SAVEPOINT; raises psycopg's errors."""
        self._begin()
        with self._raw.lock:
            self._command(text)

    def forget(self, text: bytes) -> None:
        """Prepare it anew the next time: a migration changed what it gives."""
        with self._raw.lock:
            for key in [key for key in self._names if key[0] == text]:
                self._drop(key)

    def _begin(self) -> None:
        """Begin the transaction that psycopg begins with the first statement."""
        raw, pgconn = self._raw, self._pgconn
        if raw.autocommit or pgconn.transaction_status != TransactionStatus.IDLE:
            return
        if raw.isolation_level is None and raw.read_only is None and raw.deferrable is None:
            with raw.lock:
                self._command(b"BEGIN")
        else:
            Cursor(raw).execute(b"SELECT 1")

    def _run(self, text: bytes, params: Sequence[Any], form: Format) -> Any:
        transformer = self._transformer
        values = transformer.dump_sequence(params, [PyFormat.AUTO] * len(params))
        types = tuple(transformer.types or ())
        name = self._names.get((text, types))
        if name is None:
            name = self._prepare(text, types)
        else:
            self._names.move_to_end((text, types))
        if threading.current_thread() is _MAIN:
            self._pgconn.send_query_prepared(name, values, transformer.formats, form)
            return self._checked(self._result())
        call: Any = self._pgconn.exec_prepared  # whose stub forgets that a value may be NULL
        return self._checked(call(name, values, transformer.formats, form))

    def _result(self) -> Any:
        """Of what was sent. In the main thread, where somebody may press Ctrl-C, psycopg waits."""
        return self._raw.wait(execute(self._pgconn))[-1]

    def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes:
        while len(self._names) >= _KEPT:
            self._drop(next(iter(self._names)))
        # Of its text, so that no pooler that hands connections around can run another in its place.
        name = b"ris_" + blake2b(text + repr(types).encode(), digest_size=16).hexdigest().encode()
        self._pgconn.send_prepare(name, text, types)
        self._checked(self._result())
        self._names[text, types] = name
        return name

    def _drop(self, key: tuple[bytes, tuple[int, ...]]) -> None:
        self._command(b"DEALLOCATE " + self._names[key])
        del self._names[key]

    def _command(self, text: bytes) -> None:
        if threading.current_thread() is _MAIN:
            self._pgconn.send_query(text)
            self._checked(self._result())
        else:
            self._checked(self._pgconn.exec_(text))

    def _checked(self, result: Any) -> Any:
        status = result.status
        if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if self._pgconn.status != ConnStatus.OK:
            raise OperationalError(result.get_error_message() or "the connection is lost")
        if status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
        unexpected = ExecStatus(status).name
        raise InternalError(unexpected)


class _Moment(TimestamptzLoader):
    """A time in UTC, which Python's own C code reads as PostgreSQL writes it.

    Psycopg's code takes ten times as long, and an answer of the worklist has eight of them.
    """

    OID: Final = 1184
    timezone = UTC

    def load(self, data: Any) -> datetime:
        text = bytes(data).decode()
        if text.endswith("+00"):
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass  # a year that Python does not know: what psycopg says of it is said
        return super().load(data).replace(tzinfo=UTC)
