"""A thousand connects a second from one address: what honest scanners feel of it (R19)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.load import Sample
from benchmarks.servers.ris import Part
from benchmarks.tables import number, table, times
from tests.running import ROOT

_RATE = 1_000
_SETTLE_SECONDS = 0.3

Ask = Callable[[int, float], Sample]


def flooded(part: Part, ask: Ask, seconds: float, rounds: int) -> str:
    """The day's list of an honest scanner in the flood, and right before and after it."""
    quiet, sample, made, ended = Sample(), Sample(), 0, 0
    lasted = 0.0
    for _ in range(rounds):
        quiet.add(ask(part.port, 2 * seconds))
        began = time.monotonic()
        with _flood(part.port) as told:
            time.sleep(min(_SETTLE_SECONDS, seconds))
            sample.add(ask(part.port, 4 * seconds))
        lasted += time.monotonic() - began
        made, ended = made + told[0], ended + told[1]
        quiet.add(ask(part.port, 2 * seconds))
    rows = [
        [
            number(made / lasted),
            f"{100 * ended / max(made, 1):.0f} %",
            number(sample.median),
            number(sample.percentile(0.99)),
            times(sample.median / quiet.median),
            times(sample.percentile(0.99) / quiet.percentile(0.99)),
            f"{sample.failures.total()}",
        ]
    ]
    heads = ["connects/s", "ended by us", "p50 ms", "p99 ms", "p50", "p99", "failed"]
    return (
        "A day's list on a new association while another address connects and says next to "
        "nothing. Goal: p99 at most x1.5 of quiet, none failed.\n\n" + table(heads, rows)
    )


@contextmanager
def _flood(port: int) -> Iterator[list[int]]:
    command = [sys.executable, "-m", "benchmarks.clients.flood", str(port), str(_RATE)]
    told: list[int] = []
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield told
        finally:
            out, _ = running.communicate(timeout=30)
            told += [int(word) for word in out.split()]
