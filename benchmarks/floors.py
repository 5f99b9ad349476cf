"""The commit floors beside whatever stores before it answers, and how shares of them are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load import Sample
from benchmarks.servers import commits
from benchmarks.servers.ris import Part
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace

_APPEND = "floor: append of 4 KiB, fdatasync"


@dataclass(frozen=True, slots=True)
class Case:
    """One server with so many connections, or a floor, which has no server."""

    database: str
    name: str
    part: Part | None = None
    connections: int = 1


def measured(
    space: Workspace,
    cases: Sequence[Case],
    measure: Callable[[Case, Part, float], Sample],
    rounds: int | None = None,
) -> list[tuple[Case, Sample]]:
    """The cases and the commit floors of their databases, interleaved."""
    floors = [Case(database, f"floor: {database}, 1 kB") for database in space.databases()]
    everything = [*cases, *floors, Case("", _APPEND)]

    def one(case: Case, seconds: float) -> Sample:
        if case.part is None:
            return _commit(space, case.database, seconds)
        return measure(case, case.part, seconds)

    samples = space.interleaved(
        everything, one, lambda case: case.part.pid if case.part else None, rounds
    )
    return list(zip(everything, samples, strict=True))


def _commit(space: Workspace, database: str, seconds: float) -> Sample:
    if database == "SQLite":
        return commits.sqlite_commits(space.folder, seconds)
    if database == "PostgreSQL":
        return commits.postgresql_commits(space.url("postgres"), seconds)
    return commits.appends(space.folder, seconds)


def rates_of_floors(results: Sequence[tuple[Case, Sample]]) -> dict[str, float]:
    """Commits per second of one connection that does nothing else, by database."""
    return {case.database: sample.rate for case, sample in results if case.part is None}


def shares(results: list[tuple[Case, Sample]], what: str, commits_each: int = 1) -> str:
    """A table; the floor is the rate of a single connection that does nothing but commit."""
    rates = rates_of_floors(results)
    rows = []
    for case, sample in results:
        row = [case.name, f"{case.connections}", number(sample.rate), number(sample.median)]
        row += [number(sample.least), number(sample.percentile(0.99))]
        if case.part is None:
            row += ["", ""]
        else:
            share = 100 * sample.rate * commits_each / rates[case.database]
            row += [number(sample.server_ms), f"{share:.0f} %"]
        rows.append(row)
    heads = ["", "connections", f"{what}/s", "p50 ms", "least", "p99", "CPU ms each", "of floor"]
    return table(heads, rows)
