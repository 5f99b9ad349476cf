"""A report that is corrected while its first version is being delivered; two who print it first."""

from __future__ import annotations

import threading

import pytest

from integration.hl7 import acks, server
from integration.hl7.er7 import Header, Message
from integration.hl7.server import ListenerConfig, Peer
from ris.domain.errors import RisError
from ris.domain.exchange import Subscription
from ris.domain.reporting import AmendReport, VersionKind
from ris.models import Delivery, Report, ReportDocument
from ris.selectors import receipts
from ris.services import execute, outbox
from ris.services.report_documents import report_document
from tests import make, people
from tests.races.at_once import together

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 30.0


class Slow:
    """Answers the first message when it is told to; ``got`` are OBR-25 and the first text."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.got: list[tuple[str, str]] = []

    def __call__(self, frame: bytes, peer: Peer) -> bytes:
        header = Header.read(frame)
        assert header is not None
        message = Message.from_bytes(frame)
        self.got.append((message.text("OBR-25"), message.text("OBX[2]-5")))
        self.asked.set()
        assert self.go_on.wait(SECONDS)
        return acks.acknowledge(header)


def report_sent_to(port: int) -> Report:
    make.site()
    make.device()
    make.endpoint("EHR", port=port, sends=(Subscription.RESULTS,), settings={"keep_open": False})
    report = make.final_report(make.performed())
    outbox.fan_out()
    return report


def corrected(report: Report, text: str = "A fracture.") -> AmendReport:
    return AmendReport(
        report=str(report.public_id),
        kind=VersionKind.CORRECTION,
        sections={"findings": text},
        reason="overlooked",
        expected_version=1,
    )


def test_a_correction_while_the_first_version_is_on_its_way_arrives_after_it() -> None:
    receiver = Slow()
    with server.running(ListenerConfig(port=0), receiver) as listener:
        report = report_sent_to(listener.port)

        def correct() -> int:
            assert receiver.asked.wait(SECONDS)
            try:
                number = execute(corrected(report), actor=people.radiologist)
                outbox.fan_out()
                # Somebody else asks for deliveries meanwhile: the lane has one in flight.
                outbox.deliver_due()
                assert len(receiver.got) == 1
                return number
            finally:
                receiver.go_on.set()

        sent, number = together(outbox.deliver_due, correct)
        outbox.deliver_due()

    assert not isinstance(sent, RisError)
    assert number == 2
    assert receiver.got == [("F", "No bleeding."), ("C", "A fracture.")]
    newest, oldest = receipts.of_report(str(report.public_id))
    assert [each.answer for group in (newest, oldest) for each in group.receipts] == ["AA", "AA"]
    assert Delivery.objects.filter(report=report, state="DELIVERED").count() == 2


def test_two_corrections_at_once_are_one_and_reach_the_receiver_once() -> None:
    receiver = Slow()
    receiver.go_on.set()
    with server.running(ListenerConfig(port=0), receiver) as listener:
        report = report_sent_to(listener.port)

        results = together(
            lambda: execute(corrected(report, "A fracture."), actor=people.radiologist),
            lambda: execute(corrected(report, "A mass."), actor=people.radiologist),
        )
        outbox.fan_out()
        outbox.deliver_due()

    assert sorted(isinstance(each, RisError) for each in results) == [False, True]
    assert [status for status, _ in receiver.got] == ["F", "C"]


def test_who_prints_a_version_at_the_same_moment_is_given_the_same_bytes() -> None:
    make.site()
    make.device()
    key = str(make.final_report(make.performed()).public_id)

    files = together(*[lambda: report_document(key, 1)] * 3)

    assert len({getattr(each, "digest", each) for each in files}) == 1
    assert ReportDocument.objects.count() == 1
