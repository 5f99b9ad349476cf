"""A private PostgreSQL cluster in a temporary folder, reached by a unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.programs import postgresql_folder

START_SECONDS = 30.0


@dataclass(slots=True)
class Cluster:
    """Started with :meth:`start`; the same folder can be stopped and started again."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls) -> Cluster:
        """Initialize and start a cluster that trusts whoever reaches its socket folder."""
        folder = Path(tempfile.mkdtemp(prefix="ris-pg-"))
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(folder, "postgres", "postgres")
        cluster = cls(folder)
        _run(
            "initdb",
            "--pgdata",
            str(folder / "data"),
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        cluster.start()
        return cluster

    def start(self) -> None:
        """With its own settings for durability: the product refuses a server without them."""
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}"]
        settings += ["max_connections=200", "log_min_messages=fatal"]
        # What a plan looks like must not depend on when the tables were last counted.
        settings += ["autovacuum=off"]
        arguments = [part for setting in settings for part in ("-c", setting)]
        binary = _binary("postgres")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary, "-D", str(self.folder / "data"), *arguments],
                stdout=log,
                stderr=log,
                **_as_postgres(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{quote(str(self.folder), safe='')}/{database}"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown. SIGQUIT: as after a crash, with recovery at the next start."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def _binary(name: str) -> str:
    folder = postgresql_folder()
    if folder is None:
        raise RuntimeError("no PostgreSQL binaries")
    return str(folder / name)


def _as_postgres() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {"cwd": "/"}
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


def _run(name: str, *arguments: str) -> None:
    subprocess.run([_binary(name), *arguments], check=True, capture_output=True, **_as_postgres())
