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
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import ris
from benchmarks.servers.ris import Part
from benchmarks.workspace import Workspace

CLIENTS = (1, 8)


def run(space: Workspace) -> Iterator[str]:
    steps: dict[int, Iterator[Item]] = {}

    def measure(case: Case, part: Part, seconds: float) -> Sample:
        return _perform(part, steps[part.port], case.connections, seconds)

    with ExitStack() as stack:
        cases = []
        for database in space.databases():
            site = space.site(database)
            site.fill(space.scale.performed)
            part = stack.enter_context(ris.part(site, "dicom"))
            steps[part.port] = items(space.scale.performed)
            _perform(part, steps[part.port], 1, 0)
            cases += [Case(database, f"RIS {database}", part, number) for number in CLIENTS]
        results = measured(space, cases, measure)
    yield "N-CREATE and N-SET of one step on an association of their own; floor: two commits."
    yield shares(results, "pairs", commits_each=2)
    yield from remarks((f"{case.name}, {case.connections}", sample) for case, sample in results)


def _perform(part: Part, steps: Iterator[Item], clients: int, seconds: float) -> Sample:
    return Load(
        part.port,
        lambda: MppsTalk(ris.AE_TITLE, part.port, steps),
        clients=clients,
        seconds=seconds,
        keep=False,
    ).run()
