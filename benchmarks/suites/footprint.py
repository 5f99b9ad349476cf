"""Memory of each part at rest, and how long `ris up` takes until everything accepts connections."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import Memory, machine_cpu, memory, process_cpu, threads
from benchmarks.servers.ris import process, wait_for
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace
from tests.running import ROOT, clean_environment, free_ports

_REST_SECONDS = 2.0


def run(space: Workspace) -> Iterator[str]:
    whole = space.scale.rounds > 1
    # Where only a smoke is wanted, the tables are there.
    folder = space.folder / "footprint" if whole else space.site("SQLite").folder
    starts = []
    rows: list[list[str]] = []
    for turn in range(space.scale.rounds):
        seconds, shown = _start(folder, last=turn == space.scale.rounds - 1)
        first = whole and turn == 0
        starts.append(["first, with migration" if first else "again", number(seconds)])
        rows = shown or rows
    yield "`ris up` without demo data on SQLite: seconds until it says that it is ready."
    yield table(["start", "seconds"], starts)
    yield (
        f"At rest for {_REST_SECONDS:g} s, in MiB. The parts are forked from the supervisor: what "
        "they share counts in each RSS, and once over all in PSS."
    )
    yield table(["part", "RSS", "PSS", "threads", "CPU %"], rows)


def _start(folder: Path, *, last: bool) -> tuple[float, list[list[str]]]:
    """Seconds until the banner; what each part uses, if this is the last start."""
    folder.mkdir(exist_ok=True)
    ports = free_ports(3)
    environment = clean_environment(
        folder,
        RIS_HTTP__PORT=str(ports[0]),
        RIS_DICOM__PORT=str(ports[1]),
        RIS_MLLP__PORT=str(ports[2]),
    )
    log = folder / "output"
    log.write_text("")
    command = [sys.executable, str(ROOT / "manage.py"), "up"]
    with process(command, environment, log) as running:
        seconds = wait_for(
            lambda: "RIS is ready" in log.read_text(errors="replace"), running, "ris up", log
        )
        return seconds, _at_rest(folder, running.pid) if last else []


def _at_rest(folder: Path, supervisor: int) -> list[list[str]]:
    parts = {
        file.stem: int(file.read_text())
        for file in sorted((folder / "run").glob("*.pid"))
        if file.stem != "prepare"
    }
    before = {name: process_cpu(pid) for name, pid in parts.items()}
    machine, began = machine_cpu(), time.monotonic()
    time.sleep(_REST_SECONDS)
    seconds = time.monotonic() - began
    rows, total = [], Memory(0.0, 0.0)
    for name, pid in parts.items():
        used = memory(pid)
        total = Memory(total.resident + used.resident, total.proportional + used.proportional)
        cpu = 100 * (process_cpu(pid) - before[name]) / seconds
        rows.append([name, *_mib(used), f"{threads(pid)}", number(cpu)])
    alone = memory(supervisor, descendants=False)
    total = Memory(total.resident + alone.resident, total.proportional + alone.proportional)
    rows.append(["supervisor", *_mib(alone), "1", ""])
    rows.append(["all", *_mib(total), "", ""])
    rows.append(
        ["whole machine meanwhile", "", "", "", number(100 * (machine_cpu() - machine) / seconds)]
    )
    return rows


def _mib(used: Memory) -> list[str]:
    return [f"{used.resident:.0f}", f"{used.proportional:.0f}"]
