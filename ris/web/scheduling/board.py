"""The day board's grid: rooms as columns, time as rows, as a plain table with row spans.

No inline style may position anything (strict CSP), so the browser's own table layout does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from ris.selectors.calendar import Span
from ris.selectors.schedule import AppointmentLine, Column, DayPlan

ROW = timedelta(minutes=5)
LABEL_ROWS = 6  # a label, and an end to every empty cell, each half hour
EARLIEST, LATEST = time(8), time(17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``rows`` is how many rows it spans."""

    rows: int
    column: Column
    appointments: tuple[AppointmentLine, ...] = ()
    is_open: bool = True
    is_past: bool = False


@dataclass(slots=True)
class Row:
    """``label`` is set where a half hour begins."""

    label: datetime | None = None
    label_rows: int = 0
    is_now: bool = False
    cells: list[Cell] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grid:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def grid(plan: DayPlan, midnight: datetime, now: datetime) -> Grid:
    """The table of a day that begins at ``midnight``; reckoned in UTC, where no hour is missing."""
    first, last = _limits(plan.columns, midnight.astimezone(UTC))
    count = round((last - first) / ROW)
    rows = [Row() for _ in range(count)]
    for number in range(0, count, LABEL_ROWS):
        at = first + number * ROW
        rows[number].label = at
        rows[number].label_rows = min(LABEL_ROWS, count - number)
        rows[number].is_now = at <= now < at + LABEL_ROWS * ROW
    for column in plan.columns:
        for start, cell in _cells(column, first, count, now):
            rows[start].cells.append(cell)
    return Grid(plan.columns, tuple(rows))


def _limits(columns: Sequence[Column], midnight: datetime) -> tuple[datetime, datetime]:
    """From the first opening or booking to the last, in whole half hours, within the day."""
    starts = [_on(midnight, EARLIEST)]
    ends = [_on(midnight, LATEST)]
    for column in columns:
        starts += [span.start for span in column.open]
        ends += [span.end for span in column.open]
        starts += [line.start_at for line in column.appointments]
        ends += [line.end_at for line in column.appointments]
    half_hour = LABEL_ROWS * ROW
    day_end = midnight + timedelta(days=1)
    first = max(min(starts), midnight)
    last = min(max(ends), day_end)
    first -= (first - midnight) % half_hour
    last += (midnight - last) % half_hour
    return first, last


def _on(midnight: datetime, clock: time) -> datetime:
    return midnight + timedelta(hours=clock.hour, minutes=clock.minute)


def _cells(column: Column, first: datetime, count: int, now: datetime) -> list[tuple[int, Cell]]:
    """The column's cells with the row each begins in; together they span every row once."""
    found: list[tuple[int, Cell]] = []
    at = 0
    for start, end, lines in _blocks(column.appointments, first, count):
        found += _empty(column, first, at, start, now)
        cell = Cell(rows=end - start, column=column, appointments=tuple(lines))
        found.append((start, cell))
        at = end
    return found + _empty(column, first, at, count, now)


def _blocks(
    appointments: Sequence[AppointmentLine], first: datetime, count: int
) -> list[tuple[int, int, list[AppointmentLine]]]:
    """Appointments as row ranges; those that overlap (booked over) share one."""
    blocks: list[tuple[int, int, list[AppointmentLine]]] = []
    for line in sorted(appointments, key=lambda line: (line.start_at, line.end_at)):
        start = max((line.start_at - first) // ROW, 0)
        end = min(max(-((first - line.end_at) // ROW), start + 1), count)
        if start >= count:
            continue
        if blocks and start < blocks[-1][1]:
            before, until, lines = blocks[-1]
            blocks[-1] = (before, max(until, end), [*lines, line])
        else:
            blocks.append((start, end, [line]))
    return blocks


def _empty(
    column: Column, first: datetime, start: int, end: int, now: datetime
) -> list[tuple[int, Cell]]:
    """Free or closed time, cut at each half hour and where the room opens or closes."""
    cells: list[tuple[int, Cell]] = []
    while start < end:
        is_open = _is_open(column.open, first + start * ROW)
        stop = min((start // LABEL_ROWS + 1) * LABEL_ROWS, end)
        until = start + 1
        while until < stop and _is_open(column.open, first + until * ROW) == is_open:
            until += 1
        past = first + until * ROW <= now
        cells.append(
            (start, Cell(rows=until - start, column=column, is_open=is_open, is_past=past))
        )
        start = until
    return cells


def _is_open(spans: Sequence[Span], at: datetime) -> bool:
    return any(span.start <= at < span.end for span in spans)
