"""Goals and whether they were met: one row each in the table that ends a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isnan

from benchmarks.tables import number, table, times


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure beside what it has to be; ``met`` is None if it could not be measured here."""

    number: int
    what: str
    threshold: str
    measured: str
    met: bool | None


def at_least(
    goal: int, what: str, threshold: float, value: float, show: Callable[[float], str] = times
) -> Goal:
    return _goal(goal, what, f"≥ {show(threshold)}", value, value >= threshold, show)


def at_most(
    goal: int, what: str, threshold: float, value: float, show: Callable[[float], str] = times
) -> Goal:
    return _goal(goal, what, f"≤ {show(threshold)}", value, value <= threshold, show)


def _goal(
    goal: int, what: str, threshold: str, value: float, met: bool, show: Callable[[float], str]
) -> Goal:
    return Goal(goal, what, threshold, show(value), None if isnan(value) else met)


def milliseconds(value: float) -> str:
    return f"{number(value)} ms"


def percent(value: float) -> str:
    """A share of one."""
    return f"{number(100 * value)} %"


_VERDICTS = {True: "yes", False: "NO", None: "not measured"}


def report(goals: Iterable[Goal]) -> str:
    """All goals in one table, and how many of them were met."""
    listed = sorted(goals, key=lambda goal: goal.number)
    rows = [
        [str(goal.number), goal.what, goal.threshold, goal.measured, _VERDICTS[goal.met]]
        for goal in listed
    ]
    met = sum(goal.met is True for goal in listed)
    measured = sum(goal.met is not None for goal in listed)
    return "\n\n".join(
        [
            table(["goal", "what", "threshold", "measured", "met"], rows, left=(0, 1)),
            f"{met} of {measured} figures meet their goal.",
        ]
    )
