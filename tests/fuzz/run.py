"""Feeds a target and holds it to its budget (reliability.md R22: 50 ms of CPU an input)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.fuzz import hl7
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS

SECONDS = 0.05


class Fault(Exception):  # noqa: N818 - what fuzzing looks for
    """An input did what none may do."""


@dataclass(slots=True)
class Budget:
    """The CPU the slowest input took."""

    seconds: float = SECONDS
    slowest: float = 0.0


def feed(name: str, seeds: Sequence[bytes], start: int, budget: Budget) -> Iterator[str]:
    """What became of each input, without end."""
    target = TARGETS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, about values
        for raw in mutated(seeds, start, *_words(name)):
            yield one(target, raw, budget)


def _words(name: str) -> tuple[Sequence[bytes], ...]:
    return (hl7.WORDS,) if name in hl7.TARGETS else ()


def one(target: Callable[[bytes], str], raw: bytes, budget: Budget) -> str:
    """Feed one input; raises Fault."""
    began = time.thread_time()
    try:
        result = target(raw)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Fault(f"{type(error).__name__}: {error}\n{raw.hex()}") from error
    seconds = time.thread_time() - began
    if seconds > budget.seconds:  # or the collector ran just then: the best of three counts
        seconds = min(_timed(target, raw) for _ in range(3))
        if seconds > budget.seconds:
            raise Fault(f"took {seconds * 1000:.0f} ms of CPU\n{raw.hex()}")
    budget.slowest = max(budget.slowest, seconds)
    return result


def _timed(target: Callable[[bytes], str], raw: bytes) -> float:
    began = time.thread_time()
    target(raw)
    return time.thread_time() - began
