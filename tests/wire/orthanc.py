"""Orthanc, an image archive as hospitals run it, on ports of its own with a folder of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import programs
from tests.running import free_ports, wait_until


@dataclass(frozen=True)
class Orthanc:
    ae_title: str
    port: int
    http: int

    def get(self, path: str) -> Any:
        """What its REST interface says."""
        return json.loads(self.raw(path))

    def put(self, path: str, said: Any) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}{path}", json.dumps(said).encode(), method="PUT"
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def raw(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """One that runs until the end of the block."""
    dicom, http = free_ports(2)
    settings = {
        "Name": "Archive",
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomCheckCalledAet": True,
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "StableAge": 1,
        # Else it answers in Latin-1 and leaves out the letters that has not.
        "DefaultEncoding": "Utf8",
        "Plugins": [],
    }
    named = folder / "orthanc.json"
    named.write_text(json.dumps(settings))
    log = (folder / "orthanc.log").open("wb")
    process = subprocess.Popen(
        [str(programs.orthanc()), str(named)], stdout=log, stderr=log, cwd=folder
    )
    try:
        archive = Orthanc("ORTHANC", dicom, http)
        wait_until(lambda: process.poll() is not None or _answers(archive), "Orthanc answers")
        assert process.poll() is None, (folder / "orthanc.log").read_text("utf-8", "replace")
        yield archive
    finally:
        process.kill()  # its folder goes with it, so nothing has to be put in order
        process.wait(10)
        log.close()


def _answers(archive: Orthanc) -> bool:
    try:
        archive.get("/system")
        socket.create_connection(("127.0.0.1", archive.port), 1).close()
    except OSError:
        return False
    return True
