"""Results of the worklist benchmark, by what was asked of whom."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from benchmarks.load import Sample

FLOOR = "floor"
OURS = {"SQLite": "RIS SQLite", "PostgreSQL": "RIS PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one table cell is about."""

    name: str
    size: int
    query: str
    mode: str  # new or kept association, or another client
    how: str = ""


Results = dict[Cell, Sample]


def grows_from(sizes: tuple[int, ...]) -> int:
    """The size that the largest one is compared with."""
    return 1_000 if 1_000 in sizes[:-1] else sizes[0]


def median(results: Results, *cell: object) -> float:
    """Milliseconds; not a number if it was not measured."""
    sample = results.get(Cell(*cell))  # type: ignore[arg-type]
    return sample.median if sample is not None else nan


def best(results: Results, names: list[str], *cell: object) -> float:
    """The quickest of several."""
    found = [median(results, name, *cell) for name in names]
    return min((value for value in found if value == value), default=nan)
