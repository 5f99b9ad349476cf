"""Results as Markdown tables, so that what is printed can be kept."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from math import isnan


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: Container[int] = (0,)
) -> str:
    """Columns as wide as they need to be; those ``left`` to the left, figures to the right."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [_line(cells[0], widths, left), _rule(widths, left)]
    return "\n".join([*lines, *(_line(row, widths, left) for row in cells[1:])])


def _line(row: Sequence[str], widths: Sequence[int], left: Container[int]) -> str:
    padded = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _rule(widths: Sequence[int], left: Container[int]) -> str:
    rules = [
        "-" * (width + 2) if column in left else f"{'-' * (width + 1)}:"
        for column, width in enumerate(widths)
    ]
    return "|".join(["", *rules, ""])


def number(value: float) -> str:
    """Three figures that matter; a dash for what was not measured."""
    if isnan(value):
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float) -> str:
    """A ratio."""
    return "–" if isnan(value) else f"x{number(value)}"
