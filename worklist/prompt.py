"""What can be answered at once, on the event loop: what was answered before and is still right.

Handing a request to a thread and its answer back costs more than looking both up. A service that
can tell that nothing changed implements :class:`Prompt`; all that is not known goes to the pool.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from worklist.remembered import REMEMBERED_BYTES
from worklist.service import FindAnswer, Request

if TYPE_CHECKING:  # the upper layer runs without the core
    from ris.services.queries import Said


@runtime_checkable
class Prompt(Protocol):
    """A service that may be asked on the event loop: it must not wait for anything."""

    def register(self) -> object | None:
        """What decisions on callers rest on; None if it must be read anew.

        As long as it is the same object, a caller that was let in is let in again.
        """
        ...

    def c_find_at_once(self, request: Request) -> FindAnswer | None:
        """The answer if it is known; None to be asked by ``c_find``."""
        ...

    def c_find_when_known(
        self, request: Request, then: Callable[[FindAnswer | None], None]
    ) -> bool:
        """The same where telling takes a moment: ``then`` is called on the loop.

        False, and no call, if it cannot be told.
        """
        ...


class Remembered(NamedTuple):
    """An answer with what it rests on, and what the record of its query says."""

    version: str | int
    register: object
    answer: FindAnswer
    said: Said


@dataclass(slots=True)
class FindMemory:
    """The last answer to each query of each device, bounded by the matches it holds.

    What is asked for the first time is not kept: to know whether an answer is still right the
    database is asked for its version, and most of what is looked up by a number never comes again.
    """

    capacity: int = 20_000
    asked: int = 4_096  # queries known to have been asked once
    _known: OrderedDict[Any, Remembered] = field(default_factory=OrderedDict)
    _asked: OrderedDict[Any, None] = field(default_factory=OrderedDict)
    _held: int = 0
    _lock: Lock = field(default_factory=Lock)

    def was_asked(self, request: Request) -> bool:
        """Whether this query came before, so that its answer is worth keeping; now it did."""
        if request.page is not None or len(request.dataset) > REMEMBERED_BYTES:
            return False
        key = _key(request)
        with self._lock:
            if key in self._known or key in self._asked:
                return True
            self._asked[key] = None
            while len(self._asked) > self.asked:
                self._asked.popitem(last=False)
        return False

    def recall(
        self, request: Request, version: str | int | None, register: object
    ) -> Remembered | None:
        """The answer given before, if it rests on the same."""
        known = self._known.get(_key(request)) if request.page is None else None
        if known is None or known.register is not register or known.version != version:
            return None
        return known

    def may_know(self, request: Request, register: object) -> bool:
        """Whether there is an answer at all, right or not."""
        known = self._known.get(_key(request)) if request.page is None else None
        return known is not None and known.register is register

    def remember(self, request: Request, known: Remembered) -> None:
        if len(request.dataset) > REMEMBERED_BYTES:
            return
        key = _key(request)
        with self._lock:
            before = self._known.pop(key, None)
            if before is not None:
                self._held -= _size(before)
            self._known[key] = known
            self._asked.pop(key, None)
            self._held += _size(known)
            while self._held > self.capacity and len(self._known) > 1:
                _, dropped = self._known.popitem(last=False)
                self._held -= _size(dropped)


def _key(request: Request) -> tuple[bytes, str, str, str]:
    caller = request.association.request
    return (
        request.dataset,
        request.transfer_syntax,
        caller.calling_ae_title,
        caller.called_ae_title,
    )


def _size(known: Remembered) -> int:
    return 10 + known.answer.matches  # an empty answer takes room too
