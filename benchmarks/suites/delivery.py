"""What leaves: how fast a full queue empties, and what a peer that hangs costs the others.

The queue is filled while the peer is down, then the worker starts; a message costs two commits (the
lease and the outcome) and a round trip. Beside a black hole, messages that come one by one are
followed from their commit to their receiver; the bell rings through the folder that is the broker
of a small site. Order and repeats are counted by the receiver.
"""

from __future__ import annotations

import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.goals import Goal, at_least, at_most
from benchmarks.servers.ris import BenchmarkError, Site, process, wait_for
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace
from tests.running import ROOT, accepts, free_ports

LANES = 500
_PATIENCE = 300.0
RATE = 200.0  # messages per second to one destination (reliability R5)
NEIGHBOR = 1.1  # p99 of others beside a black hole (R6)


def run(space: Workspace) -> Iterator[str | Goal]:
    count = space.scale.requests
    rows, goals = [], []
    for database in space.databases():
        received, seconds = _drained(space, database, count)
        rate = len(received) / seconds
        wrong, again = _disorder(received)
        rows.append([database, f"{count:,}", number(rate), str(wrong), str(again)])
        goals.append(at_least(23, f"Queue to one peer, messages/s, {database}", RATE, rate, number))
        goals.append(at_most(23, f"The same, out of order, {database}", 0, wrong, number))
        space.tell(f"a queue on {database}")
    yield "A queue found when a peer comes back: each message leased, sent, acknowledged, noted."
    yield table(["database", "queued", "messages/s", "out of order", "repeated"], rows)
    rows = []
    for database in space.databases():
        alone, beside = _neighbors(space, database)
        rows.append(
            [database, *(f"{1000 * _at(each, share):.1f}" for each in (alone, beside)
             for share in (0.5, 0.99))]
        )  # fmt: skip
        ratio = _at(beside, 0.99) / _at(alone, 0.99)
        goals.append(at_most(24, f"p99 beside a black hole ÷ alone, {database}", NEIGHBOR, ratio))
        space.tell(f"neighbors on {database}")
    yield "From commit to receiver, ms, one message every 50 ms; beside: another peer hangs."
    yield table(["database", "p50 alone", "p99 alone", "p50 beside", "p99 beside"], rows)
    yield from goals


# --- a full queue


def _drained(space: Workspace, database: str, count: int) -> tuple[list[list[str]], float]:
    site = space.site(database)
    (port,) = free_ports(1)
    _queued(site, "PEER", port, count, LANES, 0)
    log = site.folder / "received"
    with _receiver(site, port, log), _worker(site):
        _until(partial(_has, log, count), "the queue to empty")
    received = [line.split() for line in log.read_text().splitlines()]
    return received, float(received[-1][0]) - float(received[0][0])


def _disorder(received: list[list[str]]) -> tuple[int, int]:
    """How many messages overtook an earlier one of their lane, and how many came again."""
    lanes: dict[str, int] = defaultdict(lambda: -1)
    wrong, seen = 0, set()
    for _, control_id, lane, said, _ in received:
        wrong += int(said) < lanes[lane]
        lanes[lane] = max(lanes[lane], int(said))
        seen.add(control_id)
    return wrong, len(received) - len(seen)


# --- neighbors


def _neighbors(space: Workspace, database: str) -> tuple[list[float], list[float]]:
    """Latencies of a peer that is well, alone and beside one that swallows everything, in turns."""
    site = space.site(database)
    port, hole_port = free_ports(2)
    log = site.folder / "received"
    seconds = max(1, round(20 * space.scale.slice_seconds))
    count = 20 * seconds
    _queued(site, "WELL", port, 1, 1, 0)
    samples: list[list[float]] = [[], []]
    with _receiver(site, port, log), _worker(site):
        _until(partial(_has, log, 1), "the first message")
        turns = 2 * space.scale.rounds
        for turn in range(turns):
            beside, all_in_all = turn % 2, 1 + (turn + 1) * count
            hole = f"HOLE{turn}"
            with _hole(hole_port):
                if beside:
                    _queued(site, hole, hole_port, 200, 200, 0)
                _queued(site, "WELL", port, count, LANES, seconds)
                _until(partial(_has, log, all_in_all), "the messages of a turn")
            if beside and turn + 1 < turns:
                site.ris("shell", "-c", _PAUSE.format(hole))
            samples[beside] += [
                float(came) - float(stamp)
                for came, _, _, _, stamp in map(str.split, log.read_text().splitlines()[-count:])
            ]
    return samples[0], samples[1]


_PAUSE = (
    "from ris.domain.actors import OPERATOR\n"
    "from ris.domain.exchange import PauseEndpoint\n"
    "from ris.models import Endpoint\n"
    "from ris.services import execute\n"
    "key = str(Endpoint.objects.get(name='{}').public_id)\n"
    "execute(PauseEndpoint(endpoint=key, paused=True), actor=OPERATOR)"
)


@contextmanager
def _hole(port: int) -> Iterator[None]:
    """Connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", port), backlog=64):
        yield


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- processes


def _queued(site: Site, name: str, *numbers: int) -> None:
    arguments = [sys.executable, "-m", "benchmarks.queued", name, *map(str, numbers)]
    log = site.folder / "queued.log"
    with process(arguments, site.environment, log) as running:
        if running.wait(_PATIENCE):
            raise BenchmarkError(log.read_text(errors="replace")[-2000:])


@contextmanager
def _receiver(site: Site, port: int, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.servers.receiver", str(port), str(log)]
    errors = site.folder / "receiver.log"
    with process(command, site.environment, errors) as running:
        wait_for(lambda: accepts(port), running, "the receiver", errors)
        yield


@contextmanager
def _worker(site: Site) -> Iterator[None]:
    command = [sys.executable, str(ROOT / "manage.py"), "run", "worker"]
    with process(command, site.environment, site.folder / "worker.log"):
        yield


def _has(log: Path, lines: int) -> bool:
    return _lines(log) >= lines


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise BenchmarkError(f"waited in vain for {what}")
        time.sleep(0.02)
