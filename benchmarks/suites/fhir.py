"""FHIR: orders created, seen on the worklist, read, searched, and transactions of 300 entries.

The same request again is answered from memory while nobody wrote (docs/adr/0038), as clients that
poll do; so a search is also measured that asks for something else each time, and while another
process commits 200 times a second.

Two floors run on the same web server with as many threads: an empty Django view, which does
nothing, and plain Django on the same database, which stores and gives JSON without looking at it.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import count, repeat
from pathlib import Path
from urllib.parse import quote

from benchmarks import goals
from benchmarks.clients.http import HttpTalk, request
from benchmarks.clients.visible import visible
from benchmarks.dataset import new_item, service_request, transaction
from benchmarks.goals import Goal
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import ris
from benchmarks.servers.ris import AE_TITLE, Site, process, wait_for
from benchmarks.servers.writer import writing
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace
from tests.running import accepts, clean_environment, free_ports

CLIENTS = (1, 8)
ROWS = 200  # that the plain floor begins with
MOST_ENTRIES = 300
EMPTY = "floor: empty view"
CREATE, VISIBLE, READ = "create", "create, seen on the worklist", "read"
SINGLE, SEARCH_20, SEARCH_100 = "search, 1 match", "search, 20", "search, 100"
OTHERS_20, WRITTEN_20 = "search, another 20 each time", "search, 20, written meanwhile"
NAIVE = "search, 20, by fhir.resources"

# Eight transactions wait for each other.
_PATIENCE = 120.0

Measure = Callable[[float], Sample]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request at one server, by so many clients."""

    server: str
    operation: str
    clients: int
    pid: int
    measure: Measure


def run(space: Workspace) -> Iterator[str | Goal]:
    with ExitStack() as stack:
        cases: list[Case] = []
        for database in space.databases():
            site = space.site(database)
            site.fill(space.scale.requests)
            cases += _ris_cases(space, stack, site, database)
            cases += _plain_cases(space, stack, site, database)
        cases += _empty_cases(space, stack)
        for case in cases:
            failed = case.measure(0).failures
            if failed:
                raise ris.BenchmarkError(f"{case.server}, {case.operation}: {dict(failed)}")
        samples = space.interleaved(
            cases, lambda case, seconds: case.measure(seconds), lambda case: case.pid
        )
    results = list(zip(cases, samples, strict=True))
    yield "Requests on kept connections; one in flight each."
    yield _table(results)
    yield from remarks(
        (f"{case.server}, {case.operation}, {case.clients}", sample) for case, sample in results
    )
    yield from _goals(results, space)


Results = list[tuple[Case, Sample]]


def _rates(results: Results) -> dict[tuple[str, str, int], float]:
    return {(case.server, case.operation, case.clients): sample.rate for case, sample in results}


def _table(results: Results) -> str:
    rates = _rates(results)
    rows = []
    for case, sample in results:
        empty = rates[EMPTY, "", case.clients]
        plain = rates.get((case.server.replace("RIS", "floor: plain Django"), case.operation,
                           case.clients), 0.0)  # fmt: skip
        rows.append(
            [
                case.server,
                case.operation,
                f"{case.clients}",
                number(sample.rate),
                number(sample.median),
                number(sample.least),
                number(sample.percentile(0.99)),
                number(sample.server_ms),
                f"{100 * sample.rate / empty:.1f} %",
                f"{100 * sample.rate / plain:.0f} %" if plain else "–",
            ]
        )
    return table(
        ["", "request", "clients", "per second", "p50 ms", "least", "p99", "CPU ms each",
         "of the empty view", "of plain Django"],
        rows,
        left=(0, 1),
    )  # fmt: skip


def _goals(results: Results, space: Workspace) -> Iterator[Goal]:
    """spec/performance.md, goals 18 and 19."""
    rates = _rates(results)
    for database in space.databases():
        ours, plain = f"RIS {database}", f"floor: plain Django {database}"
        for clients in _clients(space):
            empty = rates[EMPTY, "", clients]
            for operation, share in ((CREATE, 0.08), (SEARCH_20, 0.20)):
                yield goals.at_least(
                    18,
                    f"FHIR {operation} ÷ empty view, {database}, {clients} clients",
                    share,
                    rates[ours, operation, clients] / empty,
                    goals.percent,
                )
            yield goals.at_least(
                19,
                f"FHIR search, 20 ÷ by fhir.resources, {database}, {clients} clients",
                12,
                rates[ours, SEARCH_20, clients] / rates[plain, NAIVE, clients],
            )


def _clients(space: Workspace) -> tuple[int, ...]:
    """Only one where nothing is to be learned of the figures."""
    return CLIENTS if space.scale.rounds > 1 else CLIENTS[:1]


def _entries(space: Workspace) -> int:
    return min(MOST_ENTRIES, space.scale.requests // 5)


def _transaction(entries: int) -> str:
    return f"transaction of {entries}"


def _http(port: int, requests: Iterator[bytes], wanted: int, clients: int) -> Measure:
    def measure(seconds: float) -> Sample:
        return Load(
            port,
            lambda: HttpTalk(requests, wanted),
            clients=clients,
            seconds=seconds,
            keep=True,
            patience=_PATIENCE,
        ).run()

    return measure


# --- ours


def _ris_cases(space: Workspace, stack: ExitStack, site: Site, database: str) -> list[Case]:
    part = stack.enter_context(ris.part(site, "web"))
    scanner = stack.enter_context(ris.part(site, "dicom"))
    headers = {
        "Authorization": f"Bearer {_token(site)}",
        "Accept": "application/fhir+json",
        "Content-Type": "application/fhir+json",
    }
    # Each order of its own number, whoever places it.
    positions = count(1)
    items = map(new_item, positions)
    creates = (_post("/fhir/ServiceRequest", service_request(item), headers) for item in items)
    entries = _entries(space)
    bundles = (
        _post("/fhir", transaction(each, entries), headers) for each in count(1_000_000, entries)
    )
    operations: dict[str, tuple[Iterator[bytes], int]] = {
        CREATE: (creates, 201),
        READ: (repeat(_get(f"/{_one(part.port, headers)}", headers)), 200),
        SINGLE: (_lookups(headers, space.scale.requests), 200),
        SEARCH_20: (repeat(_get("?_count=20", headers)), 200),
        OTHERS_20: (_others(headers), 200),
        SEARCH_100: (repeat(_get("?_count=100", headers)), 200),
        _transaction(entries): (bundles, 200),
    }
    cases = [
        Case(
            f"RIS {database}", name, clients, part.pid, _http(part.port, requests, wanted, clients)
        )
        for name, (requests, wanted) in operations.items()
        for clients in _clients(space)
    ]
    for clients in _clients(space):

        def measure(seconds: float, clients: int = clients) -> Sample:
            return visible(
                part.port, scanner.port, AE_TITLE, headers, items, clients=clients, seconds=seconds
            )

        cases.append(Case(f"RIS {database}", VISIBLE, clients, part.pid, measure))
        asked = _http(part.port, operations[SEARCH_20][0], 200, clients)

        def disturbed(seconds: float, asked: Measure = asked) -> Sample:
            with writing(site):
                return asked(seconds)

        cases.append(Case(f"RIS {database}", WRITTEN_20, clients, part.pid, disturbed))
    return cases


def _one(port: int, headers: dict[str, str]) -> str:
    """The id of an order that is there."""
    asking = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        asking.request("GET", "/fhir/ServiceRequest?_count=1", headers=headers)
        found = json.load(asking.getresponse())
    finally:
        asking.close()
    return str(found["entry"][0]["resource"]["id"])


def _token(site: Site) -> str:
    return site.ris("token", "add", "bench").split()[0]


def _lookups(headers: dict[str, str], size: int) -> Iterator[bytes]:
    chance = random.Random(size)
    while True:
        accession = f"A{chance.randrange(1, size + 1):08d}"
        yield _get(f"?identifier={quote(accession)}&_count=20", headers)


def _others(headers: dict[str, str]) -> Iterator[bytes]:
    """Searches of 20 that nobody asked before: ordered since a moment that differs each time."""
    began = datetime(2000, 1, 1, tzinfo=UTC)
    for second in count():
        since = began + timedelta(seconds=second)
        yield _get(f"?_count=20&authored=ge{since:%Y-%m-%dT%H:%M:%SZ}", headers)


def _get(query: str, headers: dict[str, str]) -> bytes:
    kept = {name: value for name, value in headers.items() if name != "Content-Type"}
    return request("GET", f"/fhir/ServiceRequest{query}", headers=kept)


def _post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    return request("POST", path, headers=headers, body=body)


# --- the floors


def _plain_cases(space: Workspace, stack: ExitStack, site: Site, database: str) -> list[Case]:
    """Plain Django on the database of the site."""
    port, pid = _floor(stack, "plain", site.folder / "plain.log", site.environment)
    headers = {"Content-Type": "application/fhir+json"}
    creates = (_post("/plain", service_request(new_item(each)), headers) for each in count(1))
    entries = _entries(space)
    bundles = (_post("/bundle", transaction(each, entries), headers) for each in count(1, entries))
    operations: dict[str, tuple[Iterator[bytes], int]] = {
        CREATE: (creates, 201),
        READ: (repeat(request("GET", f"/plain/{ROWS // 2}")), 200),
        SEARCH_20: (repeat(request("GET", "/plain?_count=20")), 200),
        SEARCH_100: (repeat(request("GET", "/plain?_count=100")), 200),
        _transaction(entries): (bundles, 200),
        NAIVE: (repeat(request("GET", "/naive?_count=20")), 200),
    }
    return [
        Case(f"floor: plain Django {database}", name, clients, pid,
             _http(port, requests, wanted, clients))
        for name, (requests, wanted) in operations.items()
        for clients in _clients(space)
    ]  # fmt: skip


def _empty_cases(space: Workspace, stack: ExitStack) -> list[Case]:
    environment = clean_environment(space.folder)
    port, pid = _floor(stack, "empty", space.folder / "empty.log", environment)
    requests = repeat(request("GET", "/empty"))
    return [
        Case(EMPTY, "", clients, pid, _http(port, requests, 200, clients))
        for clients in _clients(space)
    ]


def _floor(stack: ExitStack, name: str, log: Path, environment: dict[str, str]) -> tuple[int, int]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", f"benchmarks.servers.{name}", str(port), str(ROWS)]
    running = stack.enter_context(process(command, environment, log))
    wait_for(lambda: accepts(port), running, f"the floor ({name})", log)
    return port, running.pid
