"""Tables of the conformance statements and other pages that are made from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines, with an empty one behind; what is empty is written as a dash."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in rows:
        cells = (str(cell).replace("|", "\\|") or "-" for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
