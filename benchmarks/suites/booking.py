"""Searching free times, and many people who book the same rooms at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.goals import Goal, at_most, milliseconds
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace

_WORKERS = 8
_MOST_MS = 200.0  # CPU, six weeks of thirty rooms


def run_search(space: Workspace) -> Iterator[str | Goal]:
    full = space.scale.rounds > 1
    rooms, weeks = (30, 6) if full else (3, 2)
    found = {
        database: space.site(database).python(
            "benchmarks.clients.openings", str(rooms), str(weeks), str(space.scale.rounds * 3)
        )
        for database in space.databases()
    }
    results = {database: json.loads(printed) for database, printed in found.items()}
    yield f"{rooms} rooms, {weeks} weeks, 60 % booked; CPU ms of one search (median):"
    yield table(
        ["database", "bookings", "first five", "nothing fits", "floor: reading", "÷ floor"],
        [
            [
                database,
                f"{result['bookings']:,}",
                number(result["usual_ms"]),
                number(result["whole_ms"]),
                number(result["floor_ms"]),
                number(result["whole_ms"] / result["floor_ms"]),
            ]
            for database, result in results.items()
        ],
    )
    for database, result in results.items():
        what = f"first available, {rooms} rooms, {weeks} weeks, nothing fits, {database}: CPU"
        yield at_most(23, what, _MOST_MS, result["whole_ms"], milliseconds)


def run_booking(space: Workspace) -> Iterator[str | Goal]:
    rows, results = [], {}
    for database in space.databases():
        result: dict[str, Any] = json.loads(
            space.site(database).python(
                "benchmarks.clients.booking", str(space.scale.attempts), str(_WORKERS)
            )
        )
        results[database] = result
        made = sum(result.get(name, 0) for name in ("booked", "held", "moved", "sets"))
        rows.append(
            [
                database,
                f"{result['attempts']:,}",
                f"{made:,}",
                f"{result.get('canceled', 0):,}",
                f"{result.get('refused', 0):,}",
                str(result["double_bookings"] + result["patients_twice"]),
                str(result["half_bookings"]),
                str(result["deadlocks"]),
                str(result.get("busy", 0)),
                number(result["attempts"] / result["seconds"]),
                number(result["p50_ms"]),
                number(result["p99_ms"]),
                number(result["most_ms"] / 1000),
            ]
        )
    yield f"{_WORKERS} processes book, hold, move, cancel and book sets in four rooms:"
    yield table(
        [
            "database",
            "attempts",
            "bookings",
            "cancels",
            "refused",
            "double",
            "half",
            "deadlocks",
            "gave up",
            "per s",
            "p50 ms",
            "p99 ms",
            "longest s",
        ],
        rows,
    )
    for database, result in results.items():
        wrong = result["double_bookings"] + result["patients_twice"] + result["half_bookings"]
        yield at_most(24, f"double bookings, {database}", 0, wrong, number)
        stalls = result["deadlocks"] + result.get("busy", 0)
        yield at_most(24, f"deadlocks, and attempts that gave up, {database}", 0, stalls, number)
