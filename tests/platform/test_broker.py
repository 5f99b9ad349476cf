"""A worker process answers doorbells through each broker, and goes on without any."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import schedule
from structlog.testing import capture_logs

from ris.ringing import Ringer
from tests.programs import ROOT, requires
from tests.redis import running_redis
from tests.running import clean_environment, prepared, wait_until

pytestmark = pytest.mark.wire


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


@requires("redis")
def test_redis_carries_the_doorbell_and_its_death_stops_nothing(
    data_dir: Path, tmp_path: Path
) -> None:
    import redis

    with running_redis(tmp_path) as (url, server):
        environment = clean_environment(data_dir, RIS_BROKER_URL=url)
        with redis.Redis.from_url(url) as client, running_part("worker", environment):
            make_event("uma", environment)
            wait_until(lambda: waiting_events(data_dir) == 0, "the event is fanned out")
            assert client.info("commandstats")["cmdstat_lpush"]["calls"] >= 1

            server.kill()
            server.wait()
            make_event("ugo", environment)

            wait_until(lambda: waiting_events(data_dir) == 0, "an event without a broker")


@requires("redis")
def test_beat_rings_through_redis(data_dir: Path, tmp_path: Path) -> None:
    import redis

    with running_redis(tmp_path) as (url, _):
        environment = clean_environment(data_dir, RIS_BROKER_URL=url)
        with redis.Redis.from_url(url) as client, running_part("beat", environment):
            wait_until(lambda: int(client.llen("ris")) >= 2, "two turns of the beat")


@requires("redis")
def test_beat_ends_on_a_signal_though_its_broker_hangs(data_dir: Path, tmp_path: Path) -> None:
    import redis

    with running_redis(tmp_path) as (url, server):
        environment = clean_environment(data_dir, RIS_BROKER_URL=url)
        with redis.Redis.from_url(url) as client, running_part("beat", environment) as beat:
            wait_until(lambda: int(client.llen("ris")) >= 1, "a turn of the beat")
            server.send_signal(signal.SIGSTOP)
            try:
                beat.send_signal(signal.SIGTERM)
                assert beat.wait(10) == 0
            finally:
                server.send_signal(signal.SIGCONT)


def test_a_worker_starts_delivers_and_stops_while_its_broker_is_away(data_dir: Path) -> None:
    environment = clean_environment(data_dir, RIS_BROKER_URL="redis://127.0.0.1:9/0")
    make_event("uma", environment)

    with running_part("worker", environment):
        wait_until(lambda: waiting_events(data_dir) == 0, "the event is fanned out")


@requires("redis")
def test_a_broker_that_is_away_is_told_once_and_its_return_too(tmp_path: Path) -> None:
    with running_redis(tmp_path) as (url, server):
        away = Celery("away", broker=url, set_as_current=False)
        away.conf.update(broker_transport_options={"max_retries": 1}, task_publish_retry=False)
        clock = Ringer(app=away)
        entry = clock.Entry(name="sweep", task="ris.sweep", schedule=schedule(1), app=away)
        with capture_logs() as logs:
            clock.apply_entry(entry)
            server.kill()
            server.wait()
            clock.apply_entry(entry)
            clock.apply_entry(entry)
            with running_redis(tmp_path, at=url):
                clock.apply_entry(entry)

    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "the broker cannot be rung"),
        ("info", "the broker is rung again"),
    ]
