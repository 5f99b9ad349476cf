"""FHIR: ServiceRequests created and searched per second, beside an empty Django view.

The view runs on the same web server with as many threads and no middleware: what is left when
nothing is done.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, repeat
from urllib.parse import quote

from benchmarks.clients.http import HttpTalk, request
from benchmarks.dataset import new_item, service_request
from benchmarks.load import Load, Sample
from benchmarks.remarks import remarks
from benchmarks.servers import ris
from benchmarks.servers.ris import Site, process, wait_for
from benchmarks.tables import number, table
from benchmarks.workspace import Workspace
from tests.running import accepts, clean_environment, free_ports

CLIENTS = (1, 8)
FLOOR = "floor: empty view"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request at one server, by so many clients."""

    server: str
    operation: str
    clients: int
    port: int
    pid: int
    requests: Iterator[bytes]
    wanted: int = 200


def run(space: Workspace) -> Iterator[str]:
    with ExitStack() as stack:
        cases = []
        for database in space.databases():
            cases += _ris_cases(space, stack, database)
        cases += _floor(space, stack)
        for case in cases:
            failed = _ask(case, 0).failures
            if failed:
                raise ris.BenchmarkError(f"{case.server}, {case.operation}: {dict(failed)}")
        samples = space.interleaved(cases, _ask, lambda case: case.pid)
    results = list(zip(cases, samples, strict=True))
    floors = {case.clients: sample.rate for case, sample in results if case.server == FLOOR}
    yield "Requests on kept connections; one in flight each."
    yield table(
        [
            "",
            "request",
            "clients",
            "per second",
            "p50 ms",
            "least",
            "p99",
            "CPU ms each",
            "of floor",
        ],
        [
            [
                case.server,
                case.operation,
                f"{case.clients}",
                number(sample.rate),
                number(sample.median),
                number(sample.least),
                number(sample.percentile(0.99)),
                number(sample.server_ms),
                f"{100 * sample.rate / floors[case.clients]:.0f} %",
            ]
            for case, sample in results
        ],
    )
    yield from remarks(
        (f"{case.server}, {case.operation}, {case.clients}", sample) for case, sample in results
    )


def _ask(case: Case, seconds: float) -> Sample:
    return Load(
        case.port,
        lambda: HttpTalk(case.requests, case.wanted),
        clients=case.clients,
        seconds=seconds,
        keep=True,
    ).run()


# --- ours


def _ris_cases(space: Workspace, stack: ExitStack, database: str) -> list[Case]:
    site = space.site(database)
    site.fill(space.scale.requests)
    part = stack.enter_context(ris.part(site, "web"))
    headers = {
        "Authorization": f"Bearer {_token(site)}",
        "Accept": "application/fhir+json",
        "Content-Type": "application/fhir+json",
    }
    operations: dict[str, tuple[Callable[[], Iterator[bytes]], int]] = {
        "create": (lambda: _creates(headers), 201),
        "search, 1 match": (lambda: _lookups(headers, space.scale.requests), 200),
        "search, 20 of all": (lambda: repeat(_get("?_count=20", headers)), 200),
    }
    return [
        Case(f"RIS {database}", name, clients, part.port, part.pid, requests, wanted)
        for name, (make, wanted) in operations.items()
        for requests in [make()]
        for clients in CLIENTS
    ]


def _token(site: Site) -> str:
    return site.ris("token", "add", "bench").split()[0]


def _creates(headers: dict[str, str]) -> Iterator[bytes]:
    for position in count(1):
        body = service_request(new_item(position))
        yield request("POST", "/fhir/ServiceRequest", headers=headers, body=body)


def _lookups(headers: dict[str, str], size: int) -> Iterator[bytes]:
    chance = random.Random(size)
    while True:
        accession = f"A{chance.randrange(1, size + 1):08d}"
        yield _get(f"?identifier={quote(accession)}&_count=20", headers)


def _get(query: str, headers: dict[str, str]) -> bytes:
    kept = {name: value for name, value in headers.items() if name != "Content-Type"}
    return request("GET", f"/fhir/ServiceRequest{query}", headers=kept)


# --- the floor


def _floor(space: Workspace, stack: ExitStack) -> list[Case]:
    (port,) = free_ports(1)
    log = space.folder / "empty.log"
    command = [sys.executable, "-m", "benchmarks.servers.empty", str(port)]
    running = stack.enter_context(process(command, clean_environment(space.folder), log))
    wait_for(lambda: accepts(port), running, "the empty view", log)
    requests = repeat(request("GET", "/empty"))
    return [Case(FLOOR, "", clients, port, running.pid, requests) for clients in CLIENTS]
