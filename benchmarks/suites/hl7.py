"""HL7 v2 orders over MLLP: stored, applied and acknowledged per second, beside the commit floor.

Each message is a new order of a new patient with a time of its own, so each goes the whole way:
inbox, patient, order, booking, events, audit, one commit, AA. Beside it runs a plain pipeline of
hl7apy and Django's ORM, which stores and applies the same orders and does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count

from benchmarks import machine
from benchmarks.clients.mllp import MllpTalk
from benchmarks.dataset import Item, new_item
from benchmarks.floors import Case, measured, rates_of_floors, shares
from benchmarks.goals import Goal, at_least, at_most, milliseconds, percent
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import pipeline, ris
from benchmarks.servers.ris import Part
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace

CONNECTIONS = (1, 8, 32)
# Goal 15: share of the commit rate of the same database.
SHARES = {
    ("SQLite", 1): 0.12,
    ("SQLite", 8): 0.35,
    ("SQLite", 32): 0.45,
    ("PostgreSQL", 1): 0.20,
    ("PostgreSQL", 8): 0.45,
    ("PostgreSQL", 32): 0.45,
}
RATES = {("PostgreSQL", 1): 700, ("PostgreSQL", 8): 1500}  # goal 16
SLOWEST_MS = 20  # goal 16: p99 with 8 connections
PIPELINE = 10  # goal 17: times the plain pipeline, 1 connection
SIZES = ((1024, CONNECTIONS), (20 * 1024, CONNECTIONS), (10 * 1024 * 1024, (1, 8)))
_ROUNDS = 2  # times those of others: 32 connections need a while to settle


def run(space: Workspace) -> Iterator[str | Goal]:
    orders = map(new_item, count(1))

    def measure(case: Case, part: Part, seconds: float) -> Sample:
        return send(part, orders, case.connections, seconds)

    with ExitStack() as stack:
        cases, parts = [], {}
        for database in space.databases():
            site = space.site(database)
            site.fill(space.scale.requests)
            part = parts[database] = stack.enter_context(ris.part(site, "mllp"))
            plain = stack.enter_context(pipeline.running(space, database))
            for server in (part, plain):
                send(server, orders, 8, 0)  # code is loaded, statements are known
            cases += [Case(database, f"RIS {database}", part, number) for number in CONNECTIONS]
            cases.append(Case(database, f"hl7apy and ORM, {database}", plain, 1))
        results = measured(space, cases, measure, rounds(space))
        yield "Stored, applied and acknowledged (AA), 1 kB; one message in flight per connection."
        yield shares(results, "messages")
        yield from _goals(results)
        yield from remarks((f"{case.name}, {case.connections}", sample) for case, sample in results)
        yield "Longer messages, and the memory of the listener after them:"
        yield _sizes(space, parts, orders)


def rounds(space: Workspace) -> int:
    return _ROUNDS * space.scale.rounds if space.scale.rounds > 1 else 1


def _goals(results: Sequence[tuple[Case, Sample]]) -> Iterator[Goal]:
    floors = rates_of_floors(results)
    samples = {(case.name, case.connections): sample for case, sample in results}
    for database, floor in floors.items():
        for connections in CONNECTIONS:
            ours = samples.get((f"RIS {database}", connections))
            if ours is None:
                continue
            share = ours.rate / floor if floor else float("nan")
            said = f"HL7 orders, connections: {connections}, {database}"
            goal = SHARES[database, connections]
            yield at_least(15, f"{said}: share of its commit rate", goal, share, percent)
            if (database, connections) in RATES:
                rate = RATES[database, connections]
                yield at_least(16, f"{said}: messages per second", rate, ours.rate, number)
            if connections == 8:
                slowest = ours.percentile(0.99)
                yield at_most(16, f"{said}: p99", SLOWEST_MS, slowest, milliseconds)
        ours = samples.get((f"RIS {database}", 1))
        plain = samples.get((f"hl7apy and ORM, {database}", 1))
        if ours is not None and plain is not None and plain.rate:
            what = f"HL7 orders, 1 connection: RIS {database} ÷ hl7apy and ORM"
            yield at_least(17, what, PIPELINE, ours.rate / plain.rate)


def _sizes(space: Workspace, parts: dict[str, Part], orders: Iterator[Item]) -> str:
    rows = []
    for database, part in parts.items():
        for length, connections in SIZES if space.scale.rounds > 1 else SIZES[:2]:
            for clients in connections if space.scale.rounds > 1 else connections[:1]:
                sample = send(part, orders, clients, 2 * space.scale.slice_seconds, length)
                row = [database, f"{length // 1024:,}", f"{clients}", number(sample.rate)]
                row += [number(sample.median), number(sample.percentile(0.99))]
                row += [number(sample.rate * length / 1e6)]
                row += [", ".join(sample.failures) or "–"]
                rows.append([*row, number(machine.memory(part.pid).resident)])
    heads = ["", "KiB", "connections", "messages/s", "p50 ms", "p99", "MB/s", "wrong", "RSS MiB"]
    return table(heads, rows)


def send(
    part: Part, orders: Iterator[Item], connections: int, seconds: float, length: int = 1024
) -> Sample:
    return Load(
        part.port,
        lambda: MllpTalk(orders, length),
        clients=connections,
        seconds=seconds,
        keep=True,
    ).run()
