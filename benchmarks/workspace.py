"""What the benchmarks share: how long to measure, and databases that are made once."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeVar

import psycopg

from benchmarks.load import Sample
from benchmarks.machine import machine_cpu, process_cpu
from benchmarks.servers import ris
from benchmarks.servers.ris import Site
from tests.postgres import Cluster
from tests.programs import postgresql_folder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    sizes: tuple[int, ...]
    peer_sizes: tuple[int, ...]
    slice_seconds: float
    rounds: int
    performed: int  # steps there are to perform
    requests: int  # orders there are before others come
    attempts: int  # to book
    postgresql: bool


FULL = Scale(
    sizes=(100, 1_000, 10_000, 50_000, 100_000),
    peer_sizes=(100, 1_000, 10_000, 50_000),
    slice_seconds=0.35,
    rounds=3,
    performed=6_000,
    requests=10_000,
    attempts=20_000,
    postgresql=False,
)
QUICK = Scale(
    sizes=(100, 1_000),
    peer_sizes=(1_000,),
    slice_seconds=0.05,
    rounds=1,
    performed=100,
    requests=100,
    attempts=160,
    postgresql=False,
)


@dataclass(slots=True)
class Workspace:
    """A temporary folder with an empty site of each database."""

    scale: Scale
    folder: Path
    cluster: Cluster | None = None
    _sites: dict[str, Site] = field(default_factory=dict)
    _count: int = 0
    _lock: Lock = field(default_factory=Lock)
    _told: float = field(default_factory=time.monotonic)

    def databases(self) -> list[str]:
        return ["SQLite", "PostgreSQL"] if self.cluster else ["SQLite"]

    def site(self, database: str) -> Site:
        """A new empty site, copied from one that was migrated and configured before."""
        with self._lock:
            self._count += 1
            number = self._count
            if database not in self._sites:
                self._sites[database] = self._first(database)
            original = self._sites[database]
            folder = self.folder / f"site-{number}"
            copy = ris.copy_of(original, folder)
            if database == "SQLite":
                return copy
            name = f"site_{number}"
            self._sql(f"CREATE DATABASE {name} TEMPLATE original")
            return Site(folder, {**copy.environment, "RIS_DATABASE_URL": self.url(name)})

    def _first(self, database: str) -> Site:
        folder = self.folder / f"original-{database.lower()}"
        if database == "SQLite":
            return ris.site(folder)
        self._sql("CREATE DATABASE original")
        return ris.site(folder, self.url("original"))

    def create_database(self, name: str) -> None:
        """An empty one on the private PostgreSQL."""
        self._sql(f"CREATE DATABASE {name}")

    def url(self, name: str) -> str:
        if self.cluster is None:
            raise ris.BenchmarkError("no PostgreSQL in this run")
        return self.cluster.url(name)

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def tell(self, what: str) -> None:
        """Progress, for who watches."""
        now = time.monotonic()
        sys.stderr.write(f"  {now - self._told:5.0f} s  {what}\n")
        sys.stderr.flush()
        self._told = now

    # --- measuring

    def interleaved(
        self,
        targets: Sequence[T],
        measure: Callable[[T, float], Sample],
        pid: Callable[[T], int | None],
        rounds: int | None = None,
    ) -> list[Sample]:
        """Short slices of each target in turn, so that a busy machine meets all of them alike."""
        samples = [Sample() for _ in targets]
        for turn in range(rounds or self.scale.rounds):
            for position in range(len(targets)):
                index = (position + turn) % len(targets)
                target = targets[index]
                samples[index].add(_slice(target, measure, pid, self.scale.slice_seconds))
        return samples


def _slice(
    target: T,
    measure: Callable[[T, float], Sample],
    pid: Callable[[T], int | None],
    seconds: float,
) -> Sample:
    server = pid(target)
    machine, used = machine_cpu(), process_cpu(server) if server else 0.0
    sample = measure(target, seconds)
    sample.server_cpu = process_cpu(server) - used if server else 0.0
    sample.machine_cpu = machine_cpu() - machine
    return sample


@contextmanager
def workspace(scale: Scale) -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory(prefix="ris-bench-", ignore_cleanup_errors=True) as name:
        cluster = Cluster.create() if scale.postgresql else None
        try:
            yield Workspace(scale, Path(name), cluster)
        finally:
            if cluster is not None:
                cluster.remove()


def has_postgresql() -> bool:
    return postgresql_folder() is not None
