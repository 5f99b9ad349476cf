"""How much of what peers send may be in memory at once, over all associations.

Each message has a limit of its own; many of them together, or sent ahead on many associations,
would still be gigabytes. Small shares are always granted: a large report never keeps a query out.
"""

from __future__ import annotations


class Budget:
    """The sum over all associations of one listener."""

    __slots__ = ("free", "held", "total")

    def __init__(self, total: int, free: int) -> None:
        self.total = total
        self.free = free  # for each association, whatever the others hold
        self.held = 0


class Share:
    """What one association holds of it: messages that arrive, wait and are served."""

    __slots__ = ("_arriving", "_budget", "held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._arriving = 0
        self.held = 0

    def add(self, size: int) -> None:
        self.held += size
        self._budget.held += size

    def arriving(self, size: int) -> None:
        """So much has come of a message that is not complete."""
        self.add(size - self._arriving)
        self._arriving = size

    @property
    def is_too_much(self) -> bool:
        budget = self._budget
        return budget.held > budget.total and self.held > budget.free
