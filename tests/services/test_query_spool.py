"""Queries on their way into the database: on record at once, written together, never twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError

from ris.domain.actors import device_actor
from ris.models import AuditEvent, WorklistQueryLog, WorklistSighting
from ris.selectors import worklist
from ris.selectors.views import WorklistQuery
from ris.services import queries
from ris.services.queries import AnsweredQuery, Said, Shown
from ris.services.query_spool import QuerySpool
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def query(ae_title: str = "CT1", minutes: int = 0, **said: object) -> AnsweredQuery:
    fields = {
        "called_ae": "RIS",
        "identifier": b"\x08\x00\x60\x00\xff",
        "transfer_syntax": "1.2.840.10008.1.2",
        "keys": {"Modality": "CT"},
    }
    return AnsweredQuery(
        NOON + timedelta(minutes=minutes),
        device_actor(ae_title, "10.0.0.7"),
        Said(**fields | said),  # type: ignore[arg-type]
        1.5,
    )


@pytest.fixture
def shown() -> Shown:
    make.site()
    make.device()
    make.booked()
    return Shown.of(worklist.entries(WorklistQuery()).entries)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[QuerySpool]:
    made = QuerySpool(tmp_path / "queries", seconds=0.01)
    yield made
    made.close()


def test_a_query_is_recorded_as_it_came(spool: QuerySpool, shown: Shown) -> None:
    spool.keep(
        query(shown=shown, status=0xA900, comment="no", elements=(0x00100020,), truncated=True)
    )
    spool.close()

    log = WorklistQueryLog.objects.get()
    assert log.at == NOON
    assert (log.calling_ae_title, log.called_ae_title, log.address) == ("CT1", "RIS", "10.0.0.7")
    assert bytes(log.identifier) == b"\x08\x00\x60\x00\xff"
    assert log.transfer_syntax == "1.2.840.10008.1.2"
    assert log.keys == {"Modality": "CT"}
    assert log.steps == [step for step, _ in shown.steps]
    assert (log.matches, log.status, log.comment) == (1, 0xA900, "no")
    assert (log.elements, log.truncated, log.duration_ms) == ("(0010,0020)", True, 1.5)
    audit = AuditEvent.objects.get(action="QueryWorklist")
    assert audit.patients == list(shown.patients)
    assert (audit.outcome, audit.detail) == ("A900", {"matches": 1})


def test_sightings_are_counted_up(spool: QuerySpool, shown: Shown) -> None:
    for minutes in range(3):
        spool.keep(query(shown=shown, minutes=minutes))
    spool.keep(query("CT2", shown=shown, minutes=9))
    spool.close()
    queries.record([query(shown=shown, minutes=5)])

    rows = WorklistSighting.objects.order_by("ae_title")
    assert [(row.ae_title, row.count, row.first_at, row.last_at) for row in rows] == [
        ("CT1", 4, NOON, NOON + timedelta(minutes=5)),
        ("CT2", 1, NOON + timedelta(minutes=9), NOON + timedelta(minutes=9)),
    ]


def test_a_step_that_is_gone_does_not_spoil_the_record(spool: QuerySpool) -> None:
    spool.keep(query(shown=Shown.made([(4711, 1)], ["somebody"], 1)))
    spool.close()

    assert WorklistQueryLog.objects.get().steps == [4711]
    assert not WorklistSighting.objects.exists()


def test_a_query_reads_back_as_it_was(shown: Shown) -> None:
    asked = query(shown=shown, elements=(0x00100020,), comment="grüß")

    read = AnsweredQuery.from_json(asked.to_json())

    assert read.to_json() == asked.to_json()
    assert read.at == asked.at
    assert read.said.identifier == asked.said.identifier
    assert read.said.shown.steps == shown.steps


_DIES = """
import os, sys
from pathlib import Path
import django
django.setup()
from ris.services import query_spool, spool
from tests.services.test_query_spool import query
spool._record_all = lambda file: False  # the database is away
own = query_spool.QuerySpool(Path(sys.argv[1]))
own.keep(query())
own.keep(query(minutes=1))
os._exit(9)
"""


def died(folder: Path) -> None:
    """A process that answered two queries and died before the database had them."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "ris.settings"}
    ended = subprocess.run(
        [sys.executable, "-c", _DIES, str(folder)], env=environment, check=False, timeout=60
    )
    assert ended.returncode == 9


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    died(tmp_path)
    assert not WorklistQueryLog.objects.exists()

    QuerySpool(tmp_path).close()

    assert WorklistQueryLog.objects.count() == 2
    assert not list(tmp_path.iterdir())


def test_what_is_in_the_database_is_not_written_again(tmp_path: Path) -> None:
    died(tmp_path)
    (left,) = tmp_path.iterdir()
    first, second = left.read_text().splitlines()
    queries.record([AnsweredQuery.from_json(first)])
    with left.open("a") as file:
        file.write(second[:40])  # and the last line was cut off

    QuerySpool(tmp_path).close()

    assert WorklistQueryLog.objects.count() == 2
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_living_process_is_left_alone(tmp_path: Path, spool: QuerySpool) -> None:
    (own,) = spool._folder.iterdir()

    QuerySpool(spool._folder).close()

    assert own.exists()


def test_queries_wait_for_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(queries, "record", away)
    spool = QuerySpool(tmp_path, seconds=0.01)
    spool.keep(query())
    spool.close()
    monkeypatch.undo()
    assert not WorklistQueryLog.objects.exists()

    QuerySpool(tmp_path).close()

    assert WorklistQueryLog.objects.count() == 1


def test_an_odd_query_does_not_take_others_with_it(
    spool: QuerySpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = queries.record

    def record(batch: list[AnsweredQuery]) -> None:
        if any(one.actor.name == "ODD" for one in batch):
            raise DatabaseError("odd")
        really(batch)

    monkeypatch.setattr(queries, "record", record)
    for ae_title in ("CT1", "ODD", "CT2"):
        spool.keep(query(ae_title))
    spool.close()

    names = WorklistQueryLog.objects.order_by("id").values_list("calling_ae_title", flat=True)
    assert list(names) == ["CT1", "CT2"]
