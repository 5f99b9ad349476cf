"""The peers: wlmscpfs (Debian's dcmtk) and Orthanc with its worklist plugin, where installed.

Both read one file per step. Each runs as shipped, and once more with DCMTK's own switch
TCP_NODELAY=1, the best setting known for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.dicom import worklist_file
from benchmarks.dataset import items
from benchmarks.servers.ris import process, wait_for
from tests.running import accepts, free_ports

_PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")


@dataclass(frozen=True, slots=True)
class Peer:
    """One running peer and what it serves."""

    name: str
    size: int
    port: int
    pid: int
    ae_title: str


def installed() -> list[str]:
    found = ["wlmscpfs"] if shutil.which("wlmscpfs") else []
    return found + (["orthanc"] if shutil.which("Orthanc") and _PLUGIN.exists() else [])


def write_files(folder: Path, sizes: Sequence[int]) -> None:
    """The worklists as files: one folder each, named like the AE title wlmscpfs serves it under."""
    for size in sizes:
        below = folder / _folder(size)
        below.mkdir(parents=True)
        (below / "lockfile").touch()
        for item in items(size):
            (below / f"{item.number:06d}.wl").write_bytes(worklist_file(item))


def _folder(size: int) -> str:
    return f"N{size}"


@contextmanager
def wlmscpfs(files: Path, sizes: Sequence[int], *, tuned: bool) -> Iterator[list[Peer]]:
    """One process for all sizes: the called AE title picks the folder."""
    (port,) = free_ports(1)
    name = "wlmscpfs tuned" if tuned else "wlmscpfs"
    log = files.parent / f"{name.replace(' ', '-')}.log"
    command = ["wlmscpfs", "-q", "-csk", "-dfp", str(files), "-pdu", "131072", str(port)]
    with process(command, _environment(tuned), log) as running:
        wait_for(lambda: accepts(port), running, name, log)
        yield [Peer(name, size, port, running.pid, _folder(size)) for size in sizes]


@contextmanager
def orthanc(files: Path, size: int, *, tuned: bool) -> Iterator[Peer]:
    """One process with the worklist of one size."""
    (port,) = free_ports(1)
    name = "Orthanc tuned" if tuned else "Orthanc"
    folder = files.parent / f"{name.replace(' ', '-')}-{size}"
    folder.mkdir(exist_ok=True)
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(_orthanc_settings(folder, port, files / _folder(size))))
    with process(["Orthanc", str(settings)], _environment(tuned), folder / "log") as running:
        wait_for(lambda: accepts(port), running, name, folder / "log")
        yield Peer(name, size, port, running.pid, "ORTHANC")


def _environment(tuned: bool) -> dict[str, str]:
    return {**os.environ, "TCP_NODELAY": "1"} if tuned else dict(os.environ)


def _orthanc_settings(folder: Path, port: int, worklist: Path) -> dict[str, object]:
    return {
        "Name": "bench",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpServerEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomAlwaysAllowFindWorklist": True,
        "RemoteAccessAllowed": False,
        "LimitFindResults": 0,
        "DefaultEncoding": "Utf8",
        "DicomModalities": {"bench": ["BENCHSCU", "127.0.0.1", 104]},
        "Plugins": [str(_PLUGIN)],
        "Worklists": {"Enable": True, "Database": str(worklist), "LimitAnswers": 0},
    }
