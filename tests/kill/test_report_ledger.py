"""The ledger of reports: whoever dies at whichever point, every receiver has every version once.

A signature, the messages it means, their sending and their receipts are steps of their own; a
process is killed between any two of them (reliability 3.6). "Once" is by MSH-10: what a dead sender
sent and did not note goes again under the same control id, which is what a receiver knows it by. An
archive knows an object by its SOP Instance UID (PS3.4 B.2.2.1), a folder of mails by the file.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from integration.hl7 import acks, server
from integration.hl7.er7 import Header, Message
from integration.hl7.server import ListenerConfig, Peer
from ris.domain.exchange import Protocol, Subscription
from ris.domain.referring import NoticeTime, SetResultNotices
from ris.services import execute
from tests import make, referring
from tests.kill.reporter import POINTS
from tests.running import ROOT, clean_environment
from tests.wire.archive import Archive
from tests.wire.fault_proxy import Case, FaultProxy

# What is killed works on a file.
pytestmark = [pytest.mark.wire, pytest.mark.timeout(180), pytest.mark.only("sqlite")]
REPORTS = 2
Object = tuple[int, str, int, str]
OBJECTS = "SELECT report_id, kind, number, sop_instance_uid FROM ris_reportobject"
NOTICES = """
SELECT notice.report_id, notice.key, notice.state, notice.reason, delivery.control_id
FROM ris_resultnotice notice LEFT JOIN ris_delivery delivery ON delivery.id = notice.delivery_id
ORDER BY notice.report_id, notice.key
"""


class Receiver:
    """Takes everything; ``got`` are (control id, accession number, event, version) in order."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str, str]] = []

    def __call__(self, frame: bytes, peer: Peer) -> bytes:
        header = Header.read(frame)
        assert header is not None
        message = Message.from_bytes(frame)
        version = message.text("NTE-3").partition(",")[0].removeprefix("Report version ")
        told = (header.control_id, message.text("OBR-18"), message.text("MSH-9.2"), version)
        self.got.append(told)
        return acks.acknowledge(header)

    def ledger(self) -> dict[str, list[tuple[str, str]]]:
        """What each report's receiver knows in the end: (event, version), a repeat left out."""
        found: dict[str, list[tuple[str, str]]] = {}
        for _, accession, event, version in dict.fromkeys(self.got):
            found.setdefault(accession, []).append((event, version))
        return found


def stored(archive: Archive, objects: Sequence[Object]) -> dict[tuple[int, str], list[int]]:
    """The versions of each report in the order in which the archive had them first, by kind."""
    named = {uid: (report, kind, number) for report, kind, number, uid in objects}
    found: dict[tuple[int, str], list[int]] = {}
    for uid in dict.fromkeys(archive.received):
        report, kind, number = named[uid]
        found.setdefault((report, kind), []).append(number)
    return found


def answer_lost(case: Case) -> bool:
    case.exchange()
    return False


def test_every_receiver_has_every_version_once_and_in_order_whoever_dies(
    tmp_path: Path, transactional_db: None
) -> None:
    results, documents, archive = Receiver(), Receiver(), Archive()
    with ExitStack() as stack:
        stack.enter_context(archive)
        ports = [
            stack.enter_context(server.running(ListenerConfig(port=0), receiver)).port
            for receiver in (results, documents)
        ]
        proxy = FaultProxy(ports[0], answer_lost)
        stack.callback(proxy.close)
        make.site()
        make.device()
        make.endpoint("EHR", port=proxy.port, sends=(Subscription.RESULTS,))
        make.endpoint("RECORD", port=ports[1], sends=(Subscription.DOCUMENTS,))
        make.endpoint(
            "PACS", protocol=Protocol.DICOM, protocol_name=archive.ae_title, port=archive.port,
            version="", sends=(Subscription.REPORT_OBJECTS,),
        )  # fmt: skip
        make.endpoint(
            "DOCTORS", protocol=Protocol.MAIL, host="", port=None, version="",
            sends=(Subscription.REPORT_NOTICES,), settings={"transport": "folder"},
        )  # fmt: skip
        wants = SetResultNotices(when=NoticeTime.AT_ONCE, address="olga@practice.example")
        execute(wants, actor=referring.actor(referring.doctors().olga))
        orders = [
            referring.performed(start_at=make.NOON + timedelta(hours=n)) for n in range(REPORTS)
        ]
        reports = [make.opened_report(order).pk for order in orders]
        folder = tmp_path / "var"
        folder.mkdir()
        with closing(sqlite3.connect(folder / "ris.sqlite3")) as copy:
            connection.connection.backup(copy)

        done = subprocess.run(
            [sys.executable, "-m", "tests.kill.reporter"],
            cwd=ROOT,
            env={**clean_environment(folder), "DJANGO_SETTINGS_MODULE": "ris.settings"},
            capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    ends = [int(line) for line in done.stdout.splitlines()]
    assert ends == [-signal.SIGKILL] * len(POINTS) + [0], done.stderr
    accessions = {order.accession_number for order in orders}
    assert results.ledger() == {
        each: [("R01", "1"), ("R01", "2"), ("R01", "3")] for each in accessions
    }
    assert documents.ledger() == {
        each: [("T02", "1"), ("T06", "2"), ("T10", "3"), ("T11", "3")] for each in accessions
    }
    with closing(sqlite3.connect(folder / "ris.sqlite3")) as database:
        objects = database.execute(OBJECTS).fetchall()
        notices = database.execute(NOTICES).fetchall()
    assert stored(archive, objects) == {
        (report, kind): [1, 2, 3] for report in reports for kind in ("pdf", "sr")
    }
    assert set(archive.stored) == {uid for *_, uid in objects}
    assert len(archive.received) - len(archive.stored) == 1  # one died before noting it
    assert [row[:2] for row in notices] == [
        (report, number) for report in reports for number in ("1", "2", "3")
    ]
    for _, number, state, reason, _ in notices:
        # The first may be told by the second: a doctor is led to what stands.
        later_told = number == "1" and (state, reason) == ("DROPPED", "a newer version is told")
        assert state == "SENT" or later_told
    mails = {f"{mail}.eml" for *_, mail in notices if mail}
    assert {path.name for path in (folder / "mail" / "DOCTORS").iterdir()} == mails
    for receiver in (results, documents):
        control_ids = [told[0] for told in receiver.got]
        assert len(control_ids) - len(set(control_ids)) <= 3  # deaths after sending, and the fault
        versions = [(told[1], told[3]) for told in receiver.got]
        for accession in accessions:
            numbers = [number for of, number in versions if of == accession]
            assert numbers == sorted(numbers)  # a repeat comes before what follows
