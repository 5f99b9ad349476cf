"""The parts on PostgreSQL, also when the server crashes and comes back."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Cluster
from tests.programs import ROOT, demand, requires
from tests.running import clean_environment, free_ports, ris, wait_until

pytestmark = [pytest.mark.wire, requires("postgresql")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    demand("postgresql")
    cluster = Cluster.create()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def prepared_at_once(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[int, str]]:
    """Two starts on one empty database: how each ended, and what it complained of."""
    environment = clean_environment(
        tmp_path_factory.mktemp("both"), RIS_DATABASE_URL=cluster.url("postgres")
    )
    both = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "prepare"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=100)[1] for process in both]
    return [(process.returncode, said) for process, said in zip(both, errors, strict=True)]


@contextmanager
def running_part(name: str, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "run", name], env=environment
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_two_starts_at_once_migrate_once(prepared_at_once: list[tuple[int, str]]) -> None:
    assert [code for code, _ in prepared_at_once] == [0, 0], prepared_at_once


@pytest.mark.usefixtures("prepared_at_once")
def test_postgresql_is_copied_and_put_back(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.url("postgres")
    environment = clean_environment(tmp_path, RIS_DATABASE_URL=url)
    copy = tmp_path / "copy.dump"
    insert = "INSERT INTO django_session VALUES (%s, 'x', '2026-01-01')"
    with psycopg.connect(url) as connection:
        connection.execute(insert, ["before"])

    made = ris("backup", "--to", str(copy), environment=environment)
    with psycopg.connect(url) as connection:
        connection.execute(insert, ["after"])
    restored = ris("restore", str(copy), "--yes", environment=environment)

    assert (made.returncode, made.stderr) == (0, "")
    assert (restored.returncode, restored.stderr) == (0, "")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM django_session").fetchone()
        numbers = connection.execute("SELECT value FROM ris_counter WHERE name = 'step'").fetchone()
    assert row == (1,)
    assert numbers == (100_000,)


@pytest.mark.usefixtures("prepared_at_once")
def test_doctor_names_the_database_it_looked_at(cluster: Cluster, tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, RIS_DATABASE_URL=cluster.url("postgres"))

    done = ris("doctor", environment=environment)

    assert f", postgres at {cluster.folder}\n" in done.stdout


@pytest.mark.usefixtures("prepared_at_once")
def test_postgresql_is_not_replaced_while_somebody_uses_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    url = cluster.url("postgres")
    environment = clean_environment(tmp_path, RIS_DATABASE_URL=url)
    copy = tmp_path / "copy.dump"
    ris("backup", "--to", str(copy), environment=environment)

    with psycopg.connect(url):
        done = ris("restore", str(copy), "--yes", environment=environment)

    assert done.returncode == 1
    assert done.stderr == ("ris: the database is in use from this machine; stop every part first\n")


@pytest.mark.usefixtures("prepared_at_once")
def test_the_copy_is_made_with_all_that_the_address_says(cluster: Cluster, tmp_path: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={cluster.folder}&application_name=ris"
    environment = clean_environment(tmp_path, RIS_DATABASE_URL=url)

    made = ris("backup", "--to", str(tmp_path / "copy.dump"), environment=environment)

    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.usefixtures("prepared_at_once")
def test_worker_and_web_survive_a_crash_of_the_database(cluster: Cluster, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = cluster.url("postgres")
    environment = clean_environment(tmp_path, RIS_DATABASE_URL=url, RIS_HTTP__PORT=str(port))

    def waiting_events() -> int:
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM ris_domainevent WHERE fanned_out_at IS NULL"
            ).fetchone()
        assert row is not None
        return int(row[0])

    with running_part("worker", environment), running_part("web", environment):
        wait_until(lambda: status(port, "/readyz") == 200, "the web server is ready", 30)

        cluster.stop(signal.SIGQUIT)
        assert status(port, "/healthz") == 200
        assert status(port, "/readyz") == 503
        assert status(port, "/metrics") == 200
        cluster.start()

        wait_until(lambda: status(port, "/readyz") == 200, "ready again", 10)
        done = ris("token", "add", "EHR", environment=environment)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: waiting_events() == 0, "the worker works again", 20)
