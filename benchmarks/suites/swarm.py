"""A DICOM listener among clients that wait and stall: what it costs, and what others feel of it.

Hundreds of idle associations, of half PDUs and of half TLS hellos stand beside an honest scanner
that asks for its day's list; each is compared with the quiet right before and after, so that a busy
machine meets both alike.
Then: many connects at one moment, TLS beside plain, memory and start. Goals are those of the
requirements; R17 and R18 are there, 12, 13, 20, 21 and 22 too.
"""

from __future__ import annotations

import select
import socket
import ssl
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.clients import dicom
from benchmarks.clients.worklist import CALLING, WorklistTalk
from benchmarks.goals import Goal, at_most, percent
from benchmarks.goals import milliseconds as milliseconds_of
from benchmarks.load import Load, Said, Sample
from benchmarks.machine import memory, process_cpu
from benchmarks.servers import ris
from benchmarks.servers.ris import Part, Site
from benchmarks.suites.flood import flooded
from benchmarks.tables import number, table, times
from benchmarks.workspace import Workspace
from tests.running import ROOT, free_ports
from tests.swarm.clients import HALF_HELLO
from tests.wire.dicom_certificates import Authority

_HELLO = dicom.associate_rq(CALLING, ris.AE_TITLE, dicom.WORKLIST_FIND)
_PER_ADDRESS = 50
_REST_SECONDS = 3.0
_AT_ONCE = 32
# Rounds of quiet and crowded in turn; each crowd is built anew.
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many clients of a kind; ``goal`` is for the p99 of the honest one."""

    name: str
    count: int
    says: bytes = b""  # or, for an association, the whole of it
    tls: bool = False
    idle: bool = False


CROWDS = (
    Crowd("nobody else", 0),
    Crowd("idle associations", 100, _HELLO, idle=True),
    Crowd("idle associations", 500, _HELLO, idle=True),
    Crowd("half PDUs", 500, _HELLO[:3]),
    Crowd("half TLS hellos", 500, HALF_HELLO, tls=True),
)


@dataclass(slots=True)
class Felt:
    """What was measured with one crowd, and right before and after it without."""

    quiet: Sample = field(default_factory=Sample)
    sample: Sample = field(default_factory=Sample)
    megabytes: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    dropped: list[float] = field(default_factory=list)


def run(space: Workspace) -> Iterator[str | Goal]:
    size = space.scale.sizes[-1]
    authority = Authority(_folder(space))
    authority.certify("ris")
    # That of the product, but where only a smoke is wanted.
    deadline = "5" if space.scale.slice_seconds > 0.1 else "2"
    for database in space.databases():
        site = space.site(database)
        site.fill(size)
        yield f"### {database}, {size:,} steps"
        (tls_port,) = free_ports(1)
        settings = {
            "RIS_DICOM__TLS_PORT": str(tls_port),
            "RIS_DICOM__TLS_CERT": str(authority.folder / "ris.pem"),
            "RIS_DICOM__TLS_KEY": str(authority.folder / "ris.key"),
            "RIS_DICOM__ASSOCIATIONS_PER_AE": "5000",
            "RIS_DICOM__ASSOCIATE_SECONDS": deadline,
        }
        started = [_start(site) for _ in range(space.scale.rounds)]
        with ris.part(site, "dicom", **settings) as part:
            _ask(part.port, 0.2)
            felt = _felt(part, tls_port, space.scale.slice_seconds)
            yield _crowded(felt)
            yield _dropped(felt, deadline)
            yield flooded(part, _ask, space.scale.slice_seconds, space.scale.rounds)
            yield from _idle_goals(felt, database)
            yield from _others(part, tls_port, authority, started, database)


def _folder(space: Workspace) -> Path:
    folder = space.folder / "certificates"
    folder.mkdir()
    return folder


# --- crowds


def _felt(part: Part, tls_port: int, seconds: float) -> dict[Crowd, Felt]:
    felt = {crowd: Felt() for crowd in CROWDS}
    for turn in range(_ROUNDS if seconds > 0.1 else 1):
        for position in range(len(CROWDS)):
            crowd = CROWDS[(position + turn) % len(CROWDS)]
            one = felt[crowd]
            one.quiet.add(_ask(part.port, 2 * seconds))
            before = memory(part.pid).resident
            with _gathered(crowd, tls_port if crowd.tls else part.port) as clients:
                said = time.monotonic()
                one.megabytes.append(memory(part.pid).resident - before)
                one.sample.add(_ask(part.port, 4 * seconds))
                if crowd.idle:
                    one.cpu.append(_share(part.pid, _REST_SECONDS if seconds > 0.1 else 0.2))
                elif clients and turn == 0:
                    _wait_for_end(clients)
                    one.dropped.append(time.monotonic() - said)
            one.quiet.add(_ask(part.port, 2 * seconds))
    return felt


@contextmanager
def _gathered(crowd: Crowd, port: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = []
        for place in range(crowd.count):
            source = f"127.1.{place // _PER_ADDRESS}.1"
            client = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
            )
            client.sendall(crowd.says)
            clients.append(client)
            if crowd.idle and client.recv(4_096)[0] != dicom.ASSOCIATE_AC:
                raise ris.BenchmarkError("an idle association was refused")
        yield clients


def _ask(port: int, seconds: float) -> Sample:
    return Load(
        port, lambda: WorklistTalk(ris.AE_TITLE, "day", 1_000), seconds=seconds, keep=False
    ).run()


def _share(pid: int, seconds: float) -> float:
    """Of a core, at rest."""
    cpu, began = process_cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (process_cpu(pid) - cpu) / (time.monotonic() - began)


def _wait_for_end(clients: list[socket.socket], patience: float = 30.0) -> None:
    """Until the server has ended all of these connections."""
    waiting = {client.fileno(): client for client in clients}
    poll = select.poll()
    for handle in waiting:
        poll.register(handle, select.POLLIN)
    until = time.monotonic() + patience
    while waiting and time.monotonic() < until:
        for handle, _ in poll.poll(200):
            try:
                ended = not waiting[handle].recv(4_096)
            except ConnectionError:
                ended = True
            if ended:
                poll.unregister(handle)
                del waiting[handle]
    if waiting:
        raise ris.BenchmarkError(f"{len(waiting)} connections were not ended")


def _crowded(felt: dict[Crowd, Felt]) -> str:
    rows = []
    for crowd, one in felt.items():
        sample, quiet = one.sample, one.quiet
        rows.append(
            [
                f"{crowd.count or ''} {crowd.name}".strip(),
                number(sample.median),
                number(sample.percentile(0.99)),
                times(sample.median / quiet.median),
                times(sample.percentile(0.99) / quiet.percentile(0.99)),
                f"{sample.failures.total()}",
                f"{statistics.median(one.megabytes):+.1f}",
                number(100 * statistics.median(one.cpu)) if one.cpu else "–",
            ]
        )
    heads = ["beside", "p50 ms", "p99 ms", "p50", "p99", "failed", "MiB", "CPU % at rest"]
    return (
        "A day's list on a new association, beside a crowd. Goals: p50 at most x1.2 and p99 at "
        "most x1.25 of quiet, none failed; 500 idle: at most 25 MiB and 1 % of a core.\n\n"
        + table(heads, rows)
    )


def _dropped(felt: dict[Crowd, Felt], deadline: str) -> str:
    rows = [
        [f"{crowd.count} {crowd.name}", number(max(one.dropped)), f"{deadline} s"]
        for crowd, one in felt.items()
        if one.dropped
    ]
    return "Seconds until the last of them was cut off.\n\n" + table(
        ["crowd", "seconds", "deadline"], rows
    )


def _idle_goals(felt: dict[Crowd, Felt], database: str) -> Iterator[Goal]:
    for crowd, one in felt.items():
        if crowd.count and one.cpu:
            who = f"RIS {database} beside {crowd.count} {crowd.name}"
            ratio = one.sample.median / one.quiet.median
            yield at_most(12, f"{who}: p50 ÷ quiet", 1.2, ratio)
            yield at_most(12, f"{who}: CPU of a core", 0.01, statistics.median(one.cpu), percent)
            each = 1024 * statistics.median(one.megabytes) / crowd.count
            yield at_most(12, f"{who}: KiB each", 10, each, number)


# --- the rest


def _start(site: Site) -> tuple[float, float]:
    """Seconds from the start of the process to the first association, and MiB at rest."""
    (port,) = free_ports(1)
    command = [sys.executable, str(ROOT / "manage.py"), "run", "dicom"]
    environment = {**site.environment, "RIS_DICOM__PORT": str(port)}
    log = site.folder / "start.log"
    began = time.monotonic()
    with ris.process(command, environment, log) as running:
        ris.wait_for(partial(_accepted, port), running, "ris run dicom", log)
        seconds = time.monotonic() - began
        time.sleep(0.5)
        return seconds, memory(running.pid).resident


def _accepted(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(_HELLO)
            return client.recv(4_096)[:1] == b"\x02"
    except OSError:
        return False


def _at_once(port: int) -> tuple[float, int]:
    """Milliseconds until the last of many that came at one moment was accepted, and refusals."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(_AT_ONCE)]
        began = time.perf_counter()
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        accepted = refused = 0
        poll = select.poll()
        by_handle = {client.fileno(): client for client in clients}
        for handle in by_handle:
            poll.register(handle, select.POLLOUT)
        while accepted + refused < _AT_ONCE and time.perf_counter() - began < 10:
            for handle, event in poll.poll(1_000):
                if event & select.POLLOUT:
                    by_handle[handle].send(_HELLO)
                    poll.modify(handle, select.POLLIN)
                    continue
                poll.unregister(handle)
                answer = by_handle[handle].recv(4_096)
                accepted += answer[:1] == b"\x02"
                refused += answer[:1] != b"\x02"
        return 1000 * (time.perf_counter() - began), _AT_ONCE - accepted


def _query_ms(port: int, context: ssl.SSLContext | None) -> float:
    """One day's list from connect to release, with blocking sockets."""
    talk = WorklistTalk(ris.AE_TITLE, "day", 1_000)
    began = time.perf_counter()
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            client = stack.enter_context(context.wrap_socket(client, server_hostname="127.0.0.1"))
        client.sendall(talk.hello())
        said = Said.MORE
        while said is not Said.PARTED:
            said, _ = talk.hear(client.recv(1 << 18))
            if said is Said.OPEN:
                client.sendall(talk.request())
            elif said is Said.ANSWERED:
                client.sendall(talk.goodbye())
        return 1000 * (time.perf_counter() - began)


def _others(
    part: Part,
    tls_port: int,
    authority: Authority,
    started: list[tuple[float, float]],
    database: str,
) -> Iterator[str | Goal]:
    rounds = len(started)
    starts, rests = zip(*started, strict=True)
    context = ssl.create_default_context(cafile=str(authority.folder / "authority.pem"))
    plain, secure, slowest, refusals = [], [], [], 0
    for _ in range(40 * rounds):
        plain.append(_query_ms(part.port, None))
        secure.append(_query_ms(tls_port, context))
    for _ in range(4 * rounds):
        milliseconds, refused = _at_once(part.port)
        slowest.append(milliseconds)
        refusals += refused
    extra = statistics.median(secure) - statistics.median(plain)
    ours = f"RIS {database}"
    what = f"{ours}, {_AT_ONCE} connects at once: slowest, median of rounds"
    yield at_most(13, what, 200, statistics.median(slowest), milliseconds_of)
    yield at_most(13, f"{ours}, {_AT_ONCE} connects at once: refused", 0, refusals, _count)
    yield at_most(20, f"{ours}: MiB of the DICOM process at rest", 90, min(rests), number)
    yield at_most(
        21, f"{ours}: seconds from start to the first association", 1, min(starts), number
    )
    yield at_most(22, f"{ours}, new association: TLS, more than plain", 3, extra, milliseconds_of)
    yield (
        f"32 connects at one moment, slowest of all rounds: {number(max(slowest))} ms. Memory: "
        "where the development tools are installed, pydicom and structlog load requests and rich, "
        "which takes some 10 MiB."
    )


def _count(value: float) -> str:
    return f"{value:.0f}"
