"""kill -9 of any part at any moment: nothing acknowledged is lost, nothing happens twice.

RIS_TEST_KILLS sets how often: 60 by default, of which no part is spared at work nor while it
starts; by hand 200 and more, after a change of how parts store or send. The parts run as `ris up`
runs them; the clients behave as theirs do in life (see ``load``), and every promise they got is
checked against what is stored and what a receiver of results heard.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import running
from tests.kill import load
from tests.peers import Heard, MllpReceiver
from tests.running import ROOT, Running, wait_until

# Lost connections are the point here.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

KILLS = int(os.environ.get("RIS_TEST_KILLS", "60"))
# On PostgreSQL the promises are the same and the database has its own record: fewer deaths do.
KILLS_POSTGRESQL = KILLS // 2
BETWEEN_KILLS = 0.25  # seconds, on average
PARTS = ("web", "dicom", "mllp", "worker", "beat")
# A kill is drawn by weight: beat only rings a bell, so it is killed least.
WEIGHTS = (4, 6, 6, 5, 1)
AT_WORK, STARTING = "at work", "starting"
# What is to happen at least once; a part that does not listen is not seen to start.
POINTS = {(part, AT_WORK) for part in PARTS} | {(part, STARTING) for part in PARTS[:3]}

SITE = """
[[endpoint]]
name = "LEDGER"
protocol = "hl7"
direction = "out"
host = "127.0.0.1"
port = {port}
version = "2.5.1"
sends = ["results", "order-status"]
"""


@contextmanager
def site(folder: Path) -> Iterator[Running]:
    """The demo site under a supervisor that does not wait before it starts a part again."""
    folder.mkdir(parents=True)
    database = running.prepared(folder, demo=True)
    http_port, dicom_port, mllp_port = running.free_ports(3)
    environment = running.clean_environment(
        folder,
        RIS_HTTP__PORT=str(http_port),
        RIS_DICOM__PORT=str(dicom_port),
        RIS_MLLP__PORT=str(mllp_port),
        **database,
        PYTHONPATH=str(ROOT),
    )
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.kill.supervise", "--demo"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    site = Running(process, folder, environment, http_port, dicom_port, mllp_port)
    try:
        wait_until(lambda: "RIS is ready" in site.output, f"a start\n{site.output}", 60)
        yield site
    finally:
        site.stop()


def kill(site: Running, name: str, *moments: str) -> tuple[str, str] | None:
    """Kill a part with all its processes, if it is at one of these moments; says at which."""
    pid = site.pids().get(name)
    if pid is None or is_dead(pid):
        return None
    port = {"web": site.http_port, "dicom": site.dicom_port, "mllp": site.mllp_port}.get(name)
    moment = AT_WORK if port is None or running.accepts(port) else STARTING
    if moment not in moments:
        return None
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None  # between its last death and its next start
    return name, moment


def is_dead(pid: int) -> bool:
    """Gone, or killed and not yet buried by its parent."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except OSError:
        return True


def kill_one(site: Running, chance: random.Random, seconds: float) -> tuple[str, str] | None:
    """Kill some part at a moment that is anybody's guess."""
    time.sleep(chance.expovariate(1 / seconds))
    name = chance.choices(PARTS, WEIGHTS)[0]
    # Mostly in the middle of work, now and then while starting.
    return kill(site, name, AT_WORK, *([STARTING] if chance.random() > 0.8 else []))


def kill_at(site: Running, name: str, moment: str) -> None:
    """Kill this part at this moment: what chance has left out."""

    def done() -> bool:
        if kill(site, name, moment):
            return True
        if moment == STARTING:
            kill(site, name, AT_WORK)  # so that it starts
        return False

    wait_until(done, f"{name} to be {moment}", 60)


@pytest.mark.wire
@pytest.mark.timeout(900)
# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_promise_is_broken_and_nothing_happens_twice(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    postgresql = request.config.getoption("--database") == "postgresql"
    kills = KILLS_POSTGRESQL if postgresql else KILLS
    ledger = load.Ledger()
    chance = random.Random(20261121)
    deaths: Counter[tuple[str, str]] = Counter()
    with closing(MllpReceiver()) as receiver, site(tmp_path / "site") as ris:
        configure(ris, receiver.port)
        place = load.Site(ris.http_port, ris.dicom_port, ris.mllp_port)
        workers: list[load.Worker] = [
            load.Ehr(place, ledger, 1),
            load.Ehr(place, ledger, 2),
            load.FhirEhr(place, ledger, 3),
            load.Scanner(place, ledger, 4),
            load.Scanner(place, ledger, 5),
            load.Reader(place, ledger, 6),
        ]
        for worker in workers:
            worker.start()

        while deaths.total() < kills:
            assert ris.process.poll() is None, ris.output
            # Where the machine is slow, so are the deaths: work shall go on between them.
            pace = 1 if much_goes_on(ledger, 2 * deaths.total()) else 3
            if death := kill_one(ris, chance, pace * BETWEEN_KILLS):
                deaths[death] += 1
            check(workers)
        for point in sorted(POINTS - set(deaths)):
            kill_at(ris, *point)

        for worker in workers:
            worker.stopping.set()
        for worker in workers:
            worker.join(load.PATIENCE_SECONDS + 10)
        check(workers)
        database = ris.database_url.removeprefix("sqlite:///")
        # A worker that died holds its lease for a while (see ``supervise``).
        wait_until(lambda: is_quiet(database), "the outbox to run dry", 300)
        verdict(database, ledger, receiver, kills)
        assert ris.stop() == 0
    gc.collect()  # here, where what pynetdicom left behind is no other test's fault
    for name, said in {
        "deaths": {" ".join(death): times for death, times in deaths.items()},
        "orders by HL7": len(ledger.placed),
        "orders by FHIR": len(ledger.created),
        "canceled": len(ledger.canceled),
        "exams": len(ledger.completed),
        "reports": len(ledger.signed),
        "repeats": ledger.repeats,
        "messages heard": len(receiver.heard),
    }.items():
        record_property(name, said)


def configure(ris: Running, port: int) -> None:
    file = ris.data_dir / "site.toml"
    file.write_text(SITE.format(port=port))
    done = ris.ris("configure", str(file), "--yes")
    assert done.returncode == 0, done.stderr


def check(workers: list[load.Worker]) -> None:
    for worker in workers:
        if worker.error is not None:
            raise AssertionError(f"{worker.name} stopped") from worker.error


Rows = Any  # a connection of sqlite3 or psycopg: both have ``execute``


@contextmanager
def reading(database: str) -> Iterator[Rows]:
    """Read what is stored, past the product."""
    if database.startswith("postgres"):
        with psycopg.connect(database) as connection:
            yield connection
        return
    rows = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20)
    try:
        yield rows
    finally:
        rows.close()


def is_quiet(database: str) -> bool:
    """Every event told, every message to the ledger's endpoint delivered."""
    with reading(database) as rows:
        (untold,) = rows.execute(
            "SELECT count(*) FROM ris_domainevent WHERE fanned_out_at IS NULL"
        ).fetchone()
        (undelivered,) = rows.execute(
            "SELECT count(*) FROM ris_delivery d JOIN ris_endpoint e ON e.id = d.endpoint_id "
            "WHERE e.name = 'LEDGER' AND d.state NOT IN ('DELIVERED', 'SKIPPED')"
        ).fetchone()
    return bool(untold == 0 and undelivered == 0)


def much_goes_on(ledger: load.Ledger, kills: int) -> bool:
    return (
        len(ledger.placed) > kills / 4
        and len(ledger.created) > kills / 20
        and len(ledger.completed) > kills / 20
        and len(ledger.signed) > kills / 40
    )


def verdict(database: str, ledger: load.Ledger, receiver: MllpReceiver, kills: int) -> None:
    """Compare every promise with what is stored and what was heard."""
    assert ledger.refused == []
    assert much_goes_on(ledger, kills), "a ledger without entries proves nothing"
    with reading(database) as rows:
        if not database.startswith("postgres"):
            assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
        orders_are_there_once(rows, ledger)
        exams_are_there_once(rows, ledger)
        reports_are_there_once(rows, ledger)
        messages_were_heard_in_order(rows, receiver.heard)


def count(rows: Rows, sql: str) -> dict[str, int]:
    return dict(rows.execute(sql).fetchall())


def orders_are_there_once(rows: Rows, ledger: load.Ledger) -> None:
    wanted = set(ledger.placed) | set(ledger.created)
    stored = count(
        rows,
        "SELECT placer_order_number, count(*) FROM ris_order "
        "WHERE placer_issuer LIKE 'KILL%' GROUP BY 1",
    )
    assert wanted - set(stored) == set(), "acknowledged and lost"
    assert {number for number, times in stored.items() if times != 1} == set()
    for event in ("OrderPlaced", "OrderCanceled", "AppointmentBooked"):
        told = count(
            rows,
            "SELECT o.placer_order_number, count(*) FROM ris_domainevent e "
            "JOIN ris_order o ON o.id = e.order_id "
            f"WHERE e.name = '{event}' AND o.placer_issuer LIKE 'KILL%' GROUP BY 1",
        )
        assert {number for number, times in told.items() if times != 1} == set(), event
        if event == "OrderPlaced":
            assert set(told) == set(stored)
        if event == "OrderCanceled":
            assert ledger.canceled - set(told) == set()
    once = count(
        rows,
        "SELECT key, count(*) FROM ris_inboundmessage "
        "WHERE sender = 'KILLEHR^HOSP' AND state = 'APPLIED' GROUP BY 1",
    )
    assert {key for key, times in once.items() if times != 1} == set()
    assert {f"C{number}" for number in ledger.placed} - set(once) == set()


def exams_are_there_once(rows: Rows, ledger: load.Ledger) -> None:
    stored = dict(
        rows.execute("SELECT sop_instance_uid, status FROM ris_performedprocedurestep").fetchall()
    )
    for number, uid in ledger.started.items():
        expected = {"COMPLETED"} if number in ledger.completed else {"IN PROGRESS", "COMPLETED"}
        assert stored.get(uid) in expected, number
    steps = dict(
        rows.execute(
            "SELECT o.placer_order_number, s.status FROM ris_scheduledprocedurestep s "
            "JOIN ris_requestedprocedure p ON p.id = s.procedure_id "
            "JOIN ris_order o ON o.id = p.order_id WHERE o.placer_issuer = 'KILLEHR'"
        ).fetchall()
    )
    assert {steps[number] for number in ledger.completed} == {"COMPLETED"}
    assert {steps[number] for number in ledger.canceled} <= {"CANCELED"}


def reports_are_there_once(rows: Rows, ledger: load.Ledger) -> None:
    versions = count(
        rows,
        "SELECT o.placer_order_number, count(*) FROM ris_reportversion v "
        "JOIN ris_report r ON r.id = v.report_id JOIN ris_order o ON o.id = r.order_id "
        "WHERE o.placer_issuer = 'KILLEHR' GROUP BY 1",
    )
    assert ledger.signed - set(versions) == set(), "signed and lost"
    assert {number for number, times in versions.items() if times != 1} == set()


def messages_were_heard_in_order(rows: Rows, heard: list[Heard]) -> None:
    """Each delivery at least once, always with the same control id, in the order of its lane."""
    sent = rows.execute(
        "SELECT d.lane, d.control_id FROM ris_delivery d JOIN ris_endpoint e "
        "ON e.id = d.endpoint_id WHERE e.name = 'LEDGER' AND d.state = 'DELIVERED' ORDER BY d.id"
    ).fetchall()
    first: dict[str, float] = {}
    for message in heard:
        first.setdefault(message.control_id, message.at)
    lanes: dict[str, list[float]] = defaultdict(list)
    for lane, control_id in sent:
        assert control_id in first, "marked as delivered and never heard"
        lanes[lane].append(first[control_id])
    assert {control_id for _, control_id in sent} >= set(first)
    assert [lane for lane, times in lanes.items() if times != sorted(times)] == []
