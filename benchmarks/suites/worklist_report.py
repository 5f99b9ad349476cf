"""Tables and goals of the worklist benchmark (the goals are numbered as in the README)."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from benchmarks.goals import Goal, at_least, at_most, milliseconds
from benchmarks.load import Sample
from benchmarks.remarks import remarks
from benchmarks.suites.worklist_results import FLOOR, OURS, Cell, Results, best, grows_from, median
from benchmarks.tables import number, table, times
from benchmarks.workspace import Scale

# How many times the best peer's p50 is ours, by size.
AGAINST_PEERS = (
    (1, "day", "new", {100: 4, 1_000: 25, 10_000: 250, 50_000: 1_000}),
    (2, "day", "kept", {100: 6, 1_000: 45, 10_000: 400, 50_000: 1_500}),
    (3, "single", "new", {100: 3.5, 1_000: 20, 10_000: 200, 50_000: 800}),
    (4, "broad", "new", {100: 5, 1_000: 18, 10_000: 110, 50_000: 450}),
)
AS_SHIPPED = 25
FINDSCU = 8
FINDSCU_P99_MS = 10
RATES = {100: 5, 1_000: 25, 10_000: 200}
ABOVE_FLOOR = {"PostgreSQL": {"new": 5, "kept": 15}, "SQLite": {"new": 3, "kept": 5}}
GROWTH = 1.3
NAMES_ABOVE_DATES = 2
MATCHES_PER_SECOND = 80_000
SHARE_OF_FLOOR = 0.2


def report(
    results: Results, names: list[str], scale: Scale, reference: int
) -> Iterator[str | Goal]:
    """``reference`` is the size that is compared with the floor and with the largest one."""
    ours = [name for name in names if name in OURS.values()]
    others = [name for name in names if name not in ours and not name.startswith(FLOOR)]
    yield from _latencies(results, names, scale)
    yield from _details(results, ours)
    yield from _more_clients(results, ours + others)
    yield from _against_peers(results, ours, others, scale)
    yield from _own_goals(results, ours, names, scale, reference)
    yield from remarks(
        (f"{cell.name}, {cell.query}, {cell.mode} {cell.how}, {cell.size:,} steps", sample)
        for cell, sample in results.items()
        if cell.mode != "findscu"
    )


# --- tables


def _latencies(results: Results, names: list[str], scale: Scale) -> Iterator[str]:
    yield (
        "Latency of one client, ms, p50 (least). `new`: connect, associate, ask, release. "
        "`findscu`: DCMTK's, unmodified, on one association."
    )
    rows = []
    for query, mode in (
        ("day", "new"), ("day", "kept"), ("single", "new"), ("single", "kept"), ("broad", "new"),
        ("broad", "kept"), ("day", "findscu"),
    ):  # fmt: skip
        for size in scale.sizes:
            cells = [_latency(_sample(results, name, size, query, mode)) for name in names]
            if any(cell != "–" for cell in cells):
                rows.append([query, mode, f"{size:,}", *cells])
    yield table(["query", "association", "steps", *names], rows)


def _sample(results: Results, name: str, size: int, query: str, mode: str) -> Sample | None:
    direct = results.get(Cell(name, size, query, mode))
    return direct or results.get(Cell(name, size, query, mode, "growth"))


def _latency(sample: Sample | None) -> str:
    if sample is None or not sample.latencies:
        return "–"
    return f"{number(sample.median)} ({number(sample.least)})"


def _details(results: Results, ours: list[str]) -> Iterator[str]:
    yield (
        "Ours in detail, one client. `written meanwhile`: another process commits 200 times a "
        "second, so that no answer is right for long. `prefix`, `contains`: a patient's name, "
        "another one each time; `by date`: as many matches by station and days."
    )
    rows = [
        [
            f"{cell.query} {cell.how if cell.how != 'growth' else ''}".strip(),
            cell.mode,
            f"{cell.size:,}",
            cell.name,
            *(
                number(figure)
                for figure in (
                    sample.median,
                    sample.percentile(0.99),
                    sample.server_ms,
                    sample.matches / len(sample.latencies) if sample.latencies else nan,
                )
            ),
        ]
        for cell, sample in results.items()
        if cell.name in ours and "clients" not in cell.how and cell.mode != "findscu"
    ]
    heads = ["query", "association", "steps", "server", "p50", "p99", "CPU ms/query", "matches"]
    yield table(heads, rows)


def _more_clients(results: Results, names: list[str]) -> Iterator[str]:
    yield "Queries per second, `day`, new associations."
    asked = dict.fromkeys((cell.size, cell.how) for cell in results if "clients" in cell.how)
    rows = [
        [
            f"{size:,}",
            how,
            *(
                number(sample.rate)
                if (sample := results.get(Cell(name, size, "day", "new", how)))
                else "–"
                for name in names
            ),
        ]
        for size, how in asked
    ]
    yield table(["steps", "clients", *names], rows)


# --- goals


def _against_peers(
    results: Results, ours: list[str], others: list[str], scale: Scale
) -> Iterator[Goal]:
    shipped = [name for name in others if "tuned" not in name]
    for goal, query, mode, thresholds in AGAINST_PEERS:
        for name in ours:
            for size, threshold in thresholds.items():
                if size in scale.peer_sizes:
                    ratio = best(results, others, size, query, mode) / median(
                        results, name, size, query, mode
                    )
                    what = f"{query}, {mode} association, {size:,} steps: best peer ÷ {name}"
                    yield at_least(goal, what, threshold, ratio)
    for name in ours:
        for mode in ("new", "kept"):
            ratio = best(results, shipped, 100, "day", mode) / median(
                results, name, 100, "day", mode
            )
            what = f"day, {mode} association, 100 steps: best peer as shipped ÷ {name}"
            yield at_least(5, what, AS_SHIPPED, ratio)
    for name in ours:
        for cell, sample in results.items():
            if cell.name == name and cell.mode == "findscu":
                ratio = best(results, others, cell.size, "day", "findscu") / sample.median
                what = f"findscu, unmodified, {cell.size:,} steps: best peer ÷ {name}"
                yield at_least(6, what, FINDSCU, ratio)
                what = f"findscu, unmodified, {cell.size:,} steps: p99, {name}"
                yield at_most(6, what, FINDSCU_P99_MS, sample.percentile(0.99), milliseconds)
    for name in ours:
        for cell, sample in results.items():
            if cell.name == name and "clients" in cell.how:
                fastest = max(
                    (
                        found.rate
                        for other in others
                        if (found := results.get(Cell(other, cell.size, "day", "new", cell.how)))
                    ),
                    default=nan,
                )
                ratio = sample.rate / fastest if fastest else nan
                what = f"queries/s, day, {cell.how}, {cell.size:,} steps: {name} ÷ best peer"
                yield at_least(7, what, RATES[cell.size], ratio)


def _own_goals(
    results: Results, ours: list[str], names: list[str], scale: Scale, reference: int
) -> Iterator[Goal]:
    databases = {name: database for database, name in OURS.items()}
    has_floor = FLOOR in names  # the one in C, which the goals are about
    for name in ours:
        for mode, threshold in ABOVE_FLOOR[databases[name]].items():
            lowest = median(results, FLOOR, reference, "day", mode) if has_floor else nan
            ratio = median(results, name, reference, "day", mode) / lowest
            what = f"day, {mode} association, {reference:,} steps: {name} ÷ C replay"
            yield at_most(8, what, threshold, ratio)
    first, largest = grows_from(scale.sizes), scale.sizes[-1]
    for cell, sample in results.items():
        if cell.how == "growth" and cell.size == largest and cell.name in ours:
            small = median(results, cell.name, first, cell.query, cell.mode, "growth")
            what = f"{cell.query}, {cell.mode}: {cell.name}, p50 at {largest:,} ÷ {first:,} steps"
            yield at_most(9, what, GROWTH, sample.median / small)
    for name in ours:
        dates = median(results, name, largest, "by date", "kept")
        for query in ("prefix", "contains"):
            ratio = median(results, name, largest, query, "kept") / dates
            what = f"patient name, {query}, {largest:,} steps: {name} ÷ as many by date"
            if query == "contains" and databases[name] == "SQLite":
                # No index for it there, and no goal.
                yield Goal(10, what, "–", times(ratio), None)
            else:
                yield at_most(10, what, NAMES_ABOVE_DATES, ratio)
    for name in ours:
        rate = _matches_per_second(results, name, reference)
        what = f"matches/s on one association, {name}"
        yield at_least(11, what, MATCHES_PER_SECOND, rate, number)
        share = rate / _matches_per_second(results, FLOOR, reference) if has_floor else nan
        what = f"matches/s on one association, {name} ÷ C replay"
        yield at_least(11, what, SHARE_OF_FLOOR, share)


def _matches_per_second(results: Results, name: str, size: int) -> float:
    sample = results.get(Cell(name, size, "broad", "kept"))
    return sample.matches / sample.seconds if sample and sample.seconds else nan
