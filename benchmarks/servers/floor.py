"""The floor of the worklist: a server that replays from memory what our listener once sent.

It is written in C where there is a compiler (the goals are about that one), else in Python.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers.replay import record
from benchmarks.servers.ris import process, wait_for
from tests.running import accepts, clean_environment, free_ports

SOURCE = Path(__file__).with_name("replay.c")


@dataclass(frozen=True, slots=True)
class Floor:
    """A running replay of one query's answer."""

    port: int
    pid: int
    is_c: bool


def compiled(folder: Path) -> Path | None:
    """The C server; None if there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = folder / "replay"
    if not program.exists():
        subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


@contextmanager
def floor(folder: Path, port: int, ae_title: str, query: str, size: int) -> Iterator[Floor]:
    """Ask the server at ``port`` once, and replay its answer."""
    recording = folder / f"{query}.recording"
    record(port, ae_title, query, size).save(recording)
    (own,) = free_ports(1)
    program = compiled(folder)
    command = [str(program)] if program else [sys.executable, "-m", "benchmarks.servers.replay"]
    log = folder / f"floor-{query}.log"
    with process([*command, str(own), str(recording)], clean_environment(folder), log) as running:
        wait_for(lambda: accepts(own), running, "the floor", log)
        yield Floor(own, running.pid, program is not None)
