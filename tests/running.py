"""A running RIS for tests: `ris up` as a user starts it, in a folder and on ports of its own."""

from __future__ import annotations

import fcntl
import http.client
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0
STOP_SECONDS = 20.0
PREPARE_SECONDS = 300.0  # all tables and the demo, perhaps beside much else


# Below what the system gives to outgoing connections (from 32768), and each process of a test run
# has ports of its own: what is free now is free when the product takes it a moment later.
_PORTS = 2_000
_numbers = itertools.count(random.SystemRandom().randrange(_PORTS))


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on; not given again soon."""
    first = 20_000 + _PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 6)
    found: list[int] = []
    for number in itertools.islice(_numbers, _PORTS):
        port = first + number % _PORTS
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free port")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Poll until true; fail with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass(slots=True)
class Running:
    """Addresses and process of a RIS under test."""

    process: subprocess.Popen[str]
    data_dir: Path
    environment: dict[str, str]
    http_port: int
    dicom_port: int
    mllp_port: int
    ae_title: str = "RIS"
    token: str = "demo-ehr-token"
    password: str = "demo"
    owns_database: bool = False  # made for this one, dropped at its end

    @property
    def database_url(self) -> str:
        return self.environment.get("RIS_DATABASE_URL") or f"sqlite:///{self.data_dir}/ris.sqlite3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def fhir_url(self) -> str:
        return f"{self.url}/fhir"

    @property
    def output(self) -> str:
        """Everything the parts have written so far."""
        return (self.data_dir / "output").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def pids(self) -> dict[str, int]:
        """Process ids of the parts by name (children of the supervisor)."""
        return {
            name: int(file.read_text())
            for file in (self.data_dir / "run").glob("*.pid")
            if (name := file.stem)
        }

    def ris(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another command against the same data."""
        return ris(*arguments, environment=self.environment, seconds=seconds)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(STOP_SECONDS)
            if self.owns_database:
                drop_database(self.database_url)
            return code
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop within {STOP_SECONDS:g} s\n{self.output}") from None


def own_database() -> dict[str, str]:
    """With ``--database=postgresql`` the product under test gets an empty database there too."""
    return {} if _cluster() is None else _create_database(f"ris_{uuid.uuid4().hex[:12]}")


def _cluster() -> str | None:
    return os.environ.get("RIS_TEST_DATABASE_URL")


def _create_database(name: str, template: str = "template1") -> dict[str, str]:
    import psycopg

    cluster = os.environ["RIS_TEST_DATABASE_URL"]
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return {"RIS_DATABASE_URL": f"{cluster.rpartition('/')[0]}/{name}"}


def drop_database(url: str) -> None:
    """Undo :func:`own_database`."""
    import psycopg

    with psycopg.connect(os.environ["RIS_TEST_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


def clean_environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment without settings of the test run or of the developer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RIS_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return {
        **kept,
        "RIS_CONFIG_FILE": os.devnull,
        "RIS_DATA_DIR": str(data_dir),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }


def ris(
    *arguments: str, environment: Mapping[str, str], seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a `ris` command to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def printed(script: str, data_dir: Path) -> str:
    """What a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean_environment(data_dir),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def prepared(data_dir: Path, *, demo: bool) -> dict[str, str]:
    """Fill an empty data folder with what the first start would make; says where its database is.

    A copy of one that is made once in a test run (on PostgreSQL: once in each cluster): migrations
    and demo data take seconds.
    """
    shared = Path(os.environ["RIS_TEST_FOLDER"])
    if _cluster() is not None:
        shared /= f"postgresql-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
        shared.mkdir(exist_ok=True)
    with (shared / "preparing").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        original = _original(shared, demo=demo)
    _copy(original, data_dir)
    if _cluster() is None:
        return {}
    return _create_database(f"ris_{uuid.uuid4().hex[:12]}", _database_of(original))


def _original(shared: Path, *, demo: bool) -> Path:
    original = shared / ("prepared-demo" if demo else "prepared")
    if not original.exists():
        making = shared / "being-prepared"
        shutil.rmtree(making, ignore_errors=True)
        tables = _original(shared, demo=False) if demo else None
        if tables is not None:
            _copy(tables, making)  # the tables are there already
        database: dict[str, str] = {}
        if _cluster() is not None:
            template = _database_of(tables) if tables is not None else "template1"
            database = _create_database(_database_of(original), template)
        environment = clean_environment(
            making, **database, **({"RIS_DEMO": "true"} if demo else {})
        )
        done = ris("prepare", environment=environment, seconds=PREPARE_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        making.rename(original)
    return original


def _database_of(original: Path) -> str:
    return original.name.replace("-", "_")


def _copy(original: Path, data_dir: Path) -> None:
    shutil.copytree(
        original, data_dir, ignore=shutil.ignore_patterns("run", "queue"), dirs_exist_ok=True
    )


def start(
    data_dir: Path, *arguments: str, ready: bool = True, first: bool = False, **settings: str
) -> Running:
    """Start `ris up` and wait for its banner; ``first`` on a folder with nothing in it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    http_port, dicom_port, mllp_port = free_ports(3)
    database: dict[str, str] = {}
    if "RIS_DATABASE_URL" not in settings:
        if first:
            database = own_database()
        elif not (data_dir / "ris.sqlite3").exists():
            database = prepared(data_dir, demo="--demo" in arguments)
    environment = clean_environment(
        data_dir,
        **database,
        RIS_HTTP__PORT=str(http_port),
        RIS_DICOM__PORT=str(dicom_port),
        RIS_MLLP__PORT=str(mllp_port),
        **settings,
    )
    output = data_dir / "output"
    with output.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    running = Running(
        process,
        data_dir,
        environment,
        http_port,
        dicom_port,
        mllp_port,
        owns_database=bool(database),
    )
    deadline = time.monotonic() + START_SECONDS
    while ready and "RIS is ready" not in running.output:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError(f"`ris up` did not become ready\n{running.output}")
        time.sleep(0.05)
    return running


@contextmanager
def running_ris(data_dir: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """A ready RIS, stopped at the end whatever happens."""
    running = start(data_dir, *arguments, ready=True, first=False, **settings)
    try:
        yield running
    finally:
        running.stop()
