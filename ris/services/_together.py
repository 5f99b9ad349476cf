"""What waits at the same time is carried out together: one of those who wait leads.

A commit takes as long for ten messages as for one, and a database with one writer has everybody
else wait meanwhile. So nobody waits for company; but what came while the last ones were carried out
is taken at once, in the order it came.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class _Ticket(Generic[T]):
    """One who waits: until it was carried out, or is to lead."""

    __slots__ = ("called", "done", "error", "item")

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: BaseException | None = None
        self.called = threading.Lock()
        self.called.acquire()


class Together(Generic[T]):
    """Carries out what several threads submit, one group at a time."""

    def __init__(self, carry_out: Callable[[Sequence[T]], None], *, at_most: int) -> None:
        self._carry_out = carry_out
        self._at_most = at_most
        self._waiting: deque[_Ticket[T]] = deque()
        self._led = False
        self._lock = threading.Lock()

    def submit(self, item: T) -> None:
        """Returns when ``item`` was carried out, in this thread or another."""
        ticket = _Ticket(item)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._led = not self._led, True
        if not leads:
            ticket.called.acquire()
        if not ticket.done:
            self._lead()
        if ticket.error is not None:
            raise ticket.error

    def _lead(self) -> None:
        """Carry out the oldest; this thread's own is the first of them."""
        with self._lock:
            count = min(len(self._waiting), self._at_most)
            group = [self._waiting.popleft() for _ in range(count)]
        try:
            self._carry_out([ticket.item for ticket in group])
        except BaseException as error:
            for ticket in group:
                ticket.error = error
        for ticket in group:
            ticket.done = True
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._led = following is not None
        if following is not None:
            following.called.release()
        for ticket in group[1:]:
            ticket.called.release()
