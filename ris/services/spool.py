"""What was read, on its way into the database: a file first, many rows at once a moment later.

A reading is on record, in a file of this process, before its answer ends: a process that dies
leaves the file behind, and the next one takes it over. Rows of many are written together, so that
an answer waits neither for a commit nor for whoever else is writing
(docs/adr/0016-worklist-queries-are-recorded-by-way-of-a-file.md).
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections
from django.db import connection as database

try:
    import fcntl
except ImportError:  # not Unix: one process, whose files of before are nobody's
    fcntl = None  # type: ignore[assignment]

log = structlog.get_logger(__name__)

_ROWS_AT_ONCE = 500
# Files of processes that died are looked for at the start and then this often.
_RECOVERY_SECONDS = 30.0
_RETRY_SECONDS = 2.0


class Reading(Protocol):
    """Something that was read; its correlation is its own."""

    @property
    def at(self) -> datetime: ...

    @property
    def correlation(self) -> str: ...

    def to_json(self) -> str: ...


R = TypeVar("R", bound=Reading)


@dataclass(frozen=True, slots=True)
class Records(Generic[R]):
    """How readings of one kind become rows."""

    name: str  # in the plural; the suffix of the files
    from_json: Callable[[str], R]
    record: Callable[[Sequence[R]], None]  # in one transaction
    recorded: Callable[[Sequence[R]], set[str]]  # the correlations of those on record already


class Spool(Generic[R]):
    """Takes readings from any thread; a thread of its own brings them into the database."""

    def __init__(self, records: Records[R], folder: Path, seconds: float = 0.2) -> None:
        self._records = records
        self._folder = folder
        self._seconds = seconds
        self._lock = threading.Lock()
        self._is_filled = threading.Event()
        self._stop = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._file: _File[R] | None = _File.create(records, folder)
        self._full: list[_File[R]] = []
        self._thread = threading.Thread(target=self._run, name=records.name, daemon=True)
        self._thread.start()

    def keep(self, reading: R) -> None:
        """On record when this returns; raises OSError if the file cannot be written."""
        line = f"{reading.to_json()}\n".encode()
        with self._lock:
            if self._file is None:
                self._file = _File.create(self._records, self._folder)
            self._file.append(line)
            self._file.readings.append(reading)
        self._is_filled.set()

    def close(self) -> None:
        """Bring what there is into the database; what cannot be stays for the next process."""
        self._stop.set()
        self._is_filled.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._guarded(self._recover)
            while not self._stop.is_set():
                if self._is_filled.wait(_RECOVERY_SECONDS):
                    # Others that come meanwhile are written together with this one.
                    self._stop.wait(self._seconds)
                    self._is_filled.clear()
                else:
                    self._guarded(self._recover)
                self._guarded(self._empty)
            self._guarded(self._empty)
        finally:
            database.close()
            for one in (*self._full, self._file):
                if one is not None:
                    one.leave()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A fault must not end the thread: what is in the files is then tried again later."""
        try:
            work()
        except Exception:
            log.exception("readings could not be recorded", kind=self._records.name)
            self._stop.wait(_RETRY_SECONDS)

    def _empty(self) -> None:
        with self._lock:
            if self._file is not None and self._file.size:
                self._full.append(self._file)
                self._file = None
        while self._full and _record_all(self._full[0]):
            self._full.pop(0).remove()
        if self._full:
            self._is_filled.set()  # try again, but give the database time
            self._stop.wait(_RETRY_SECONDS)

    def _recover(self) -> None:
        """Take over the files of processes that are not there any more."""
        own = {one.path for one in (*self._full, self._file) if one is not None}
        for path in sorted(self._folder.glob(f"*.{self._records.name}")):
            if path in own:
                continue
            found = _File.take_over(self._records, path)
            if found is None:
                continue
            if _record_all(found):
                found.remove()
            else:
                found.leave()


class _File(Generic[R]):
    """One file of readings, locked by the process that is about it."""

    def __init__(
        self, records: Records[R], path: Path, descriptor: int, *, may_be_recorded: bool = False
    ) -> None:
        self.records = records
        self.path = path
        self.size = 0
        self.readings: list[R] = []  # what it holds
        # Whether some of it may be in the database: of a process that died, or tried before.
        self.may_be_recorded = may_be_recorded
        self._descriptor = descriptor

    @classmethod
    def create(cls, records: Records[R], folder: Path) -> _File[R]:
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        new = folder / f"{name}.new"  # not seen by others before it is locked
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = folder / f"{name}.{records.name}"
        new.rename(path)
        return cls(records, path, descriptor)

    @classmethod
    def take_over(cls, records: Records[R], path: Path) -> _File[R] | None:
        """None if a living process holds it, or somebody was quicker."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return None
        if not path.exists():  # recorded and removed between our two looks
            os.close(descriptor)
            return None
        found = cls(records, path, descriptor, may_be_recorded=True)
        found.readings = found.read()
        return found

    def append(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full: half a line must not spoil the next
            os.ftruncate(self._descriptor, self.size)
            raise OSError("no room for the record of what was read")
        self.size += written

    def read(self) -> list[R]:
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(self.records.from_json(line))
            except (ValueError, KeyError, TypeError):
                # The machine stopped in the middle of a line.
                log.warning("a line of what was read cannot be read", file=self.path.name)
        return found

    def remove(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)

    def leave(self) -> None:
        """Empty files are removed, others kept for who comes next."""
        if self.path.exists() and not self.path.stat().st_size:
            self.remove()
        else:
            os.close(self._descriptor)


def _record_all(file: _File[R]) -> bool:
    """Whether all of a file is in the database now."""
    try:
        close_old_connections()
        was_tried, file.may_be_recorded = file.may_be_recorded, True
        for start in range(0, len(file.readings), _ROWS_AT_ONCE):
            found = file.readings[start : start + _ROWS_AT_ONCE]
            if was_tried:
                known = file.records.recorded(found)
                found = [each for each in found if each.correlation not in known]
            if found:
                _record(found, file.records)
    except (OperationalError, InterfaceError, OSError) as error:
        log.warning(
            "readings wait for the database", kind=file.records.name, error=str(error)[:200]
        )
        return False
    return True


def _record(batch: Sequence[R], records: Records[R]) -> None:
    try:
        records.record(batch)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError, TypeError) as error:  # the driver's too: half a character
        if len(batch) > 1:  # one of them is odd; the others are not lost for that
            for each in batch:
                _record([each], records)
            return
        log.error(
            "a reading cannot be recorded",
            kind=records.name,
            error=type(error).__name__,
            correlation=batch[0].correlation,
        )
