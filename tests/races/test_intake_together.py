"""Messages that wait for SQLite's only writer are committed together, and each stays its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ris.domain.errors import MissingValueError, RisError
from ris.domain.exchange import Protocol
from ris.domain.values import Identifier
from ris.models import InboundMessage, Order, driver
from ris.services import execute, inbox
from ris.services.inbox import Answer, Receipt
from tests import make, people
from tests.running import ROOT, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
# PostgreSQL puts commits together by itself.
in_groups = pytest.mark.only("sqlite")

DUPLICATES = int(os.environ.get("RIS_TEST_DUPLICATES", "800"))
OK = Answer(payload=b"accepted", outcome="AA")


def refuse(error: RisError) -> Answer:
    return Answer(payload=error.code.value.encode(), outcome="AE")


def receive(key: str, apply: Callable[[], Answer], raw: bytes = b"") -> Receipt:
    return inbox.receive(
        protocol=Protocol.HL7,
        actor=people.ehr,
        key=key,
        raw=raw or f"message {key}".encode(),
        message_type="ORM^O01",
        apply=apply,
        refuse=refuse,
        sender="EHR^HOSP",
    )


def place(number: str) -> Callable[[], Answer]:
    def apply() -> Answer:
        execute(make.place_order(placer=Identifier(number, "EHR")), actor=people.ehr)
        return OK

    return apply


def no() -> Answer:
    execute(make.place_order(placer=Identifier("REFUSED", "EHR")), actor=people.ehr)
    raise MissingValueError("something is missing", path="OBR-4")


def broken() -> Answer:
    execute(make.place_order(placer=Identifier("BROKEN", "EHR")), actor=people.ehr)
    raise KeyError("a fault of ours")


class Crowd:
    """Threads that wait behind a first message, and what each of them got."""

    def __init__(self) -> None:
        self.results: dict[str, Receipt | Exception] = {}
        self.groups: list[int] = []
        self._threads: list[threading.Thread] = []
        self._go_on = threading.Event()
        self._held = threading.Event()

    def hold(self) -> None:
        """A first message that is being applied until ``finish``."""

        def slow() -> Answer:
            self._held.set()
            assert self._go_on.wait(30)
            return OK

        self._start("first", slow, b"")
        assert self._held.wait(20)

    def wait_behind(self, key: str, apply: Callable[[], Answer], raw: bytes = b"") -> None:
        before = len(inbox._TOGETHER._waiting)
        self._start(key, apply, raw)
        wait_until(lambda: len(inbox._TOGETHER._waiting) > before, "one more waits")

    def wait_for(self, work: Callable[[], object]) -> None:
        """Have it done in a thread of its own."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    def finish(self) -> None:
        self._go_on.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _start(self, key: str, apply: Callable[[], Answer], raw: bytes) -> None:
        name = key if key not in self.results else f"{key} again"

        def run() -> None:
            try:
                self.results[name] = receive(key, apply, raw)
            except Exception as error:
                self.results[name] = error
            finally:
                connection.close()

        self.results[name] = ValueError("not answered")
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def outcome(self, key: str) -> str:
        result = self.results[key]
        assert isinstance(result, Receipt), result
        return result.answer.outcome


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    crowd = Crowd()
    store = inbox._store

    def counted(messages: Sequence[inbox._Incoming]) -> list[Receipt]:
        receipts = store(messages)
        crowd.groups.append(len(messages))
        return receipts

    monkeypatch.setattr(inbox, "_store", counted)
    make.device()
    yield crowd
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 1073741823")


def stored() -> dict[str, str]:
    return dict(InboundMessage.objects.order_by("pk").values_list("key", "state"))


def placed() -> set[str]:
    return set(Order.objects.values_list("placer_order_number", flat=True))


@in_groups
def test_messages_that_wait_are_one_commit(crowd: Crowd) -> None:
    crowd.hold()
    for key in ("A", "B", "C", "D"):
        crowd.wait_behind(key, place(key))

    crowd.finish()

    assert crowd.groups == [1, 4]
    assert [crowd.outcome(key) for key in "ABCD"] == ["AA"] * 4
    assert list(stored()) == ["first", "A", "B", "C", "D"]
    assert placed() == {"A", "B", "C", "D"}


@in_groups
def test_what_is_wrong_with_one_undoes_that_one(crowd: Crowd) -> None:
    crowd.hold()
    crowd.wait_behind("A", place("A"))
    crowd.wait_behind("refused", no)
    crowd.wait_behind("poisoned", broken)
    crowd.wait_behind("B", place("B"))

    crowd.finish()

    assert crowd.groups == [1, 4]
    assert stored() == {
        "first": "APPLIED",
        "A": "APPLIED",
        "refused": "REJECTED",
        "poisoned": "FAILED",
        "B": "APPLIED",
    }
    assert [crowd.outcome(key) for key in ("A", "refused", "poisoned", "B")] == [
        "AA",
        "AE",
        "AE",
        "AA",
    ]
    assert placed() == {"A", "B"}


@in_groups
def test_the_same_message_twice_in_a_group_has_one_effect(crowd: Crowd) -> None:
    crowd.hold()
    crowd.wait_behind("A", place("A"))
    crowd.wait_behind("A", place("A"))

    crowd.finish()

    first, second = crowd.results["A"], crowd.results["A again"]
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.answer == second.answer
    assert InboundMessage.objects.get(key="A").repeats == 1
    assert placed() == {"A"}


@in_groups
def test_whoever_writes_does_so_over_one_connection_and_has_its_own_again(crowd: Crowd) -> None:
    seen: dict[str, BaseDatabaseWrapper] = {}

    def note(key: str) -> Callable[[], Answer]:
        def apply() -> Answer:
            seen[key] = connections["default"]
            assert driver.here() is seen[key]
            return place(key)()

        return apply

    own = connections["default"]
    receive("A", note("A"))
    crowd.wait_for(lambda: receive("B", note("B")))

    assert seen["A"] is seen["B"]
    assert seen["A"] is not own
    assert connections["default"] is driver.here() is own
    assert placed() == {"A", "B"}


@in_groups
def test_a_connection_that_failed_is_not_passed_on(crowd: Crowd) -> None:
    def fail() -> Answer:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
        return OK

    with pytest.raises(OperationalError):
        receive("fails", fail)
    is_open = inbox._WRITING._connection is not None and inbox._WRITING._connection.connection
    crowd.wait_for(lambda: receive("A", place("A")))

    assert not is_open
    assert placed() == {"A"}


@in_groups
def test_what_the_database_refuses_is_tried_one_by_one(crowd: Crowd) -> None:
    def unlucky() -> Answer:
        raise OperationalError("disk I/O error")

    crowd.hold()
    crowd.wait_behind("A", place("A"))
    crowd.wait_behind("unlucky", unlucky)
    crowd.wait_behind("B", place("B"))

    crowd.finish()

    assert crowd.groups == [1, 1, 1]
    assert isinstance(crowd.results["unlucky"], OperationalError)
    assert (crowd.outcome("A"), crowd.outcome("B")) == ("AA", "AA")
    assert list(stored()) == ["first", "A", "B"]
    assert placed() == {"A", "B"}


@in_groups
def test_on_a_full_disk_what_fits_is_stored_and_nothing_else_is_answered(crowd: Crowd) -> None:
    def fill_the_disk() -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            (pages,) = cursor.fetchone()
            cursor.execute(f"PRAGMA max_page_count = {pages + 300}")

    def first() -> Answer:
        fill_the_disk()  # of the connection that leads the group
        return place("A")()

    crowd.hold()
    crowd.wait_behind("A", first)
    crowd.wait_behind("large", place("L"), raw=b"x" * 4_000_000)
    crowd.wait_behind("B", place("B"))

    crowd.finish()

    assert isinstance(crowd.results["large"], OperationalError)
    assert (crowd.outcome("A"), crowd.outcome("B")) == ("AA", "AA")
    assert list(stored()) == ["first", "A", "B"]
    assert placed() == {"A", "B"}


@in_groups
def test_a_crash_within_a_group_leaves_nothing_of_it(tmp_path: Path) -> None:
    make.device()
    copy = tmp_path / "copy.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    script = textwrap.dedent(
        """
        import os, django
        django.setup()
        from tests.races.test_intake_together import Crowd, OK, place

        def die():
            place("DEAD")()
            os._exit(9)

        crowd = Crowd()
        crowd.hold()
        crowd.wait_behind("A", place("A"))
        crowd.wait_behind("dead", die)
        crowd.wait_behind("B", place("B"))
        crowd.finish()
        """
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ris.settings",
        "RIS_DATABASE_URL": f"sqlite:///{copy}",
        "RIS_DATA_DIR": str(tmp_path),
    }

    died = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, timeout=60, check=False
    )

    with closing(sqlite3.connect(copy)) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM ris_inboundmessage")]
        orders = database.execute("SELECT count(*) FROM ris_order").fetchone()
    assert died.returncode == 9
    assert (keys, orders) == (["first"], (0,))


def test_thousands_of_repeats_have_no_second_effect() -> None:
    make.device()
    receive("A", place("A"))
    threads = 8

    def repeat() -> None:
        try:
            for _ in range(DUPLICATES // threads):
                receipt = receive("A", place("A"))
                assert receipt.duplicate
                assert receipt.answer == OK
        finally:
            connection.close()

    workers = [threading.Thread(target=repeat, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
        assert not worker.is_alive()

    assert InboundMessage.objects.get().repeats == DUPLICATES // threads * threads
    assert placed() == {"A"}
    assert Order.objects.get().events.count() == 1


def test_that_an_answer_left_is_noted_along_with_the_next_message() -> None:
    first = receive("A", lambda: OK)
    inbox.mark_replied_soon(first.message, sent=True)

    receive("B", lambda: OK)

    states = InboundMessage.objects.order_by("pk").values_list("reply_state", flat=True)
    assert list(states) == ["SENT", "PENDING"]


def test_that_an_answer_left_is_noted_when_no_message_follows() -> None:
    first = receive("A", lambda: OK)

    inbox.mark_replied_soon(first.message, sent=False)

    wait_until(
        lambda: InboundMessage.objects.get().reply_state == "UNDELIVERED", "the answer is noted"
    )
