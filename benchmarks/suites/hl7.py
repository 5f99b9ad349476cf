"""HL7 v2 orders over MLLP: stored, applied and acknowledged per second, beside the commit floor.

Each message is a new order of a new patient with a time of its own, so each goes the whole way:
inbox, patient, order, booking, events, audit, one commit, AA.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

from benchmarks.clients.mllp import MllpTalk
from benchmarks.dataset import Item, new_item
from benchmarks.floors import Case, measured, shares
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import ris
from benchmarks.servers.ris import Part
from benchmarks.workspace import Workspace

CONNECTIONS = (1, 8)


def run(space: Workspace) -> Iterator[str]:
    orders = map(new_item, count(1))

    def measure(case: Case, part: Part, seconds: float) -> Sample:
        return _send(part, orders, case.connections, seconds)

    with ExitStack() as stack:
        cases = []
        for database in space.databases():
            site = space.site(database)
            site.fill(space.scale.requests)
            part = stack.enter_context(ris.part(site, "mllp"))
            _send(part, orders, 1, 0)  # code is loaded, statements are known
            cases += [Case(database, f"RIS {database}", part, number) for number in CONNECTIONS]
        results = measured(space, cases, measure)
    yield "Stored, applied and acknowledged (AA); one message in flight per connection."
    yield shares(results, "messages")
    yield from remarks((f"{case.name}, {case.connections}", sample) for case, sample in results)


def _send(part: Part, orders: Iterator[Item], connections: int, seconds: float) -> Sample:
    return Load(
        part.port, lambda: MllpTalk(orders), clients=connections, seconds=seconds, keep=True
    ).run()
