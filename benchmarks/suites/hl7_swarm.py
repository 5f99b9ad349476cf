"""An MLLP listener among senders that stall or send documents: what an honest one feels of it.

Hundreds of half frames and of half TLS hellos stand beside a sender whose orders are stored,
applied and acknowledged, and so do messages of ten megabytes; each crowd is compared with the quiet
right before and after (reliability R17, spec B5).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from benchmarks.clients.mllp import MllpTalk
from benchmarks.dataset import Item, new_item
from benchmarks.goals import Goal, at_most, milliseconds
from benchmarks.load import Load, Sample
from benchmarks.machine import memory
from benchmarks.servers import ris
from benchmarks.servers.ris import Part
from benchmarks.tables import number, table, times
from benchmarks.workspace import Workspace
from tests.running import free_ports
from tests.swarm.clients import HALF_HELLO
from tests.wire.mllp_certificates import Authority

_HALF_FRAME = b"\x0bMSH|^~\\&|HIS|"
_PER_ADDRESS = 50
_ROUNDS = 4
_LONG = 10 * 1024 * 1024
_R17 = 1.25
_DELAY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many connections that say the same, or so many senders of long messages."""

    name: str
    count: int
    says: bytes = b""
    tls: bool = False


CROWDS = (
    Crowd("nobody else", 0),
    Crowd("half frames", 500, _HALF_FRAME),
    Crowd("half TLS hellos", 500, HALF_HELLO, tls=True),
    Crowd("sender of 10 MB", 1),
)


@dataclass(slots=True)
class Felt:
    """What was measured beside one crowd, and right before and after it without."""

    quiet: Sample = field(default_factory=Sample)
    sample: Sample = field(default_factory=Sample)
    megabytes: list[float] = field(default_factory=list)


def run(space: Workspace) -> Iterator[str | Goal]:
    folder = space.folder / "mllp-certificates"
    folder.mkdir()
    Authority(folder).certify("ris")
    orders = map(new_item, count(1))
    whole = space.scale.slice_seconds > 0.1
    for database in space.databases():
        site = space.site(database)
        site.fill(space.scale.requests)
        (tls_port,) = free_ports(1)
        settings = {
            "RIS_MLLP__TLS_PORT": str(tls_port),
            "RIS_MLLP__TLS_CERT": str(folder / "ris.pem"),
            "RIS_MLLP__TLS_KEY": str(folder / "ris.key"),
            "RIS_MLLP__CONNECTIONS": "2000",
        }
        with ris.part(site, "mllp", **settings) as part:
            _send(part, orders, 0.1)
            felt: dict[Crowd, Felt] = {crowd: Felt() for crowd in CROWDS}
            for turn in range(_ROUNDS if whole else 1):
                for place in range(len(CROWDS)):
                    crowd = CROWDS[(place + turn) % len(CROWDS)]
                    _beside(crowd, felt[crowd], part, tls_port, orders, space.scale.slice_seconds)
        yield f"### {database}"
        yield _told(felt)
        yield from _goals(felt, database)


def _beside(
    crowd: Crowd, felt: Felt, part: Part, tls_port: int, orders: Iterator[Item], seconds: float
) -> None:
    felt.quiet.add(_send(part, orders, 3 * seconds))
    before = memory(part.pid).resident
    with _gathered(crowd, part.port, tls_port, orders):
        felt.megabytes.append(memory(part.pid).resident - before)
        felt.sample.add(_send(part, orders, 6 * seconds))
    felt.quiet.add(_send(part, orders, 3 * seconds))


def _send(part: Part, orders: Iterator[Item], seconds: float) -> Sample:
    return Load(part.port, lambda: MllpTalk(orders), seconds=seconds, keep=True).run()


@contextmanager
def _gathered(crowd: Crowd, port: int, tls_port: int, orders: Iterator[Item]) -> Iterator[None]:
    if not crowd.says:
        with _documents(crowd.count, port, orders):
            yield
        return
    with ExitStack() as stack:
        for place in range(crowd.count):
            source = f"127.2.{place // _PER_ADDRESS}.1"
            client = stack.enter_context(
                socket.create_connection(
                    ("127.0.0.1", tls_port if crowd.tls else port), 10, source_address=(source, 0)
                )
            )
            client.sendall(crowd.says)
        yield


@contextmanager
def _documents(senders: int, port: int, orders: Iterator[Item]) -> Iterator[None]:
    """Senders of long messages, one after the other, until the end."""
    ended = threading.Event()
    messages = [MllpTalk(orders, _LONG).request() for _ in range(senders)]

    def work(message: bytes) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as client:
            while not ended.is_set():
                client.sendall(message)  # the same again: read and looked up, not applied
                if not client.recv(65_536):
                    return

    threads = [threading.Thread(target=work, args=(message,), daemon=True) for message in messages]
    for thread in threads:
        thread.start()
    if threads:
        time.sleep(0.2)  # the first of them is under way
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)


def _told(felt: dict[Crowd, Felt]) -> str:
    rows = []
    for crowd, one in felt.items():
        rows.append(
            [
                f"{crowd.count or ''} {crowd.name}".strip(),
                number(one.sample.median),
                number(one.sample.percentile(0.99)),
                times(one.sample.median / one.quiet.median),
                times(one.sample.percentile(0.99) / one.quiet.percentile(0.99)),
                number(one.sample.percentile(1)),
                f"{one.sample.failures.total()}",
                f"{max(one.megabytes):+.1f}",
            ]
        )
    heads = ["beside", "p50 ms", "p99 ms", "p50", "p99", "slowest ms", "failed", "MiB"]
    return (
        "Orders of one sender, stored, applied and acknowledged, beside a crowd. Goals: p99 at "
        "most x1.25 of quiet beside half frames and half hellos, none failed; nobody delayed by a "
        "second beside messages of 10 MB.\n\n" + table(heads, rows)
    )


def _goals(felt: dict[Crowd, Felt], database: str) -> Iterator[Goal]:
    for crowd, one in felt.items():
        who = f"RIS {database} beside {crowd.count} {crowd.name}"
        if crowd.says:
            ratio = one.sample.percentile(0.99) / one.quiet.percentile(0.99)
            yield at_most(16, f"{who}: p99 ÷ quiet (R17)", _R17, ratio)
        elif crowd.count:
            slowest = one.sample.percentile(1)
            yield at_most(16, f"{who}: slowest (B5)", _DELAY_MS, slowest, milliseconds)
