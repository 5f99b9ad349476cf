"""An appointment of the hospital's scheduler, from its messages to the scanner's worklist.

The order comes by HL7 without a time; SIU books, moves and cancels it. What a scanner is shown is
asked for over DICOM after every step; who kept the calendar is not told its own decisions.
"""

from __future__ import annotations

from collections.abc import Iterator

import hl7
import pytest
from django.db import connections
from hl7.client import MLLPClient

from integration.hl7.inbound import handle
from integration.hl7.server import ListenerConfig, Peer, Reply
from integration.hl7.server import running as listening
from ris import config
from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
from ris.models import Delivery
from ris.services import execute, outbox
from tests import make
from tests.wire.worklist_server import modality, running
from worklist.modality import query
from worklist.server import ServerThread

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

PID = "PID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F"


def _in_thread(frame: bytes, peer: Peer) -> Reply | None:
    """The handler, giving its database connection back: the test database must be removable."""
    try:
        reply = handle(frame, peer)
    finally:
        connections.close_all()
    return Reply(reply.payload, lambda written: None) if reply is not None else None


@pytest.fixture
def mllp(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    make.site()
    make.device("CT1")
    make.device("CT2")
    for name in ("Scheduler", "EHR"):
        for direction in (Direction.IN, Direction.OUT):
            execute(
                ConfigureEndpoint(
                    name=name,
                    protocol=Protocol.HL7,
                    direction=direction,
                    protocol_name=f"{name.upper()}^GENERAL",
                    host="127.0.0.1" if direction is Direction.OUT else "",
                    port=2576 if direction is Direction.OUT else None,
                    version="2.5.1",
                    sends=(Subscription.APPOINTMENTS,) if direction is Direction.OUT else (),
                ),
                actor=OPERATOR,
            )
    config.load.cache_clear()
    with listening(ListenerConfig(port=0, threads=2), _in_thread) as listener:
        yield listener.port
    config.load.cache_clear()


@pytest.fixture
def dicom() -> Iterator[ServerThread]:
    with running(matches=50) as server:
        yield server


def tell(port: int, sender: str, kind: str, key: str, *segments: str) -> str:
    """MSA-1 of the answer, read by python-hl7."""
    head = f"MSH|^~\\&|{sender}|GENERAL|RIS|RAD|20290310101500||{kind}|{key}|P|2.5.1"
    text = "\r".join((head, *segments, ""))
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(10)
        reply = client.send_message(text)
    return str(hl7.parse(reply.decode().strip("\x0b\x1c\r")).segment("MSA")[1])


def siu(port: int, trigger: str, key: str, start: str, station: str, status: str) -> str:
    return tell(
        port,
        "SCHEDULER",
        f"SIU^{trigger}^SIU_S12",
        key,
        f"SCH|APT1^SCHEDULER||||||^headache||||^^M30^{start}||||||||||||||{status}|PL1^EHR",
        PID,
        "RGS|1|A",
        f"AIS|1|A|CTHEAD^CT head^L|{start}|||30|min",
        f"AIG|1|A|{station}",
    )


def shown(server: ServerThread, station: str) -> list[tuple[str, str, str]]:
    """Accession number, date and time of what a scanner finds under its own AE title."""
    found = modality(server, station).find(query(ScheduledStationAETitle=station))
    return [
        (
            answer.AccessionNumber,
            answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate,
            answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime[:4],
        )
        for answer in found.identifiers
    ]


def sent_to(name: str) -> list[str]:
    """Triggers of the messages for a receiver, oldest first; each is read by python-hl7."""
    rows = Delivery.objects.filter(endpoint__name=name).order_by("id")
    return [str(hl7.parse(bytes(row.payload).decode()).segment("MSH")[9][0][1]) for row in rows]


def test_booked_moved_and_canceled_by_the_scheduler(mllp: int, dicom: ServerThread) -> None:
    order = ("ORC|NW|PL1^EHR", "OBR|1|PL1^EHR||CTHEAD^CT head^L||||||||||||||ACC1||||||CT")
    assert tell(mllp, "EHR", "ORM^O01^ORM_O01", "O1", PID, *order) == "AA"
    assert shown(dicom, "CT1") == []

    assert siu(mllp, "S12", "S1", "20290312100000", "CT1", "Booked") == "AA"
    assert shown(dicom, "CT1") == [("ACC1", "20290312", "1000")]

    assert siu(mllp, "S13", "S2", "20290313143000", "CT2", "Booked") == "AA"
    assert shown(dicom, "CT1") == []
    assert shown(dicom, "CT2") == [("ACC1", "20290313", "1430")]

    assert siu(mllp, "S15", "S3", "20290313143000", "CT2", "Cancelled") == "AA"
    assert shown(dicom, "CT2") == []

    assert siu(mllp, "S12", "S4", "20290314080000", "CT1", "Booked") == "AA"
    assert shown(dicom, "CT1") == [("ACC1", "20290314", "0800")]

    outbox.fan_out()
    assert sent_to("EHR") == ["S12", "S13", "S15", "S12"]
    assert sent_to("Scheduler") == []
