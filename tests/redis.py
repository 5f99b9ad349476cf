"""A private Redis on a free port."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import accepts, free_ports, wait_until


@contextmanager
def running_redis(folder: Path, *, at: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process; kill the process to see how life goes on without it.

    ``at`` the address of one that was killed there is another one.
    """
    port = int(at.rpartition(":")[2].removesuffix("/0")) if at else free_ports(1)[0]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: accepts(port), "Redis listens")
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()
