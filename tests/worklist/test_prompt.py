"""Known answers are given at once, and only as long as nothing changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from ris.models import Device, Patient
from ris.selectors.worklist_memory import DataVersion
from ris.services import queries
from ris.services.queries import AnsweredQuery, Said
from tests import make
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist.admission import Caller, Decision, Gatekeeper
from worklist.config import ListenerConfig
from worklist.handlers import Handlers
from worklist.negotiation import Negotiator
from worklist.prompt import FindMemory, Remembered
from worklist.registry import Registry
from worklist.service import CALLING_AE_NOT_RECOGNIZED, FindAnswer, Request
from worklist.sop_classes import Operation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()
    make.booked()


@pytest.fixture
def asked() -> list[AnsweredQuery]:
    return []


@pytest.fixture
def server(asked: list[AnsweredQuery]) -> Iterator[Handlers]:
    """Handlers whose register is read once in a test."""
    made = Handlers(Registry("RIS", seconds=3600), record=asked.append)
    yield made
    made.version.close()


def query(ae_title: str = "CT1") -> Request:
    return requests.request(Operation.C_FIND, identifier(PatientName=""), ae_title=ae_title)


def elsewhere(work: Callable[[], Any]) -> None:
    """Do it on another connection."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def rename() -> None:
    Patient.objects.update(name="Other^Name", version=F("version") + 1)


def can_tell(server: Handlers) -> bool:
    return server.version.read() is not None


def test_the_same_question_gets_the_same_answer_and_is_recorded_each_time(
    server: Handlers, asked: list[AnsweredQuery]
) -> None:
    if not can_tell(server):
        pytest.skip("the database is in memory")
    for _ in range(50):
        # A PostgreSQL server has one snapshot for all its databases: another's commit shows.
        before = server.version.read()
        server.c_find(query())  # what is asked for once is not kept
        asked.clear()
        first = server.c_find(query())
        second = server.c_find(query())
        if server.version.read() == before:
            break
    else:
        pytest.fail("somebody wrote all the time")

    assert second is first
    assert [one.said.shown.matches for one in asked] == [1, 1]
    assert len({one.correlation for one in asked}) == 2


def ask_twice(server: Handlers, ae_title: str = "CT1") -> None:
    """So that the answer is known."""
    server.c_find(query(ae_title))
    server.c_find(query(ae_title))


def test_what_is_asked_for_the_first_time_is_not_kept(server: Handlers) -> None:
    server.c_find(query())
    once = len(server.memory._known)
    server.c_find(query())

    assert once == 0
    assert len(server.memory._known) == int(can_tell(server))


def test_what_was_asked_once_is_forgotten_in_time(server: Handlers) -> None:
    server.memory.asked = 1
    make.device("CT2")
    for ae_title in ("CT1", "CT2", "CT1"):
        server.c_find(query(ae_title))

    assert len(server.memory._known) == 0
    assert len(server.memory._asked) == 1


def test_who_writes_makes_the_answer_anew(server: Handlers) -> None:
    ask_twice(server)
    elsewhere(rename)

    assert server.c_find_at_once(query()) is None
    (found,) = requests.rows(server.c_find(query()))
    assert str(found.PatientName) == "Other^Name"


def test_what_the_own_thread_wrote_makes_the_answer_anew(server: Handlers) -> None:
    ask_twice(server)
    rename()

    assert server.c_find_at_once(query()) is None
    (found,) = requests.rows(server.c_find(query()))
    assert str(found.PatientName) == "Other^Name"


def test_another_device_is_answered_by_its_own_rules(server: Handlers) -> None:
    make.device("CT2")
    ask_twice(server, "CT1")

    assert server.c_find_at_once(query("CT2")) is None


def test_an_answer_goes_with_the_register(server: Handlers) -> None:
    ask_twice(server)
    server.registry._snapshot = None
    before = server.c_find_at_once(query())
    server.registry.snapshot()

    assert before is None
    assert server.c_find_at_once(query()) is None


def test_inside_a_transaction_nothing_can_be_told() -> None:
    from django.db import transaction

    with transaction.atomic():
        assert DataVersion().read() is None


def test_a_failing_file_is_no_reason_for_silence(
    server: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[AnsweredQuery] = []

    def full(_: AnsweredQuery) -> None:
        raise OSError("no space")

    server.record = full
    monkeypatch.setattr(queries, "record", kept.extend)

    assert len(requests.rows(server.c_find(query()))) == 1
    assert server.c_find_at_once(query()) is None
    assert len(kept) == 1


def test_the_memory_is_bounded_by_matches() -> None:
    memory = FindMemory(capacity=40)
    for number in range(9):
        request = requests.request(
            Operation.C_FIND, identifier(PatientName=""), ae_title=f"CT{number}"
        )
        memory.remember(request, Remembered(1, None, FindAnswer(matches=5), Said()))

    assert len(memory._known) == 2
    assert memory._held == 30


# --- admission


_RAW = b"an association request"


class Agreed(Negotiator):
    """Negotiates the same for all."""

    def __init__(self) -> None:
        super().__init__(ListenerConfig())
        self.times = 0

    def negotiate(self, raw: bytes, only: frozenset[str] | None = None) -> Any:
        self.times += 1
        return _AGREEMENT


_AGREEMENT: Any = None


@pytest.fixture
def gatekeeper(server: Handlers) -> Gatekeeper:
    from worklist.negotiation import Agreement

    global _AGREEMENT  # made once, as it needs the settings
    _AGREEMENT = Agreement({}, b"accepted", 0, (), "", "", {}, {})
    return Gatekeeper(server, Agreed())


def caller(address: str = "127.0.0.1", port: int = 1) -> Caller:
    return Caller(address, port, False, None)


def test_who_was_let_in_is_let_in_again(server: Handlers, gatekeeper: Gatekeeper) -> None:
    server.registry.snapshot()
    decided = gatekeeper.decide(_RAW, ("CT1", "RIS"), caller())
    known = gatekeeper.recall(_RAW, caller(port=2))

    assert isinstance(decided, Decision)
    assert known is not None
    assert known.answer == decided.answer
    assert known.request.port == 2


def test_nobody_else_is_let_in_for_that(server: Handlers, gatekeeper: Gatekeeper) -> None:
    server.registry.snapshot()
    gatekeeper.decide(_RAW, ("CT1", "RIS"), caller())

    assert gatekeeper.recall(_RAW, caller("10.1.1.1")) is None
    assert gatekeeper.recall(_RAW + b".", caller()) is None


def test_a_device_that_was_closed_is_asked_about_anew(
    server: Handlers, gatekeeper: Gatekeeper
) -> None:
    server.registry.snapshot()
    gatekeeper.decide(_RAW, ("CT1", "RIS"), caller())
    Device.objects.update(active=False)
    server.registry._snapshot = None  # as after a second

    assert gatekeeper.recall(_RAW, caller()) is None
    server.registry.snapshot()
    assert gatekeeper.recall(_RAW, caller()) is None
    verdict = gatekeeper.decide(_RAW, ("CT1", "RIS"), caller())
    assert (verdict.result, verdict.source, verdict.diagnostic) == (  # type: ignore[union-attr]
        CALLING_AE_NOT_RECOGNIZED.result,
        CALLING_AE_NOT_RECOGNIZED.source,
        CALLING_AE_NOT_RECOGNIZED.diagnostic,
    )


@pytest.mark.only("sqlite")
def test_the_number_of_a_database_in_a_file_changes_with_each_commit(tmp_path: Path) -> None:
    import sqlite3

    from django.db import connections

    file = tmp_path / "some.sqlite3"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE one (id)")
    before = connections.settings["default"]["NAME"]
    connections.settings["default"]["NAME"] = str(file)
    try:
        version = DataVersion()
        first, second = version.read_at_once(), version.read_at_once()
        with sqlite3.connect(file) as other:
            other.execute("INSERT INTO one VALUES (1)")
        third = version.read_at_once()
        version.close()
    finally:
        connections.settings["default"]["NAME"] = before

    assert first is not None
    assert first == second
    assert third != first
