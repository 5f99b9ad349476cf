"""Worklist queries: ours on both databases, the peers, and the floor, at each size.

Size by size, so that the servers of one size are compared in turns. What the goals need is
measured; what would only take long (a peer with 10,000 steps needs half a second for a query) is
not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.clients import findscu
from benchmarks.clients.worklist import (
    ANEW,
    NAMES,
    QUERIES,
    WorklistTalk,
    each_number,
    expected,
    identifiers,
)
from benchmarks.goals import Goal
from benchmarks.load import Load, Sample
from benchmarks.servers import peers, ris
from benchmarks.servers.floor import floor
from benchmarks.servers.ris import Site
from benchmarks.servers.writer import writing
from benchmarks.suites.worklist_report import report
from benchmarks.suites.worklist_results import FLOOR, OURS, Cell, Results, grows_from
from benchmarks.workspace import Workspace

T = TypeVar("T")

# What the goals compare with the peers: query and association.
COMPARED = (("day", "new"), ("day", "kept"), ("single", "new"), ("broad", "new"))
CLIENTS = (8, 32)
_SLOW = 50_000  # steps from which a peer takes seconds: one slice is enough
_KNOWN = 200  # numbers asked for where worklists of different sizes are compared
_FINDSCU_TIMES = 14  # in each round; a few show that it runs


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One server with a worklist of one size; a floor knows one query only."""

    name: str
    size: int
    port: int
    pid: int
    ae_title: str
    query: str = ""
    site: Site | None = None


def run(space: Workspace) -> Iterator[str | Goal]:
    """Measure everything; yields text and goals for the report."""
    results: Results = {}
    sizes = space.scale.sizes
    with ExitStack() as stack:
        ours, others = _start(space, stack)
        reference = 1_000 if 1_000 in sizes else sizes[-1]
        floors = _floors(space, stack, _of(ours, reference))
        first, largest = grows_from(sizes), sizes[-1]
        for target in [*ours, *others]:
            _warm(space, target)
        space.tell("servers asked once")
        for size in space.scale.peer_sizes:
            asked = [*(floors if size == reference else []), *_of(ours, size), *_of(others, size)]
            for query, mode in COMPARED:
                results |= _measure(space, asked, query, mode)
            space.tell(f"{size:,} steps beside the peers")
        near = [*floors, *_of(ours, reference)]
        results |= _measure(space, near, "broad", "kept")
        results |= _measure(space, near, "single", "kept")
        both = [*_of(ours, first), *_of(ours, largest)]
        among = min(first, _KNOWN)
        for target in both:
            _make_known(target, among)
        for query in (*QUERIES, ANEW):
            if expected(query, first) != expected(query, largest):
                continue
            for mode in ("new", "kept"):
                results |= _measure(space, both, query, mode, label="growth", among=among)
        for query in NAMES:
            results |= _measure(space, _of(ours, largest), query, "kept")
        results |= _written_meanwhile(space, _of(ours, reference))
        space.tell("ours alone")
        if findscu.installed():
            for target in [*_of(ours, reference), *_of(others, reference)]:
                rounds = space.scale.rounds
                times = _FINDSCU_TIMES * rounds if rounds > 1 else 3
                sample = findscu.ask(space.folder, target.port, target.ae_title, target.size, times)
                results[Cell(target.name, target.size, "day", "findscu")] = sample
            space.tell("findscu")
        for size in [one for one in (100, 1_000, 10_000) if one in space.scale.peer_sizes]:
            asked = [*_of(ours, size), *_of(others, size)]
            for clients in CLIENTS[: space.scale.rounds]:
                results |= _measure(space, asked, "day", "new", clients=clients, rounds=1)
                space.tell(f"{size:,} steps, {clients} clients")
    names = list(dict.fromkeys(target.name for target in [*floors, *ours, *others]))
    yield from report(results, names, space.scale, reference)


def _of(targets: Iterable[Target], size: int) -> list[Target]:
    return [target for target in targets if target.size == size]


# --- servers


def _start(space: Workspace, stack: ExitStack) -> tuple[list[Target], list[Target]]:
    """Ours and the peers, each at each size."""
    scale = space.scale
    files = space.folder / "worklists"
    with ThreadPoolExecutor(max_workers=3) as pool:
        filling = {
            (database, size): pool.submit(_filled, space, database, size)
            for size in sorted(scale.sizes, reverse=True)
            for database in space.databases()
        }
        writing_files = pool.submit(peers.write_files, files, scale.peer_sizes)
        sites = {key: one.result() for key, one in filling.items()}
        writing_files.result()
    space.tell("databases and files filled")
    ours = []
    for size in scale.sizes:
        for database in space.databases():
            site = sites[database, size]
            part = _started(stack, partial(ris.part, site, "dicom"))
            ours.append(Target(OURS[database], size, part.port, part.pid, ris.AE_TITLE, site=site))
    found = _peers(files, scale.peer_sizes, stack)
    space.tell("servers started")
    return ours, found


def _started(stack: ExitStack, start: Callable[[], AbstractContextManager[T]]) -> T:
    """Once more if somebody took the port between our look and its use."""
    for _ in range(2):
        with suppress(ris.BenchmarkError):
            return stack.enter_context(start())
    return stack.enter_context(start())


def _filled(space: Workspace, database: str, size: int) -> Site:
    site = space.site(database)
    site.fill(size)
    return site


def _peers(files: Path, sizes: tuple[int, ...], stack: ExitStack) -> list[Target]:
    found: list[peers.Peer] = []
    for tuned in (False, True):
        if "wlmscpfs" in peers.installed():
            found += _started(stack, partial(peers.wlmscpfs, files, sizes, tuned=tuned))
        if "orthanc" in peers.installed():
            found += [
                _started(stack, partial(peers.orthanc, files, size, tuned=tuned)) for size in sizes
            ]
    return [Target(one.name, one.size, one.port, one.pid, one.ae_title) for one in found]


def _floors(space: Workspace, stack: ExitStack, ours: Sequence[Target]) -> list[Target]:
    """A replay of each query's answer, as our first listener gives it."""
    told = ours[0]
    found = []
    for query in QUERIES:
        running = stack.enter_context(
            floor(space.folder, told.port, told.ae_title, query, told.size)
        )
        name = FLOOR if running.is_c else f"{FLOOR} (Python)"
        found.append(Target(name, told.size, running.port, running.pid, told.ae_title, query))
    return found


# --- measuring


def _warm(space: Workspace, target: Target) -> None:
    """Files are in memory, code is loaded, statements are known."""
    ours = target.name in OURS.values()
    for query in QUERIES if ours else ("day",):
        seconds = 0.2 * space.scale.slice_seconds if ours else 0.0
        _ask(target, query, identifiers(query, target.size), seconds=seconds, keep=False)


def _make_known(target: Target, among: int) -> None:
    """Every answer of the queries that are compared was given twice, however many steps there are.

    The smaller of two worklists was asked for most of them before, which says nothing of its size.
    """
    for query in QUERIES:
        if query != "single":
            _ask(target, query, identifiers(query, target.size), seconds=0.2, keep=True)
    asked = 0
    each = each_number(among)
    for _ in range(200):
        asked += len(_ask(target, "single", each, seconds=0.1, keep=True).latencies)
        if asked > 2 * among:
            return


def _ask(
    target: Target,
    query: str,
    identifier: Callable[[], bytes],
    *,
    seconds: float,
    keep: bool,
    clients: int = 1,
) -> Sample:
    talks: list[WorklistTalk] = []

    def talk() -> WorklistTalk:
        talks.append(WorklistTalk(target.ae_title, query, target.size, identifier))
        return talks[-1]

    sample = Load(target.port, talk, clients=clients, seconds=seconds, keep=keep).run()
    sample.matches = sum(one.found for one in talks)
    if sample.failures and not sample.latencies:
        raise ris.BenchmarkError(f"{target.name}, {target.size} steps: {dict(sample.failures)}")
    return sample


def _measure(
    space: Workspace,
    targets: Sequence[Target],
    query: str,
    mode: str,
    *,
    clients: int = 1,
    rounds: int | None = None,
    label: str = "",
    among: int = 0,
) -> Results:
    asked = [target for target in targets if target.query in {"", query}]
    if any(target.size >= _SLOW and target.name not in OURS.values() for target in asked):
        rounds = 1
    chosen = {target: identifiers(query, target.size, among) for target in asked}

    def ask(target: Target, seconds: float) -> Sample:
        return _ask(
            target, query, chosen[target], seconds=seconds, keep=mode == "kept", clients=clients
        )

    samples = space.interleaved(asked, ask, lambda target: target.pid, rounds)
    how = label or (f"{clients} clients" if clients > 1 else "")
    return {
        Cell(target.name, target.size, query, mode, how): sample
        for target, sample in zip(asked, samples, strict=True)
    }


def _written_meanwhile(space: Workspace, targets: Sequence[Target]) -> Results:
    """While another process commits all the time, so that no answer can be given again."""
    found: Results = {}
    for target in targets:
        assert target.site is not None
        with writing(target.site):
            for mode in ("new", "kept"):
                found |= _measure(space, [target], "day", mode, label="written meanwhile")
    return found
