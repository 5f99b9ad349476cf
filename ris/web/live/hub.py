"""One look at the journal every half second, told to all open pages of this process.

Each stream is a thread of the web server that sleeps until there is something to say (measured:
docs/adr). The thread that looks runs only while somebody listens.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from datetime import date
from time import monotonic

import structlog
from django.db import Error, connections

from ris.selectors.changes import Change, Journal, Traffic
from ris.services.outbox import after_commit
from ris.web.live.topics import TOPICS, concerned

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
SPACING_SECONDS = 0.1  # between two looks, however many commits ring
HEARTBEAT_SECONDS = 15.0
KEPT_SECONDS = 60.0  # what happened between a page and its stream is told when it begins
KEPT = 500
IDLE_SECONDS = 30.0
ANY_DAY: frozenset[date] = frozenset()

OPENED = b"retry: 2000\n\n"
HEARTBEAT = b":\n\n"


class Stream(Iterator[bytes]):
    """What one open page is told, as the body of a ``text/event-stream``.

    Several changes that happened while nobody read are one message: topic → days, none for any.
    """

    def __init__(
        self, topics: frozenset[str], leave: Callable[[Stream], None], seconds: float
    ) -> None:
        self.topics = topics
        self._leave = leave
        self._news = threading.Condition()
        self._waiting: dict[str, frozenset[date]] = {}
        self._ended = False
        self._begun = False
        self._until = monotonic() + seconds

    def tell(self, topics: Collection[str], days: frozenset[date]) -> None:
        mine = self.topics.intersection(topics)
        if not mine:
            return
        with self._news:
            for topic in mine:
                before = self._waiting.get(topic)
                any_day = not days or before == ANY_DAY
                self._waiting[topic] = ANY_DAY if any_day else days | (before or ANY_DAY)
            self._news.notify()

    def end(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return OPENED
        with self._news:
            left = self._until - monotonic()
            self._news.wait_for(
                lambda: self._waiting or self._ended, min(HEARTBEAT_SECONDS, max(left, 0))
            )
            if self._ended or self._until <= monotonic():
                raise StopIteration
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return HEARTBEAT
        told = {
            topic: sorted(day.isoformat() for day in days)
            for topic, days in sorted(waiting.items())
        }
        return f"data: {json.dumps(told)}\n\n".encode()

    def close(self) -> None:
        self.end()
        self._leave(self)


class Hub:
    """The streams of this process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._streams: dict[str, Stream] = {}
        self._lately: deque[tuple[float, frozenset[str], frozenset[date]]] = deque(maxlen=KEPT)
        self._ring = threading.Event()
        self._listener: threading.Thread | None = None
        self._ready = threading.Event()
        self._ended = False
        self._rings = False

    def join(
        self, key: str, topics: frozenset[str], *, age: float, seconds: float
    ) -> Stream | None:
        """A stream for the page ``key``, which was asked for ``age`` seconds ago.

        None if too many are open.
        """
        self.leave(key)
        with self._lock:
            if self._ended or len(self._streams) >= self.limit:
                return None
            stream = self._streams[key] = Stream(topics, self._leave, seconds)
            if self._listener is None:
                self._ready.clear()
                self._listener = threading.Thread(target=self._listen, name="live", daemon=True)
                self._listener.start()
            if not self._rings:
                self._rings = True
                after_commit(self._ring.set)
        # Whatever is committed from here on is seen by the listener.
        self._ready.wait(2.0)
        since = monotonic() - min(age, KEPT_SECONDS)
        for at, about, days in list(self._lately):
            if at >= since:
                stream.tell(about, days)
        return stream

    def leave(self, key: str) -> None:
        """End a page's stream: the browser has gone on, and the server would notice only later."""
        with self._lock:
            former = self._streams.pop(key, None)
        if former is not None:
            former.end()

    def end(self) -> None:
        """Let every page go, because the process ends."""
        with self._lock:
            self._ended = True
            for stream in self._streams.values():
                stream.end()

    def held(self, beginning: str) -> int:
        """How many streams have a key that begins so."""
        with self._lock:
            return sum(key.startswith(beginning) for key in self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def _leave(self, stream: Stream) -> None:
        with self._lock:
            for key, present in list(self._streams.items()):
                if present is stream:
                    del self._streams[key]

    # --- the listener

    def _listen(self) -> None:
        journal: Journal | None = None
        traffic: Traffic | None = None
        alone_since = 0.0
        while not self._ended:
            try:
                if journal is None or traffic is None:
                    journal, traffic = Journal(), Traffic()
                    for change in reversed(journal.lately(KEPT_SECONDS)):
                        self._tell(concerned(change.name), change.days)
                    self._ready.set()
                self._look(journal, traffic)
            except Error:
                # The database is away for a moment; what was missed meanwhile is in the journal.
                log.warning("the journal cannot be read", exc_info=True)
                connections.close_all()
            now = monotonic()
            alone_since = 0.0 if self._streams else alone_since or now
            if alone_since and now - alone_since > IDLE_SECONDS and self._rests():
                break
            self._ring.wait(POLL_SECONDS)
            self._ring.clear()
            if self._ended:
                break
            threading.Event().wait(SPACING_SECONDS)
        connections.close_all()

    def _rests(self) -> bool:
        with self._lock:
            if self._streams:
                return False
            self._listener = None
            self._lately.clear()
            return True

    def _look(self, journal: Journal, traffic: Traffic) -> None:
        changes = journal.news()
        if changes is None:
            self._tell(frozenset(TOPICS), ANY_DAY)
            return
        for topics, days in _summed(changes):
            self._tell(topics, days)
        if self._anybody_hears_traffic() and traffic.moved():
            self._tell(_TRAFFIC, ANY_DAY)

    def _anybody_hears_traffic(self) -> bool:
        with self._lock:
            return any(stream.topics & _TRAFFIC for stream in self._streams.values())

    def _tell(self, topics: frozenset[str], days: frozenset[date]) -> None:
        self._lately.append((monotonic(), topics, days))
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.tell(topics, days)


_TRAFFIC = frozenset(name for name, topic in TOPICS.items() if topic.traffic)


def _summed(changes: Collection[Change]) -> set[tuple[frozenset[str], frozenset[date]]]:
    """Each thing to say once, however many events say it."""
    return {(concerned(change.name), change.days) for change in changes}
