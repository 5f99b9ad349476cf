"""The RIS itself: real processes (`ris run dicom` and so on) on a database of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dataset import stations
from tests.running import ROOT, accepts, clean_environment, free_ports, prepared

AE_TITLE = "RIS"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


class BenchmarkError(Exception):
    """A part of a benchmark could not be run; the text says why."""


@dataclass(frozen=True, slots=True)
class Site:
    """A data folder with a migrated database and the devices registered."""

    folder: Path
    environment: dict[str, str]

    def ris(self, *arguments: str) -> str:
        """Run a `ris` command to its end and return what it printed."""
        return _run([sys.executable, str(ROOT / "manage.py"), *arguments], self.environment)

    def python(self, module: str, *arguments: str) -> str:
        """Run a module on this site's database to its end and return what it printed."""
        return _run([sys.executable, "-m", module, *arguments], self.environment)

    def fill(self, size: int) -> None:
        _run([sys.executable, "-m", "benchmarks.fill", str(size)], self.environment)


def site(folder: Path, database_url: str = "") -> Site:
    """A new site: the scanners and the ordering system of the data set may call."""
    folder.mkdir(parents=True)
    settings = {"RIS_LOG_LEVEL": "warning"}
    if database_url:
        settings["RIS_DATABASE_URL"] = database_url
    environment = clean_environment(folder, **settings)
    environment["DJANGO_SETTINGS_MODULE"] = "ris.settings"
    made = Site(folder, environment)
    if "RIS_TEST_FOLDER" in os.environ and not database_url:
        prepared(folder, demo=False)  # a run of the tests has made the tables
    made.ris("prepare")
    file = folder / "site.toml"
    file.write_text(_site_file(), encoding="utf-8")
    made.ris("configure", str(file), "--yes")
    return made


def copy_of(original: Site, folder: Path) -> Site:
    """The same site once more; only for SQLite, while nothing runs on it."""
    shutil.copytree(original.folder, folder)
    return Site(folder, {**original.environment, "RIS_DATA_DIR": str(folder)})


def _site_file() -> str:
    tables = ['[[site]]\nname = "Benchmark"\ninstitution = "Benchmark Hospital"\n']
    for ae_title, modality in [("BENCHSCU", "OT"), *stations()]:
        tables.append(
            f'[[device]]\nae_title = "{ae_title}"\nmodality = "{modality}"\n'
            f'station_name = "{ae_title}"\nroom = "{ae_title}"\naddress = "127.0.0.0/8"\n'
            'character_sets = ["ISO_IR 192"]\n'
        )
    tables.append(
        '[[endpoint]]\nname = "BENCH"\nprotocol = "hl7"\ndirection = "in"\n'
        'protocol_name = "BENCH^HOSP"\n'
    )
    return "\n".join(tables)


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command[1:4])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


# --- parts


@dataclass(frozen=True, slots=True)
class Part:
    """A running part of the RIS."""

    port: int
    pid: int


_PORTS = {"dicom": "RIS_DICOM__PORT", "mllp": "RIS_MLLP__PORT", "web": "RIS_HTTP__PORT"}


@contextmanager
def part(where: Site, name: str, **settings: str) -> Iterator[Part]:
    """`ris run NAME`, ready, and ended at the end."""
    (port,) = free_ports(1)
    environment = {**where.environment, _PORTS[name]: str(port), **settings}
    command = [sys.executable, str(ROOT / "manage.py"), "run", name]
    with process(command, environment, where.folder / f"{name}.log") as running:
        wait_for(lambda: accepts(port), running, f"ris run {name}", where.folder / f"{name}.log")
        yield Part(port, running.pid)


@contextmanager
def process(
    command: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that does not outlive the block."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
        try:
            running.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def wait_for(
    ready: Callable[[], bool], running: subprocess.Popen[bytes], what: str, log: Path
) -> float:
    """Poll until ready; the seconds it took."""
    began = time.monotonic()
    while not ready():
        if running.poll() is not None or time.monotonic() - began > _START_SECONDS:
            raise BenchmarkError(
                f"{what} does not start: {log.read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.01)
    return time.monotonic() - began
