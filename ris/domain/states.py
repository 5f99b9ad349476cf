"""State machines as data (DESIGN 6): a table of (state, trigger) → state, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from ris.domain.errors import IllegalTransitionError

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


# No slots: typing notes the type arguments on the instance and cannot on a slotted frozen one.
@dataclass(frozen=True)
class StateMachine(Generic[S, T]):
    """What is ever possible; guards on circumstances stand in the services."""

    name: str
    initial: S
    table: Mapping[tuple[S, T], S]

    def next(self, state: S, trigger: T) -> S:
        """The state after ``trigger``; raises IllegalTransitionError if the table has no row."""
        try:
            return self.table[state, trigger]
        except KeyError:
            raise IllegalTransitionError(self.name, state.value, trigger.value) from None

    @property
    def states(self) -> type[S]:
        return type(self.initial)

    @property
    def triggers(self) -> type[T]:
        return type(next(iter(self.table))[1])

    def final(self) -> frozenset[S]:
        """States that no trigger leaves."""
        left = {state for state, _ in self.table}
        return frozenset(state for state in self.states if state not in left)

    def pairs(self) -> Iterator[tuple[S, T]]:
        """Every (state, trigger) pair, possible or not."""
        for state in self.states:
            for trigger in self.triggers:
                yield state, trigger
