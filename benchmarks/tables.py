"""Results as Markdown tables, so that what is printed can be kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the first to the left, figures to the right."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [_line(cells[0], widths), _rule(widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in cells[1:])])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [row[0].ljust(widths[0])]
    padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return f"| {' | '.join(padded)} |"


def _rule(widths: Sequence[int]) -> str:
    return "|".join(["", "-" * (widths[0] + 2), *(f"{'-' * (w + 1)}:" for w in widths[1:]), ""])


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
