"""What an archive hears of a new order with several steps, through the outbox (IHE RAD-4)."""

from __future__ import annotations

import pytest

from integration.hl7.er7 import Message
from ris.domain.exchange import Subscription
from ris.models import Delivery, Order
from ris.services import outbox
from tests import make
from tests.integration.hl7.intake import answered, register
from tests.integration.hl7.messages import PID, PV1, obr, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device("CT1")
    make.device("CT2")
    register()


def pacs(**settings: object) -> None:
    make.endpoint(
        "PACS", sends=(Subscription.PROCEDURE_SCHEDULED,), version="2.3.1", settings=settings
    )


def place() -> None:
    """Three exams under one number, half an hour apart."""
    lines = []
    for number, (code, at) in enumerate(
        [("CTHEAD", "0900"), ("CTCHEST", "0930"), ("CTABDO", "1000")], start=1
    ):
        lines += [
            f"ORC|NW|PL1^HIS|||||^^M30^20290311{at}00",
            obr(f1=str(number), f2="PL1^HIS", f4=f"{code}^CT^L", f21="CT1", f24="CT"),
        ]
    assert answered(text(PID, PV1, *lines)) == ["AA"]


def told() -> list[list[tuple[str, str, str]]]:
    """ORC-1, OBR-4.1 and the time of each group of each message."""
    outbox.fan_out()
    messages = [Message.from_bytes(bytes(row.payload)) for row in Delivery.objects.order_by("id")]
    return [
        [
            (group.get("ORC-1"), group.get("OBR-4.1"), group.get("ORC-7.4")[8:12])
            for group in message.groups("ORC")
        ]
        for message in messages
    ]


def test_each_step_of_a_new_order_has_its_message() -> None:
    pacs()

    place()

    assert told() == [
        [("NW", "CTHEAD", "0900")],
        [("NW", "CTCHEST", "0930")],
        [("NW", "CTABDO", "1000")],
    ]


def test_an_archive_that_reads_all_groups_hears_of_a_new_order_at_once() -> None:
    """As MESA 104: an ORC, OBR and ZDS for each step, in one message."""
    pacs(archive_groups="order")

    place()

    assert told() == [
        [("NW", "CTHEAD", "0900"), ("NW", "CTCHEST", "0930"), ("NW", "CTABDO", "1000")]
    ]
    message = Message.from_bytes(bytes(Delivery.objects.get().payload))
    uids = {each.get("1.1") for each in message.segments("ZDS")}
    procedures = Order.objects.get().procedures
    assert uids == set(procedures.values_list("study_instance_uid", flat=True))


def test_what_is_canceled_is_told_step_by_step_too() -> None:
    pacs()
    place()
    told()
    Delivery.objects.all().delete()

    assert answered(text(PID, "ORC|CA|PL1^HIS", key="M2")) == ["AA"]

    assert [[each[:2] for each in message] for message in told()] == [
        [("CA", "CTHEAD")],
        [("CA", "CTCHEST")],
        [("CA", "CTABDO")],
    ]
