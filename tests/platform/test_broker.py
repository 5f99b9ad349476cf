"""A worker process answers doorbells through each broker, and goes on without any."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import schedule
from structlog.testing import capture_logs

from ris import config, probes
from ris.celery import app, broker_settings
from ris.ringing import Ringer
from tests.programs import ROOT, demand, requires
from tests.rabbitmq import RabbitMQ
from tests.redis import Redis
from tests.running import clean_environment, prepared, wait_until

pytestmark = pytest.mark.wire

Broker = Redis | RabbitMQ
BROKERS = [pytest.param(name, marks=requires(name)) for name in ("redis", "rabbitmq")]
NOBODY = ["redis://127.0.0.1:9/0", "amqp://guest:guest@127.0.0.1:9//"]


@pytest.fixture(scope="session")
def running_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """It takes seconds to start, so there is one."""
    demand("rabbitmq")
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    yield server
    server.remove()


@pytest.fixture
def rabbitmq(running_rabbitmq: RabbitMQ) -> RabbitMQ:
    running_rabbitmq.be_new("ris")
    return running_rabbitmq


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbitmq")
        return
    server = Redis(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    prepared(tmp_path / "var", demo=False)
    return tmp_path / "var"


@contextmanager
def running_part(name: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", name],
        env=environment,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def make_event(name: str, environment: dict[str, str]) -> None:
    """A change through the door, in a process of its own, which rings after its commit."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "user", "add", name, "--role", "scheduler"],
        env=environment,
        input="quite a long passphrase\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def waiting_events(data_dir: Path) -> int:
    with closing(sqlite3.connect(data_dir / "ris.sqlite3")) as connection:
        row = connection.execute(
            "SELECT count(*) FROM ris_domainevent WHERE fanned_out_at IS NULL"
        ).fetchone()
    return int(row[0])


def test_without_any_broker_set_the_queue_folder_carries_the_doorbell(data_dir: Path) -> None:
    environment = clean_environment(data_dir)
    make_event("uma", environment)
    assert waiting_events(data_dir) == 1

    with running_part("worker", environment):
        wait_until(lambda: waiting_events(data_dir) == 0, "the event of before is fanned out")
        make_event("ugo", environment)
        wait_until(lambda: waiting_events(data_dir) == 0, "the event of now is fanned out")


def test_a_broker_carries_the_doorbell_and_its_death_stops_nothing(
    data_dir: Path, broker: Broker
) -> None:
    environment = clean_environment(data_dir, RIS_BROKER_URL=broker.url)
    make_event("uma", environment)
    assert len(broker.waiting("ris")) == 1

    with running_part("worker", environment):
        wait_until(lambda: broker.waiting("ris") == [], "the doorbell is answered")
        wait_until(lambda: waiting_events(data_dir) == 0, "the event is fanned out")

        broker.kill()
        make_event("ugo", environment)
        wait_until(lambda: waiting_events(data_dir) == 0, "an event without a broker")

        broker.start()
        wait_until(lambda: broker.listeners("ris") == 1, "the worker listens again", 30)


RING = """
import sys
from ris import tasks

tasks.RING_SECONDS = 0
bell = tasks.Doorbell()
for _ in sys.stdin:
    bell.ring()
    print("silent" if bell.is_silent else "rung", flush=True)
"""


class Bell:
    """The doorbell in a process of its own, with the settings and connections it has in life."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RING],
            cwd=ROOT,
            env={**environment, "DJANGO_SETTINGS_MODULE": "ris.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ring(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.communicate(timeout=20)


def test_a_ring_is_a_task_name_and_a_time_only_and_is_not_kept_on_disk(
    tmp_path: Path, broker: Broker
) -> None:
    before = time.time()
    with closing(Bell(clean_environment(tmp_path, RIS_BROKER_URL=broker.url))) as bell:
        assert bell.ring() == "rung"

    (ring,) = broker.waiting("ris")
    (rung_at,), named, _ = json.loads(json.loads(ring)["body"])
    assert before <= rung_at <= time.time()
    assert named == {}
    assert '"task": "ris.deliver"' in ring
    assert '"delivery_mode": 1' in ring


def test_a_bell_whose_connection_ended_rings_by_a_new_one(tmp_path: Path, broker: Broker) -> None:
    with closing(Bell(clean_environment(tmp_path, RIS_BROKER_URL=broker.url))) as bell:
        assert bell.ring() == "rung"
        broker.drop_connections()
        assert bell.ring() == "rung"

    assert len(broker.waiting("ris")) == 2


def code_at_the_end(part: subprocess.Popen[bytes], *, while_hangs: Broker) -> int:
    while_hangs.process.send_signal(signal.SIGSTOP)
    try:
        part.send_signal(signal.SIGTERM)
        return part.wait(10)
    finally:
        while_hangs.process.send_signal(signal.SIGCONT)


def test_beat_rings_through_a_broker_and_ends_though_it_hangs(
    data_dir: Path, broker: Broker
) -> None:
    environment = clean_environment(data_dir, RIS_BROKER_URL=broker.url)
    with running_part("beat", environment) as beat:
        wait_until(lambda: len(broker.waiting("ris")) >= 2, "two turns of the beat")
        assert code_at_the_end(beat, while_hangs=broker) == 0


def test_a_worker_ends_though_its_broker_hangs(data_dir: Path, broker: Broker) -> None:
    environment = clean_environment(data_dir, RIS_BROKER_URL=broker.url)
    with running_part("worker", environment) as worker:
        wait_until(lambda: broker.listeners("ris") == 1, "the worker listens")
        assert code_at_the_end(worker, while_hangs=broker) == 0


@pytest.mark.parametrize("url", NOBODY)
def test_a_worker_starts_delivers_and_stops_while_its_broker_is_away(
    data_dir: Path, url: str
) -> None:
    environment = clean_environment(data_dir, RIS_BROKER_URL=url)
    make_event("uma", environment)

    with running_part("worker", environment):
        wait_until(lambda: waiting_events(data_dir) == 0, "the event is fanned out")


def test_a_broker_that_is_away_is_told_once_and_its_return_too(broker: Broker) -> None:
    away = Celery("away", broker=broker.url, set_as_current=False)
    away.conf.update(broker_transport_options={"max_retries": 1}, task_publish_retry=False)
    clock = Ringer(app=away)
    entry = clock.Entry(name="sweep", task="ris.sweep", schedule=schedule(1), app=away)
    with capture_logs() as logs:
        clock.apply_entry(entry)
        broker.kill()
        clock.apply_entry(entry)
        clock.apply_entry(entry)
        broker.start()
        clock.apply_entry(entry)

    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "the broker cannot be rung"),
        ("info", "the broker is rung again"),
    ]


# --- what `ris doctor` says


def asked(monkeypatch: pytest.MonkeyPatch, url: str) -> probes.Finding:
    settings = config.Configuration(broker_url=url)
    for name, value in broker_settings(settings).items():
        monkeypatch.setitem(app.conf, name, value)
    (finding,) = probes.ask([probes.broker], settings)
    return finding


def test_doctor_rings_the_broker(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    finding = asked(monkeypatch, broker.url)

    assert finding.state is probes.State.OK
    assert len(broker.waiting("ris")) == 1


@pytest.mark.parametrize("url", NOBODY)
def test_doctor_says_why_a_broker_is_away_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    finding = asked(monkeypatch, url)

    assert finding.state is probes.State.WARNING
    assert "Connection refused" in finding.text
    assert "guest:guest" not in finding.text
    assert finding.advice == (
        "deliveries go on, a second later than usual; start it, or correct RIS_BROKER_URL"
    )


@requires("rabbitmq")
def test_doctor_says_that_rabbitmq_does_not_know_the_login(
    monkeypatch: pytest.MonkeyPatch, rabbitmq: RabbitMQ
) -> None:
    finding = asked(monkeypatch, rabbitmq.url.replace("guest:guest", "guest:wrong"))

    assert finding.state is probes.State.WARNING
    assert "ACCESS_REFUSED" in finding.text
    assert "wrong" not in finding.text


@requires("rabbitmq")
def test_doctor_says_that_rabbitmq_takes_nothing_while_it_is_short_of_memory(
    monkeypatch: pytest.MonkeyPatch, rabbitmq: RabbitMQ
) -> None:
    rabbitmq.run_short_of_memory()
    try:
        finding = asked(monkeypatch, rabbitmq.url)
    finally:
        rabbitmq.have_memory_again()

    assert finding.state is probes.State.WARNING
    assert "connection blocked, see broker logs" in finding.text


@requires("rabbitmq")
def test_a_certificate_must_be_signed_by_whom_we_trust_and_name_the_broker(
    monkeypatch: pytest.MonkeyPatch, rabbitmq: RabbitMQ
) -> None:
    unknown = asked(monkeypatch, rabbitmq.tls_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(rabbitmq.authority.pem))
    known = asked(monkeypatch, rabbitmq.tls_url)
    for_another = asked(monkeypatch, rabbitmq.wrong_tls_url)

    assert "self-signed certificate in certificate chain" in unknown.text
    assert known.state is probes.State.OK
    assert len(rabbitmq.waiting("ris")) == 1
    assert "certificate is not valid for '127.0.0.2'" in for_another.text
