"""Charts as numbers for an SVG: no script, no inline style; each has a table beside it.

Lengths are in the units of the picture's own coordinates. Bars differ by pattern and by words, not
only by color.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 440  # small, so that words stay readable on a phone
LABEL = 150  # for the words on the left
VALUE = 96  # for the number at the right
ROW = 26
BAR = 14
ABOVE = 16  # for words that are too long to stand on the left
LONGEST = 21  # letters that have room there


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """``kind`` is the pattern: first or second of a pair."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line across: the 90th percentile, a target."""

    x: float
    top: float
    bottom: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    height: float
    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    marks: tuple[Mark, ...] = ()
    width: int = WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a chart of bars: up to two bars, and lines across."""

    name: str
    value: float
    text: str
    second: float | None = None
    marks: tuple[tuple[str, float, str], ...] = ()  # kind, value, words


def rows(lines: Sequence[Line], most: float | None = None) -> Chart:
    """Bars from left to right, one row for each line."""
    values = [line.value for line in lines] + [line.second or 0 for line in lines]
    values += [value for line in lines for _, value, _ in line.marks]
    top = most or max([*values, 1])
    above = any(_letters(line.name) > LONGEST for line in lines)
    left = 0 if above else LABEL
    scale = (WIDTH - left - VALUE) / top
    bars: list[Bar] = []
    labels: list[Label] = []
    marks: list[Mark] = []
    pairs = any(line.second is not None for line in lines)
    step = ROW + (BAR if pairs else 0) + (ABOVE if above else 0)
    for number, line in enumerate(lines):
        y = number * step + 6.0 + (ABOVE if above else 0)
        middle = y + (BAR if pairs else BAR / 2) + 4
        labels.append(Label(x=0, y=y - 5 if above else middle, text=line.name))
        labels.append(Label(x=WIDTH, y=middle, text=line.text, anchor="end"))
        bars.append(_bar(left, y, line.value, scale, top, "first", line))
        if line.second is not None:
            bars.append(_bar(left, y + BAR + 1, line.second, scale, top, "second", line))
        for kind, value, words in line.marks:
            x = round(left + min(value, top) * scale, 1)
            marks.append(Mark(x=x, top=y - 3, bottom=y + BAR + 3, kind=kind, title=words))
    return Chart(
        height=len(lines) * step + 8,
        bars=tuple(bars),
        labels=tuple(labels),
        marks=tuple(marks),
    )


def _bar(x: float, y: float, value: float, scale: float, top: float, kind: str, line: Line) -> Bar:
    return Bar(
        x=x,
        y=round(y, 1),
        width=round(max(min(value, top) * scale, 1 if value else 0), 1),
        height=BAR,
        kind=kind,
        title=f"{line.name}: {line.text}",
    )


def _letters(text: str) -> int:
    """How wide it is, in Latin letters: a Japanese one is as wide as two (UAX 11)."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


HEIGHT = 120


def columns(values: Sequence[tuple[str, int]], every: int = 1) -> Chart:
    """Columns side by side; only each ``every``-th is named below."""
    top = max([count for _, count in values] + [1])
    width = WIDTH / max(len(values), 1)
    gap = min(2.0, width * 0.2)
    bars = []
    labels = [
        Label(x=0, y=10, text=str(top)),
    ]
    for number, (name, count) in enumerate(values):
        height = round(HEIGHT * count / top, 1)
        bars.append(
            Bar(
                x=round(number * width + gap / 2, 1),
                y=round(14 + HEIGHT - height, 1),
                width=round(width - gap, 1),
                height=height,
                kind="first",
                title=f"{name}: {count}",
            )
        )
        if number % every == 0:
            x = round(number * width + (0 if every > 1 else width / 2), 1)
            anchor = "start" if every > 1 else "middle"
            if every > 1 and x > WIDTH - 40:
                continue  # it would be cut off
            labels.append(Label(x=x, y=14 + HEIGHT + 16, text=name, anchor=anchor))
    return Chart(height=14 + HEIGHT + 22, bars=tuple(bars), labels=tuple(labels))
