"""Performed procedure steps: pairs of N-CREATE and N-SET per second, beside the commit floor.

Each pair performs a scheduled step that was not performed before, from IN PROGRESS to COMPLETED:
two commits, so half the commit rate is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.clients.mpps import MppsTalk
from benchmarks.dataset import Item, items
from benchmarks.floors import Case, measured, shares
from benchmarks.goals import Goal, at_least
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import ris, stock
from benchmarks.servers.ris import Part
from benchmarks.workspace import Workspace

CLIENTS = (1, 8)
# Goal 14: pairs per second against a plain pynetdicom manager on the same database.
STOCK = {("SQLite", 1): 5, ("SQLite", 8): 8, ("PostgreSQL", 1): 3, ("PostgreSQL", 8): 3}


def run(space: Workspace) -> Iterator[str | Goal]:
    steps: dict[int, Iterator[Item]] = {}

    def measure(case: Case, part: Part, seconds: float) -> Sample:
        title = ris.AE_TITLE if case.name.startswith("RIS") else stock.AE_TITLE
        return _perform(part, title, steps[part.port], case.connections, seconds)

    with ExitStack() as stack:
        cases = []
        for database in space.databases():
            site = space.site(database)
            site.fill(space.scale.performed)
            part = stack.enter_context(ris.part(site, "dicom"))
            steps[part.port] = items(space.scale.performed)
            _perform(part, ris.AE_TITLE, steps[part.port], 1, 0)
            cases += [Case(database, f"RIS {database}", part, number) for number in CLIENTS]
            plain = stack.enter_context(stock.running(space, database, space.scale.performed))
            steps[plain.port] = items(space.scale.performed)
            name = f"pynetdicom {database}"
            cases += [Case(database, name, plain, number) for number in CLIENTS]
        results = measured(space, cases, measure)
    yield "N-CREATE and N-SET of one step on an association of their own; floor: two commits."
    yield shares(results, "pairs", commits_each=2)
    rates = {(case.name, case.connections): sample.rate for case, sample in results}
    for (database, clients), threshold in STOCK.items():
        ours = rates.get((f"RIS {database}", clients))
        plain_rate = rates.get((f"pynetdicom {database}", clients))
        if ours is not None and plain_rate:
            what = f"MPPS pairs/s, {clients} clients: RIS {database} ÷ plain pynetdicom manager"
            yield at_least(14, what, threshold, ours / plain_rate)
    yield from remarks((f"{case.name}, {case.connections}", sample) for case, sample in results)


def _perform(part: Part, title: str, steps: Iterator[Item], clients: int, seconds: float) -> Sample:
    return Load(
        part.port,
        lambda: MppsTalk(title, part.port, steps),
        clients=clients,
        seconds=seconds,
        keep=False,
    ).run()
