"""An imaging department without sockets: HL7 comes in as frames, goes out as rendered deliveries.

The modality's side are the datasets that pynetdicom would send, made from the worklist's own
answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from pydicom.dataset import Dataset

from integration.hl7.er7 import Message
from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from ris import config
from ris.domain.identifiers import new_uid
from ris.models import Delivery, Order, PerformedProcedureStep
from ris.services import outbox
from tests.worklist import requests
from worklist.handlers import Handlers
from worklist.modality import begun, ended, query

PEER = Peer("127.0.0.1", 50000, 2575, 1)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@contextmanager
def everybody_may_send(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take messages of senders that nobody registered."""
    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", "accept")
    config.load.cache_clear()
    yield
    config.load.cache_clear()


@dataclass(slots=True)
class Department:
    """The order filler with an EHR that places and listens, an archive, and a CT."""

    scanner: Handlers = field(default_factory=requests.handlers)
    messages: int = 0

    def hears(self, kind: str, *segments: str) -> str:
        """MSA-1 of the answer to a message of the EHR."""
        self.messages += 1
        head = f"MSH|^~\\&|EHR|HOSP|RIS|RAD|20260302080000||{kind}|K{self.messages}|P|2.3.1"
        reply = handle("\r".join([head, *segments, ""]).encode(), PEER)
        assert isinstance(reply, Reply)
        return reply.payload.decode().split("\rMSA|")[1].split("|")[0]

    def orders(self, number: str, patient: str, name: str, procedure: str = "X1") -> None:
        assert (
            self.hears(
                "ORM^O01",
                f"PID|1||{patient}^^^HOSP^MR||{name}||19650212|M",
                f"ORC|NW|{number}^EHR|||||^^^20260302130000^^R",
                f"OBR|1|{number}^EHR||{procedure}^Exam {procedure}^MESA" + "|" * 20 + "CT",
            )
            == "AA"
        )

    def placed(self, number: str) -> Order:
        return Order.objects.get(placer_order_number=number)

    def worklist(self, **keys: str) -> list[Dataset]:
        return requests.rows(requests.find(self.scanner, query(**keys)))

    def begin(self, entry: Dataset, uid: str = "", **said: object) -> str:
        uid = uid or new_uid()
        dataset = begun(entry, station="CT1", at=NOON)
        for keyword, value in said.items():
            setattr(dataset, keyword, value)
        assert requests.create(self.scanner, dataset, uid).status == 0
        return uid

    def end(self, entry: Dataset, uid: str, **said: object) -> PerformedProcedureStep:
        reason = said.pop("reason", None)
        dataset = ended(entry, at=NOON + timedelta(minutes=20), images=2, reason=reason)
        for keyword, value in said.items():
            setattr(dataset, keyword, value)
        assert requests.change(self.scanner, dataset, uid).status == 0
        return PerformedProcedureStep.objects.get(sop_instance_uid=uid)

    def told(self, endpoint: str) -> list[str]:
        """What a listener was told: type, ORC-1 and ORC-5 where there are any."""
        outbox.fan_out()
        rows = Delivery.objects.filter(endpoint__name=endpoint).order_by("id")
        found = []
        for row in rows:
            message = Message.from_bytes(bytes(row.payload))
            parts = (row.message_type, message.get("ORC-1"), message.get("ORC-5"))
            found.append(" ".join(part for part in parts if part))
        return found

    def forgets(self) -> None:
        """Begin to count what is told from here."""
        outbox.fan_out()
        Delivery.objects.all().delete()
