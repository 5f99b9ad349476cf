"""What a peer's answer says is done with the delivery it answers: its number for our order (NA)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.hl7 import mllp_client, server
from integration.hl7.er7 import Message
from integration.hl7.server import ListenerConfig, Peer
from ris.domain.exchange import Subscription
from ris.domain.values import Identifier
from ris.models import Delivery, InboundMessage, Order
from ris.services import outbox
from tests import make, people

pytestmark = [pytest.mark.wire, pytest.mark.django_db]


class Placer:
    """Answers a request for a number (SN) with one; ``filler`` is what it takes for ours."""

    def __init__(self) -> None:
        self.filler = ""
        self.heard: list[Message] = []

    def __call__(self, frame: bytes, peer: Peer) -> bytes:
        message = Message.from_bytes(frame)
        self.heard.append(message)
        control_id = message.get("MSH-10")
        filler = self.filler or f"{message.get('ORC-3')}^RIS"
        return (
            f"MSH|^~\\&|HIS|WEST|RIS|RAD|2029||ORR^O02|A{control_id}|P|2.3.1\r"
            f"MSA|AA|{control_id}\rORC|NA|HIS77^HIS|{filler}\r"
        ).encode()


@pytest.fixture
def placer() -> Iterator[Placer]:
    placer = Placer()
    make.site()
    with server.running(ListenerConfig(port=0), placer) as listener:
        make.endpoint(
            "HIS",
            port=listener.port,
            version="2.3.1",
            protocol_name="HIS^WEST",
            sends=(Subscription.ORDER_STATUS,),
            settings={"own_orders": "SN"},
        )
        yield placer
        mllp_client.CONNECTIONS.close()


def born_here() -> Order:
    order = make.order(actor=people.scheduler, placer=Identifier(""))
    outbox.fan_out()
    outbox.deliver_due()
    order.refresh_from_db()
    return order


def test_the_number_in_an_answer_is_the_order_s(placer: Placer) -> None:
    order = born_here()

    assert [message.get("ORC-1") for message in placer.heard] == ["SN"]
    assert (order.placer_order_number, order.placer_issuer) == ("HIS77", "HIS")
    row = Delivery.objects.get()
    assert (row.state, row.last_error) == ("DELIVERED", "")
    kept = InboundMessage.objects.get()
    assert (kept.message_type, kept.state, list(kept.orders.all())) == (
        "ORR^O02", "APPLIED", [order],
    )  # fmt: skip


def test_an_answer_that_cannot_be_applied_is_found_among_the_messages(placer: Placer) -> None:
    placer.filler = "NOBODY^RIS"

    order = born_here()

    assert order.placer_order_number == ""
    assert Delivery.objects.get().state == "DELIVERED"
    kept = InboundMessage.objects.get()
    assert (kept.message_type, kept.state) == ("ORR^O02", "REJECTED")
    assert kept.error
