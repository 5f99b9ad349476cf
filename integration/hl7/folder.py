"""Pick-up folders: HL7 v2 messages and batches that come as files (spec 1.4).

An HL7 endpoint with a ``folder`` setting has a folder of that name. Whoever puts a file there
writes it under another name (``.tmp``, ``.part``, or with a dot in front) and renames it when it is
complete; a file whose size or time still changes is left alone in any case, and one that is empty
or does not end with a line is given more time, because its writer may be in the middle of it. A
file goes the way of a message over MLLP: the same inbox, the same answer, and the same bytes again
have no second effect, so a crash in the middle of a file does no harm.

===================  ===============================================================
``NAME``             waits
``NAME.busy``        is being read; found after a crash, it is read again
``NAME.ack``         the answer, complete when it is there
``NAME.done``        every message was accepted, and as many came as were announced
``NAME.err``         not so; what was wrong stands in the answer
===================  ===============================================================
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import structlog
from django.db import close_old_connections, connections

from integration.hl7 import acks, mllp
from integration.hl7.peer import Peer, Reply
from integration.hl7.senders import FOLDER
from ris.domain.exchange import Direction, Protocol
from ris.selectors.exchange import endpoints

log = structlog.get_logger(__name__)

MAX_FILE = 64 * 1024 * 1024
LOOK_SECONDS = 1.0
_STOP_SECONDS = 5.0
# So long a file must not have changed; the second if it ends in the middle of a line.
SETTLE_SECONDS = 1.0
CUT_SECONDS = 30.0
# Longer names have no room for what is added to them: ``.NAME.ack.tmp``, ``NAME.12.done``.
_LONGEST_NAME = 240
# A file that cannot be taken now is tried again, with growing pauses.
TRIES = 10
_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 600.0
_BUSY = ".busy"
_SKIPPED = (".tmp", ".part", ".ack", ".done", ".err")
_MSA = re.compile(rb"(?:^|[\r\n])MSA(.)([A-Z]{2})")
_LINE_ENDS = (b"\r", b"\n", mllp.END)
_FOR_NOW = re.compile(rb"(?:^|[\r\n])ERR(?:[^\r]*\^206&|(.)[^\r]*?\1206(?:\^|\1))")
_ACCEPTED = frozenset({b"AA", b"CA"})

Handle = Callable[[bytes, Peer], "Reply | None"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files of one endpoint come, and what they are called."""

    endpoint: str
    path: Path
    pattern: str = "*.hl7"


def configured(root: Path) -> list[Folder]:
    """The folders of the endpoints that have one."""
    found = []
    for endpoint in endpoints(Protocol.HL7, Direction.IN):
        name = endpoint.settings.get("folder")
        if name:
            pattern = str(endpoint.settings.get("folder_pattern", "*.hl7"))
            found.append(Folder(endpoint.name, root / str(name), pattern))
    return found


@dataclass(slots=True)
class _Seen:
    """What a waiting file looked like, and since when."""

    stamp: tuple[int, int, int]
    since: float
    not_before: float = 0.0
    tries: int = 0


class PickUp:
    """Looks into the folders and has what lies there handled, one file after the other."""

    def __init__(
        self,
        folders: Callable[[], list[Folder]],
        handle: Handle,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = folders
        self._handle = handle
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}
        self._told: set[Path] = set()

    def look(self) -> int:
        """Handle what is complete; how many files were."""
        count = 0
        present: set[Path] = set()
        for folder in self._folders():
            for path, stamp in _waiting(folder):
                present.add(path)
                if self._is_due(path, stamp) and self._take(folder, path):
                    count += 1
        for path in self._seen.keys() - present:
            del self._seen[path]
        self._told &= present
        return count

    def _is_due(self, path: Path, stamp: tuple[int, int, int]) -> bool:
        now = self._clock()
        seen = self._seen.get(path)
        if seen is None or seen.stamp != stamp:
            seen = self._seen[path] = _Seen(stamp, now)
        if now - seen.since < self._settle_seconds or now < seen.not_before:
            return False
        return now - seen.since >= CUT_SECONDS or _ends_with_a_line(path)

    def _take(self, folder: Folder, path: Path) -> bool:
        """Handle one file; False if another process has it, or it cannot be read."""
        name = path.name.removesuffix(_BUSY)
        busy = path.with_name(name + _BUSY)
        try:
            if len(os.fsencode(name)) > _LONGEST_NAME:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            if path != busy:
                if busy.exists():
                    return False  # a file of that name is being read
                path.rename(busy)
            with _locked(busy) as file:
                if file is None:
                    return False
                self._finish(folder, busy, path.with_name(name), file)
        except OSError as error:
            if path not in self._told:
                self._told.add(path)
                log.error("a file cannot be picked up", file=str(path), reason=error.strerror)
            return False
        return True

    def _finish(self, folder: Folder, busy: Path, original: Path, file: int) -> None:
        answer, accepted, for_now = self._answer(folder, file)
        seen = self._seen.pop(busy, None) or self._seen.pop(original, None)
        tries = (seen.tries if seen else 0) + 1
        if for_now and tries < TRIES:
            busy.rename(original)
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tries - 1))
            now = self._clock()
            self._seen[original] = _Seen(_stamp(original.lstat()), now, now + pause, tries)
            return
        if answer:
            _write(original.with_name(original.name + ".ack"), answer, busy)
        end = ".done" if accepted else ".err"
        busy.rename(_free(original, end))
        log.info("HL7 file", file=str(original), endpoint=folder.endpoint, accepted=accepted)

    def _answer(self, folder: Folder, file: int) -> tuple[bytes, bool, bool]:
        """What is answered to a file, whether all of it was accepted, and if it may be later."""
        size = os.fstat(file).st_size
        if size > MAX_FILE:
            return f"The file is longer than {MAX_FILE} bytes.\n".encode(), False, False
        content = _read(file, size)
        if b"\0" not in content[:8]:  # in UTF-16 and UTF-32 these bytes are halves of letters
            content = content.replace(mllp.START, b"").replace(mllp.END, b"")
        peer = Peer(FOLDER + folder.path.name, 0, 0, 0, folder=folder.endpoint)
        try:
            reply = self._handle(content, peer)
        except Exception:
            error_id = uuid.uuid4().hex[:12]
            log.exception("an HL7 file failed", error_id=error_id)
            return acks.crashed(content, error_id) or b"", False, False
        if reply is None:
            return b"Not a message of HL7 version 2.\n", False, False
        reply.sent(True)
        codes = [found[2] for found in _MSA.finditer(reply.payload)]
        accepted = reply.complete and all(code in _ACCEPTED for code in codes)
        return reply.payload, accepted, not accepted and bool(_FOR_NOW.search(reply.payload))


def _waiting(folder: Folder) -> list[tuple[Path, tuple[int, int, int]]]:
    """The files that wait, oldest first; never a link, which could lead anywhere."""
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = list(os.scandir(folder.path))
    except OSError as error:
        log.error("a pick-up folder cannot be read", file=str(folder.path), reason=error.strerror)
        return []
    found = []
    for entry in entries:
        name = entry.name.removesuffix(_BUSY)
        if name.startswith(".") or name.endswith(_SKIPPED):
            continue
        if not fnmatchcase(name, folder.pattern):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue  # gone meanwhile
        if stat.S_ISREG(status.st_mode):
            found.append((status.st_mtime_ns, entry.name, Path(entry.path), _stamp(status)))
    return [(path, stamp) for _, _, path, stamp in sorted(found, key=lambda each: each[:2])]


def _ends_with_a_line(path: Path) -> bool:
    """Whether its last segment is whole, as far as can be seen; also if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 16))
            tail = file.read()
    except OSError:
        return True  # told by the attempt to take it
    return tail.rstrip(b"\0 \t\x1a").endswith(_LINE_ENDS)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """The file, open, for us alone; None if another process reads it. A crash frees it."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        # It may have been finished between our look and the lock.
        yield file if path.exists() and path.stat().st_ino == os.fstat(file).st_ino else None
    finally:
        os.close(file)


def _read(file: int, size: int) -> bytes:
    with os.fdopen(os.dup(file), "rb") as stream:
        return stream.read(size)


def _write(path: Path, content: bytes, like: Path) -> None:
    """Put an answer beside its file, whole or not at all, for those who may read the file."""
    temporary = path.with_name(f".{path.name}.tmp")
    mode = stat.S_IMODE(like.stat().st_mode) & 0o666 | 0o200
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    temporary.rename(path)


def _free(original: Path, end: str) -> Path:
    """The name for a file that was read; an earlier one of the same name is kept."""
    target = original.with_name(original.name + end)
    number = 1
    while target.exists():
        number += 1
        target = original.with_name(f"{original.name}.{number}{end}")
    return target


@contextmanager
def running(root: Path, handle: Handle) -> Iterator[None]:
    """Look into the folders every second, in a thread of its own."""
    stopping = threading.Event()

    def folders() -> list[Folder]:
        close_old_connections()
        return configured(root)

    pick_up = PickUp(folders, handle)

    def work() -> None:
        while not stopping.is_set():
            try:
                pick_up.look()
            except Exception:
                # The database may be away for a moment; the files stay where they are.
                log.warning("looking into the pick-up folders failed", exc_info=True)
            stopping.wait(LOOK_SECONDS)
        connections.close_all()  # those of this thread

    thread = threading.Thread(target=work, name="pick-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_STOP_SECONDS)
