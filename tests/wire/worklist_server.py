"""The whole DICOM part on a free port, with the core behind it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.programs import demand, node_modules
from worklist.config import ListenerConfig
from worklist.handlers import Handlers
from worklist.modality import Modality
from worklist.registry import Registry
from worklist.server import ServerThread

CLIENT = Path(__file__).resolve().parent.parent / "clients" / "dicom.mjs"


@contextmanager
def running(**options: Any) -> Iterator[ServerThread]:
    """The listener as `ris run dicom` builds it, but in a thread."""
    registry = Registry("RIS", accept_unknown=options.pop("accept_unknown", False), seconds=0)
    handlers = Handlers(registry, **options)
    server = ServerThread(ListenerConfig(port=0, threads=4), handlers)
    try:
        with server:
            yield server
    finally:
        handlers.close()


def modality(server: ServerThread, ae_title: str = "CT1") -> Modality:
    """pynetdicom as a scanner."""
    return Modality(host="127.0.0.1", port=server.port, calling=ae_title)


def dcmjs(server: ServerThread, operation: str, **request: Any) -> list[dict[str, Any]]:
    """dcmjs-dimse as a scanner: the answers it got."""
    demand("dcmjs-dimse")
    asked = {
        "operation": operation,
        "host": "127.0.0.1",
        "port": server.port,
        "calling": "CT1",
        "called": "RIS",
        **request,
    }
    done = subprocess.run(
        ["node", str(CLIENT), json.dumps(asked)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "RIS_TEST_NODE_MODULES": str(node_modules())},
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    assert lines, done.stderr
    said = json.loads(lines[-1])
    assert "error" not in said, said
    answers: list[dict[str, Any]] = said["answers"]
    return answers


def findscu(server: ServerThread, *options: str, calling: str = "CT1") -> tuple[str, int]:
    """dcmtk's findscu: what it printed, and its exit code."""
    demand("dcmtk")
    done = subprocess.run(
        ["findscu", "-v", "-W", "-aet", calling, "-aec", "RIS", *options,
         "127.0.0.1", str(server.port)],
        capture_output=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).decode("utf-8", "replace"), done.returncode
