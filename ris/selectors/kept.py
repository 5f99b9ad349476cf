"""What was made of rows, given again for as long as the database shows the same rows.

Nothing has to be invalidated: the rows are read each time, which is quick; what is made of them is
not made again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ris.models.driver import Rows

T = TypeVar("T")


class Kept(Generic[T]):
    """By a key, with the rows it was made of. Give it only what nobody changes."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._known: dict[Hashable, tuple[Rows, T]] = {}

    def get(self, key: Hashable, rows: Rows, make: Callable[[], T]) -> T:
        known = self._known.get(key)
        if known is not None and known[0] == rows:
            return known[1]
        made = make()
        if len(self._known) >= self._capacity:
            self._known.clear()
        self._known[key] = rows, made
        return made
