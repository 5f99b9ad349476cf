"""The machine: what it is, and what its processes use (Linux' /proc)."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def machine_cpu() -> float:
    """CPU seconds all processes used since the machine started."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in _entries(f"/proc/{one}/task"):
            waiting += [int(child) for child in _text(task / "children").split()]
    return found


def process_cpu(pid: int) -> float:
    """CPU seconds of a process, its living descendants, and those that have ended."""
    total = 0
    for one in family(pid):
        fields = _text(Path(f"/proc/{one}/stat")).rpartition(")")[2].split()
        if fields:
            total += sum(int(value) for value in fields[11:15])
    return total / _TICKS


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB: pages in memory, and the same with shared pages divided among their users."""

    resident: float
    proportional: float


def memory(pid: int, *, descendants: bool = True) -> Memory:
    """Of a process and its descendants, or of it alone."""
    resident = proportional = 0
    for one in family(pid) if descendants else [pid]:
        for line in _text(Path(f"/proc/{one}/smaps_rollup")).splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                resident += int(value.split()[0])
            elif name == "Pss":
                proportional += int(value.split()[0])
    return Memory(resident / 1024, proportional / 1024)


def threads(pid: int) -> int:
    return sum(len(_entries(f"/proc/{one}/task")) for one in family(pid))


def _entries(folder: str) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:  # ended meanwhile
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def description() -> str:
    """One paragraph: what the figures were measured on."""
    names = [
        line.partition(":")[2].strip()
        for line in _text(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    memory_kib = next(
        (int(line.split()[1]) for line in _text(Path("/proc/meminfo")).splitlines()), 0
    )
    parts = [
        f"{os.cpu_count()} x {names[0] if names else platform.machine()}",
        f"{memory_kib / 1024 / 1024:.0f} GiB",
        f"Linux {platform.release()}",
        f"CPython {platform.python_version()}",
        f"Django {version('django')}",
        f"granian {version('granian')}",
        f"SQLite {sqlite3.sqlite_version}",
        *filter(None, [_program("wlmscpfs", "DCMTK"), _program("Orthanc", "Orthanc")]),
    ]
    one, five, _ = os.getloadavg()
    return f"{', '.join(parts)}; load before the run {one:.2f} (1 min), {five:.2f} (5 min)"


def _program(name: str, label: str) -> str:
    if shutil.which(name) is None:
        return ""
    shown = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
    words = shown.split()
    number = next((word.strip("v,") for word in words if word.strip("v,")[:1].isdigit()), "?")
    return f"{label} {number}"
