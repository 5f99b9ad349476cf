"""Worklist queries: ours on both databases, the peers, and the floor, at each size.

Also measured: the rate with eight clients, and a client that leaves Nagle's algorithm on, as
DCMTK's programs do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.clients.worklist import QUERIES, WorklistTalk, expected, identifiers
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import peers, ris
from benchmarks.servers.replay import record
from benchmarks.servers.ris import Site, process, wait_for
from benchmarks.tables import number, table, times
from benchmarks.workspace import Workspace
from tests.running import accepts, clean_environment, free_ports

FLOOR = "floor"
OURS = {"SQLite": "RIS SQLite", "PostgreSQL": "RIS PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Target:
    """One server with a worklist of one size; a floor knows one query only."""

    name: str
    size: int
    port: int
    pid: int
    ae_title: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one table cell is about."""

    name: str
    size: int
    query: str
    mode: str


Results = dict[Cell, Sample]


def run(space: Workspace) -> Iterator[str]:
    """Measure everything; yields text for the report."""
    with ExitStack() as stack:
        targets = _start(space, stack)
        results: Results = {}
        for query in QUERIES:
            asked = [one for one in targets if one.query in {"", query}]
            _warm(asked, query)
            for mode in ("new", "kept"):
                results |= _measure(space, asked, query, mode)
        # Eight at a time, a peer with 10,000 steps would take half a minute for a slice.
        asked = [
            one
            for one in targets
            if one.query in {"", "day"}
            and (one.name in {FLOOR, *OURS.values()} or one.size <= 1_000)
        ]
        results |= _measure(space, asked, "day", "new, 8 clients", clients=8)
        results |= _measure(space, asked, "day", "new, Nagle", nagle=True)
    names = list(dict.fromkeys(target.name for target in targets))
    yield from _report(space, results, names)


# --- servers


def _start(space: Workspace, stack: ExitStack) -> list[Target]:
    scale = space.scale
    files = space.folder / "worklists"
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(peers.write_files, files, scale.peer_sizes)
        filling = {
            (database, size): pool.submit(_filled, space, database, size)
            for size in sorted(scale.sizes, reverse=True)
            for database in space.databases()
        }
        sites = {key: one.result() for key, one in filling.items()}
        writing.result()
    targets = []
    for database, size in product(space.databases(), scale.sizes):
        site = sites[database, size]
        part = stack.enter_context(ris.part(site, "dicom"))
        targets.append(Target(OURS[database], size, part.port, part.pid, ris.AE_TITLE))
    targets += _peers(files, scale.peer_sizes, stack)
    return targets + [
        _floor(space, stack, query, next(one for one in targets if one.size == scale.sizes[-1]))
        for query in QUERIES
    ]


def _filled(space: Workspace, database: str, size: int) -> Site:
    site = space.site(database)
    site.fill(size)
    return site


def _peers(files: Path, sizes: tuple[int, ...], stack: ExitStack) -> list[Target]:
    found: list[peers.Peer] = []
    for tuned in (False, True):
        if "wlmscpfs" in peers.installed():
            found += stack.enter_context(peers.wlmscpfs(files, sizes, tuned=tuned))
        if "orthanc" in peers.installed():
            found += [
                stack.enter_context(peers.orthanc(files, size, tuned=tuned)) for size in sizes
            ]
    return [Target(one.name, one.size, one.port, one.pid, one.ae_title) for one in found]


def _floor(space: Workspace, stack: ExitStack, query: str, ours: Target) -> Target:
    recording = space.folder / f"{query}.recording"
    record(ours.port, ours.ae_title, query, ours.size).save(recording)
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.servers.replay", str(port), str(recording)]
    environment = clean_environment(space.folder)
    log = space.folder / f"floor-{query}.log"
    running = stack.enter_context(process(command, environment, log))
    wait_for(lambda: accepts(port), running, "the floor", log)
    return Target(FLOOR, ours.size, port, running.pid, ours.ae_title, query)


# --- measuring


def _warm(targets: list[Target], query: str) -> None:
    """Once each: files are in memory, code is loaded, statements are known."""
    for target in targets:
        sample = _ask(target, query, identifiers(query, target.size), seconds=0, keep=False)
        if sample.failures:
            raise ris.BenchmarkError(f"{target.name}, {target.size} steps: {dict(sample.failures)}")


def _ask(
    target: Target,
    query: str,
    identifier: Callable[[], bytes],
    *,
    seconds: float,
    keep: bool,
    clients: int = 1,
    nagle: bool = False,
) -> Sample:
    return Load(
        target.port,
        lambda: WorklistTalk(target.ae_title, query, target.size, identifier),
        clients=clients,
        seconds=seconds,
        keep=keep,
        delay_small_writes=nagle,
    ).run()


def _measure(
    space: Workspace,
    targets: list[Target],
    query: str,
    mode: str,
    *,
    clients: int = 1,
    nagle: bool = False,
) -> Results:
    chosen = {target: identifiers(query, target.size) for target in targets}

    def ask(target: Target, seconds: float) -> Sample:
        return _ask(
            target,
            query,
            chosen[target],
            seconds=seconds,
            keep=mode == "kept",
            clients=clients,
            nagle=nagle,
        )

    samples = space.interleaved(targets, ask, lambda target: target.pid)
    return {
        Cell(target.name, target.size, query, mode): sample
        for target, sample in zip(targets, samples, strict=True)
    }


# --- report


def _report(space: Workspace, results: Results, names: list[str]) -> Iterator[str]:
    scale = space.scale
    others = [name for name in names if name not in OURS.values() and name != FLOOR]
    ours = [name for name in names if name in OURS.values()]
    columns = [FLOOR, *ours, *others]
    cells = [
        (query, mode, size) for query in QUERIES for mode in ("new", "kept") for size in scale.sizes
    ]

    yield "Latency of one client, ms, p50 (least). `new`: connect, associate, ask, release."
    yield table(
        ["query", "association", "steps", *columns],
        [
            [query, mode, f"{size:,}", *(_latency(results, name, *cell) for name in columns)]
            for cell in cells
            for query, mode, size in [cell]
        ],
    )
    yield "Ours in detail: one client."
    yield table(
        ["query", "association", "steps", "server", "queries/s", "p50", "p99", "CPU ms/query"],
        [
            [query, mode, f"{size:,}", name, *_details(results[Cell(name, size, query, mode)])]
            for query, mode, size in cells
            for name in ours
        ],
    )
    for mode, text in (
        ("new, 8 clients", "Queries per second, `day`, new associations, eight clients."),
        ("new, Nagle", "`day`, new, a client with Nagle's algorithm, ms, p50 (least)."),
    ):
        yield text
        yield table(
            ["steps", *columns],
            [
                [
                    f"{size:,}",
                    *(
                        _rate(results, name, mode, size)
                        if "8" in mode
                        else _latency(results, name, "day", mode, size)
                        for name in columns
                    ),
                ]
                for size in scale.sizes
            ],
        )
    if others:
        yield from _against_peers(results, scale.peer_sizes, ours, others)
    yield from _growth(results, scale.sizes, ours)
    yield from remarks(
        (f"{cell.name}, {cell.query}, {cell.mode}, {cell.size:,} steps", sample)
        for cell, sample in results.items()
    )


def _found(results: Results, name: str, query: str, mode: str, size: int) -> Sample | None:
    for cell, sample in results.items():
        if (cell.name, cell.query, cell.mode) != (name, query, mode):
            continue
        # The floor replays the same answer whatever the size of a worklist.
        same_answer = expected(query, cell.size) == expected(query, size)
        if cell.size == size or (name == FLOOR and same_answer):
            return sample
    return None


def _latency(results: Results, name: str, query: str, mode: str, size: int) -> str:
    sample = _found(results, name, query, mode, size)
    if sample is None or not sample.latencies:
        return "–"
    return f"{number(sample.median)} ({number(sample.least)})"


def _rate(results: Results, name: str, mode: str, size: int) -> str:
    sample = _found(results, name, "day", mode, size)
    return number(sample.rate) if sample else "–"


def _details(sample: Sample) -> list[str]:
    figures = (sample.rate, sample.median, sample.percentile(0.99), sample.server_ms)
    return [number(figure) for figure in figures]


def _against_peers(
    results: Results, sizes: tuple[int, ...], ours: list[str], others: list[str]
) -> Iterator[str]:
    shipped = [name for name in others if "tuned" not in name]
    rows = []
    for query in QUERIES:
        for mode in ("new", "kept"):
            for size in sizes:
                row = [query, mode, f"{size:,}"]
                for ours_name in ours:
                    mine = results[Cell(ours_name, size, query, mode)].median
                    for group in (shipped, others):
                        best = min(results[Cell(name, size, query, mode)].median for name in group)
                        row.append(times(best / mine))
                rows.append(row)
    yield "The best peer's p50 divided by ours; above 1 we are ahead."
    heads = [f"{name}, {how}" for name in ours for how in ("as shipped", "tuned")]
    yield table(["query", "association", "steps", *heads], rows)
    if 1_000 in sizes:
        for ours_name in ours:
            mine = results[Cell(ours_name, 1_000, "day", "new")].median
            best = min(results[Cell(name, 1_000, "day", "new")].median for name in others)
            verdict = "holds" if mine < best else "DOES NOT HOLD"
            yield (
                f"Claim, {ours_name}: a day's list on a new association is ahead of every peer "
                f"and setting at 1,000 steps: {verdict} ({times(best / mine)})."
            )


def _growth(results: Results, sizes: tuple[int, ...], ours: list[str]) -> Iterator[str]:
    first, last = (1_000, sizes[-1]) if 1_000 in sizes[:-1] else (sizes[0], sizes[-1])
    rows = []
    worst: dict[tuple[str, str], float] = {}
    for query in QUERIES:
        if expected(query, first) != expected(query, last):
            continue
        for mode in ("new", "kept"):
            row = [query, mode]
            for name in ours:
                small = results[Cell(name, first, query, mode)]
                large = results[Cell(name, last, query, mode)]
                row += [times(large.median / small.median), times(large.least / small.least)]
                growth = large.median / small.median
                worst[name, query] = max(worst.get((name, query), 0.0), growth)
            rows.append(row)
    yield f"Growth from {first:,} to {last:,} steps."
    heads = [f"{name}, {what}" for name in ours for what in ("p50", "least")]
    yield table(["query", "association", *heads], rows)
    for name in ours:
        verdict = "holds" if worst[name, "day"] <= 1.3 else "DOES NOT HOLD"
        yield (
            f"Claim, {name}: a day's list grows by at most x1.3: {verdict} "
            f"({times(worst[name, 'day'])})."
        )
