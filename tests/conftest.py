"""The ground the tests stand on: settings, database, golden files, and no network.

Options: ``--database=sqlite|postgresql`` runs the same suite on either; ``--update-golden``
rewrites the expected files from what the product says now (read the difference before committing).
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import network
from tests.programs import demand, postgresql_folder
from tests.running import Running, start

ROOT = Path(__file__).resolve().parent.parent
_FOLDER = "RIS_TEST_FOLDER"
_DATABASE_URL = "RIS_TEST_DATABASE_URL"
_DATABASE_URLS = "RIS_TEST_DATABASE_URLS"
_clusters: list[Any] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: tests that wait for another process leave theirs free."""
    return min((os.cpu_count() or 1) + 1, 6)


def pytest_configure(config: pytest.Config) -> None:
    """Settings must stand before Django is set up, which pytest-django does right after this."""
    config.addinivalue_line("markers", "requires(*names): programs of tests/programs.py")
    config.addinivalue_line("markers", "database: what each database decides; see CONTRIBUTING.md")
    config.addinivalue_line("markers", "only(database): what one of them alone has")
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="ris-test-")
    postgresql = config.getoption("--database") == "postgresql"
    if postgresql and not is_worker:
        if postgresql_folder() is None:
            required = os.environ.get("RIS_TEST_REQUIRE", "").split(",")
            missing = bool({"all", "postgresql"} & set(required))
            pytest.exit("no PostgreSQL binaries: nothing was run", returncode=int(missing))
        _start_clusters(config.getoption("numprocesses", None) or 1)

    for name in [name for name in os.environ if name.startswith("RIS_")]:
        if not name.startswith("RIS_TEST_") and name != "RIS_CHROMIUM":
            del os.environ[name]
    home = Path(os.environ[_FOLDER]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
    os.environ["RIS_CONFIG_FILE"] = os.devnull
    os.environ["RIS_DATA_DIR"] = str(home)
    if postgresql:
        os.environ[_DATABASE_URL] = os.environ["RIS_DATABASE_URL"] = _own_cluster()
    os.environ["DJANGO_SETTINGS_MODULE"] = "ris.settings"

    import django
    from django.conf import settings

    from ris.loading import kept

    if not postgresql:
        # A file, not memory: server threads of the product must see what the test wrote.
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(home / "test.sqlite3")
    # Argon2 is slow on purpose; passwords of the tests need no protection.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with kept():
        django.setup()
    _empty_quickly()
    _find_static_files_once()
    # A worker of xdist inherits the environment: with this name in it, pytest-django would set
    # Django up before the worker has a folder of its own.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    network.refuse_outside()


def _empty_quickly() -> None:
    from django.test import TransactionTestCase

    from tests import emptying

    TransactionTestCase._fixture_teardown = (  # type: ignore[attr-defined]
        lambda case: emptying.empty()
    )


def _find_static_files_once() -> None:
    from tests import static_files

    static_files.find_once()


def _start_clusters(number: int) -> None:
    """One for each process: PostgreSQL's snapshots tell of the writes of a whole cluster."""
    from tests.postgres import Cluster

    _clusters.extend(Cluster.create() for _ in range(number))
    os.environ[_DATABASE_URLS] = " ".join(each.url("postgres") for each in _clusters)


def _own_cluster() -> str:
    urls = os.environ[_DATABASE_URLS].split()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return urls[int(worker) % len(urls)]


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    for cluster in _clusters:
        cluster.remove()
    shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)


# The files that take longest, so that no process is left alone with one of them at the end.
_LONGEST = (
    "tests/kill/test_kill.py",
    "tests/benchmarks/test_smoke.py",
    "tests/browser/test_every_page.py",
    "tests/browser/",
    "tests/stories/",
    "tests/journeys/",
    "tests/platform/",
    "tests/swarm/",
    "tests/wire/",
)


def _turn(item: pytest.Item) -> int:
    found = (turn for turn, folder in enumerate(_LONGEST) if item.nodeid.startswith(folder))
    return next(found, len(_LONGEST))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first. On PostgreSQL only what a database decides: the rest was run."""
    items.sort(key=_turn)
    database = config.getoption("--database")
    kept = [item for item in items if _is_for(item, database)]
    config.hook.pytest_deselected(items=[item for item in items if not _is_for(item, database)])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is collected stays to the end: the garbage collector need not look at it, ever."""
    from ris.loading import kept

    # Tests make rows and answers by the thousand, nearly all of them free of cycles.
    gc.set_threshold(10_000)
    with kept():
        return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """On PostgreSQL a file that does not name the mark, where each needs it, is not loaded."""
    if config.getoption("--database") == "sqlite" or collection_path.suffix != ".py":
        return None
    folder = f"{collection_path.relative_to(ROOT).parent.as_posix()}/"
    if folder.startswith(_DECIDED_BY_DATABASE):
        return None
    is_marked = "pytest.mark.database" in collection_path.read_text(encoding="utf-8")
    return None if is_marked else True


def _is_for(item: pytest.Item, database: str) -> bool:
    only = item.get_closest_marker("only")
    if only is not None and only.args != (database,):
        return False
    return database == "sqlite" or _is_decided_by_database(item)


# Where rows are written, found, locked and migrated. What translators, listeners and pages make of
# the same rows is the same on every database, but for the tests marked ``database``.
_DECIDED_BY_DATABASE = (
    "tests/journeys/",
    "tests/kill/",
    "tests/platform/",
    "tests/races/",
    "tests/selectors/",
    "tests/services/",
    "tests/swarm/",
)
_DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


def _is_decided_by_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("database") is not None:
        return True
    return _touches_database(item) and item.nodeid.startswith(_DECIDED_BY_DATABASE)


def _touches_database(item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    marks = {mark.name for mark in item.iter_markers()}
    if marks & {"django_db", "database"} or names & _DATABASE_FIXTURES:
        return True
    # Starts processes of the product on the database that the option names.
    return item.nodeid.startswith("tests/kill/")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("requires"):
        demand(*mark.args)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What is written a moment later is written while the test's database is there."""
    from ris.services import inbox

    if _touches_database(item):
        inbox.write_notes_now()


@pytest.fixture(scope="session")
def running_ris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo site as a user starts it, one for each test process; leave it usable for others."""
    running = start(tmp_path_factory.mktemp("demo"), "--demo")
    yield running
    running.stop()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path | str, str], None]:
    """Compares text with a file of the repository, or rewrites the file with --update-golden."""

    def compare(path: Path | str, actual: str) -> None:
        file = ROOT / path
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(actual, encoding="utf-8")
            return
        assert file.is_file(), f"{path} is missing; run with --update-golden"
        assert actual == file.read_text(encoding="utf-8")

    return compare
