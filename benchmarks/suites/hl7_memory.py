"""The memory of the HL7 listener over a hundred thousand orders: what is not given back shows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from benchmarks import machine
from benchmarks.dataset import new_item
from benchmarks.goals import Goal, at_most
from benchmarks.servers import ris
from benchmarks.suites.hl7 import send
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace

MESSAGES = 100_000
_QUICK = 200
_CONNECTIONS = 8
_MOST_GROWTH = 1.1  # from a tenth of the messages to all of them


def run(space: Workspace) -> Iterator[str | Goal]:
    total = MESSAGES if space.scale.rounds > 1 else _QUICK
    site = space.site("SQLite")
    orders = map(new_item, count(1))
    marks: list[tuple[int, float, float]] = []  # messages, RSS, messages per second since
    with ris.part(site, "mllp") as part:
        sent = 0
        while sent < total:
            before, seconds = sent, 0.0
            while sent < before + total / 10:
                sample = send(part, orders, _CONNECTIONS, min(5.0, total / 400))
                sent += len(sample.latencies)
                seconds += sample.seconds
            marks.append((sent, machine.memory(part.pid).resident, (sent - before) / seconds))
    yield f"Orders of 1 kB over {_CONNECTIONS} connections, SQLite:"
    rows = [[f"{messages:,}", number(memory), number(rate)] for messages, memory, rate in marks]
    yield table(["messages", "RSS MiB", "messages/s"], rows)
    growth = marks[-1][1] / marks[0][1]
    what = "HL7 listener: memory after all messages ÷ after a tenth of them"
    yield at_most(20, what, _MOST_GROWTH, growth)
