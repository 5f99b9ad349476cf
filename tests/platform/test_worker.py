"""The doorbell between processes, and the sweeper that makes up for every lost ring."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from ris import config, parts, tasks
from ris.celery import app, purge_embedded_queue
from tests.running import free_ports, wait_until


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of delivery passes; the pass itself belongs to the outbox."""
    made: list[float] = []

    def deliver() -> None:
        tasks.ran_at["deliver"] = time.monotonic()
        made.append(time.monotonic())

    monkeypatch.setattr(tasks, "deliver", deliver)
    monkeypatch.setattr(tasks, "run_timers", lambda: None)
    return made


@pytest.fixture
def sweeper(tmp_path: Path, passes: list[float]) -> Iterator[parts.Sweeper]:
    thread = parts.Sweeper(tmp_path / "worker")
    yield thread
    thread.stopping.set()
    thread.ended.set()
    thread.join(5)


def messages() -> list[Path]:
    return sorted((config.load().home / "queue" / "messages").glob("*.msg"))


@pytest.fixture(autouse=True)
def _empty_queue() -> Iterator[None]:
    purge_embedded_queue(config.load())
    yield
    purge_embedded_queue(config.load())


def test_a_ring_is_a_small_file_with_a_task_name_and_a_time_only() -> None:
    before = time.time()

    tasks.Doorbell().ring()

    (file,) = messages()
    headers = json.loads(file.read_text())["headers"]
    assert headers["task"] == "ris.deliver"
    assert before <= float(headers["argsrepr"].strip("(),")) <= time.time()
    assert file.parent.stat().st_mode & 0o077 == 0


def test_doorbells_nobody_answered_are_forgotten_at_the_start_of_a_worker() -> None:
    for _ in range(3):
        tasks.Doorbell().ring()
    assert len(messages()) == 3

    purge_embedded_queue(config.load())

    assert messages() == []


def test_with_the_broker_away_a_ring_fails_once_quickly_and_then_stays_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (port,) = free_ports(1)
    tried: list[float] = []
    send = tasks.deliver_task.apply_async

    def ring_a_dead_broker(*arguments: Any, **options: Any) -> Any:
        tried.append(time.monotonic())
        with app.connection_for_write(f"redis://127.0.0.1:{port}/0") as link:
            return send(*arguments, connection=link, **options)

    monkeypatch.setattr(tasks.deliver_task, "apply_async", ring_a_dead_broker)
    bell = tasks.Doorbell()
    began = time.monotonic()

    for _ in range(100):
        bell.ring()

    assert len(tried) == 1
    assert bell.is_silent
    assert time.monotonic() - began < 5


def test_storms_of_rings_cost_one_pass(passes: list[float]) -> None:
    tasks._delivering_since = time.time() + 1
    try:
        for _ in range(100):
            tasks.deliver_task(time.time())
        assert passes == []
        tasks.deliver_task(time.time() + 2)
        assert len(passes) == 1
    finally:
        tasks._delivering_since = 0.0


def test_without_any_ring_the_worker_looks_for_itself(
    sweeper: parts.Sweeper, passes: list[float]
) -> None:
    sweeper.start()

    wait_until(lambda: len(passes) >= 2, "two passes by the sweeper", 10)
    assert parts.QUIET_SECONDS + parts.SWEEP_SECONDS < 2  # with the broker down (R13)
    assert sweeper.seen.exists()


def test_while_doorbells_are_answered_the_sweeper_stays_quiet(
    sweeper: parts.Sweeper, passes: list[float]
) -> None:
    tasks.ran_at["deliver"] = time.monotonic() + 3600
    try:
        sweeper.start()
        wait_until(sweeper.seen.exists, "a first look of the sweeper", 10)
        assert passes == []
    finally:
        tasks.ran_at["deliver"] = 0.0


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_seen_while_a_pass_takes_long(
    sweeper: parts.Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads that no worker was seen for a minute ends one that is at work."""
    seen: list[bool] = []
    ended = threading.Event()

    def long() -> None:
        for _ in range(2):
            sweeper.seen.unlink(missing_ok=True)
            sweeper._seen_at -= parts.SEEN_SECONDS + 1
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            seen.append(sweeper.seen.exists())
        connection.close()
        ended.set()
        sweeper.stopping.set()

    monkeypatch.setattr(tasks, "deliver", long)

    sweeper.start()

    assert ended.wait(10)
    assert seen == [True, True]


def test_a_database_that_is_away_does_not_end_the_sweeper(
    sweeper: parts.Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def broken() -> None:
        tries.append(1)
        raise ConnectionError("gone")

    monkeypatch.setattr(tasks, "deliver", broken)

    sweeper.start()

    wait_until(lambda: len(tries) >= 2, "a second try after a failed one", 10)


def test_a_process_is_at_work_as_long_as_a_pass_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("ris.services.timers.run_due", lambda: seen.append(tasks.is_at_work()))

    thread = threading.Thread(target=tasks.run_timers)
    thread.start()
    thread.join(5)

    assert seen == [True]
    assert not tasks.is_at_work()
