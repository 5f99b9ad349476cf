"""Reads are on record before they are answered, and in the database a moment later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from django.db import OperationalError, transaction

from ris.domain.actors import Actor, ActorKind
from ris.models import AuditEvent
from ris.services import audit, spool
from ris.services.audit import Access, close_spool, open_spool, record_access
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

EHR = Actor(ActorKind.CLIENT, "EHR", address="10.0.0.7")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the spool of this process keeps its file."""
    open_spool(tmp_path / "reads", seconds=0.01)
    yield tmp_path / "reads"
    close_spool()


def read(
    action: str = "FHIR read Patient", patients: tuple[str, ...] = (), order: str = ""
) -> None:
    record_access(
        EHR,
        action=action,
        patients=patients,
        order=order,
        subject="Patient/1",
        detail={"query": "name=Müller"},
    )


def test_a_read_is_recorded_as_it_was(folder: Path) -> None:
    order = make.order()
    patient = str(order.patient.public_id)

    read(patients=(patient,), order=str(order.public_id))
    close_spool()

    row = AuditEvent.objects.get(action="FHIR read Patient")
    assert (row.actor_kind, row.actor_name, row.address) == ("client", "EHR", "10.0.0.7")
    assert (row.patient, row.patients, row.order) == (order.patient, [patient], order)
    assert (row.subject, row.outcome, row.detail) == (
        "Patient/1", "success", {"query": "name=Müller"},
    )  # fmt: skip
    assert row.correlation.startswith("read ")
    assert not list(folder.iterdir())


def test_people_who_are_not_here_are_named_all_the_same(folder: Path) -> None:
    read("nobody", patients=("01a1fe9f-0000-7000-8000-000000000000",))
    read("no id", patients=("1",))
    read("several", patients=("1", "2"))
    close_spool()

    rows = AuditEvent.objects.order_by("id").values_list("action", "patient", "patients")
    assert [tuple(row) for row in rows] == [
        ("nobody", None, ["01a1fe9f-0000-7000-8000-000000000000"]),
        ("no id", None, ["1"]),
        ("several", None, ["1", "2"]),
    ]


def test_what_is_read_within_a_transaction_is_lost_with_it(folder: Path) -> None:
    with transaction.atomic():
        read("lost")
        transaction.set_rollback(True)
    with transaction.atomic():
        read("kept")
        assert AuditEvent.objects.get().action == "kept"
    close_spool()

    assert AuditEvent.objects.get().action == "kept"


def test_without_a_file_a_read_is_recorded_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Access) -> None:
        raise OSError("no room")

    monkeypatch.setattr(audit._spool, "keep", full)

    read()

    assert AuditEvent.objects.get().action == "FHIR read Patient"


def test_reads_wait_for_the_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_spool()

    def away(_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(audit, "record", away)
    open_spool(folder, seconds=0.01)
    read()
    close_spool()
    monkeypatch.undo()
    assert not AuditEvent.objects.exists()

    open_spool(folder).close()

    assert AuditEvent.objects.count() == 1


_DIES = """
import os, sys
from pathlib import Path
import django
django.setup()
from ris.services import spool
from tests.services import test_audit_spool as here
spool._record_all = lambda file: False  # the database is away
here.open_spool(Path(sys.argv[1]))
here.read("first")
here.read("second")
os._exit(9)
"""


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], Path]:
    """The file of a process that answered two reads and died before the database had them."""

    def die() -> Path:
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "ris.settings"}
        ended = subprocess.run(
            [sys.executable, "-c", _DIES, str(tmp_path)], env=environment, check=False, timeout=60
        )
        assert ended.returncode == 9
        (file,) = tmp_path.iterdir()
        return file

    return die


def test_what_a_dead_process_left_is_taken_over_once(left: Callable[[], Path]) -> None:
    file = left()
    first, second = file.read_text().splitlines()
    audit.record([Access.from_json(first)])
    with file.open("a") as more:
        more.write(second[:40])  # and the last line was cut off

    open_spool(file.parent)
    close_spool()

    actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["first", "second"]
    assert not file.exists()


def test_a_read_that_the_database_cannot_take_keeps_no_other_from_it(folder: Path) -> None:
    read("odd \ud800")  # half a character, as a JSON text may say it
    read("good")
    close_spool()

    assert AuditEvent.objects.get().action == "good"
    assert not list(folder.iterdir())


def test_however_many_reads_were_left_they_are_taken_over(
    left: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = left()
    asked: list[int] = []

    def counted(accesses: Sequence[Access]) -> set[str]:
        asked.append(len(accesses))
        return recorded(accesses)

    recorded = audit.recorded
    monkeypatch.setattr(audit, "recorded", counted)
    monkeypatch.setattr(spool, "_ROWS_AT_ONCE", 1)

    open_spool(file.parent)
    close_spool()

    assert asked == [1, 1], "a statement has a limit of values"
    assert AuditEvent.objects.count() == 2
