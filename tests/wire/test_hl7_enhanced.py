"""Enhanced mode over real sockets: CA at once, AA later on a way of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from integration.hl7.inbound import handle
from integration.hl7.mllp_client import CONNECTIONS
from integration.hl7.server import Listener, ListenerConfig, Peer, Reply, running
from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.models import Delivery, InboundMessage, Order
from ris.services import deferred, execute, outbox
from tests import make
from tests.integration.hl7.messages import order
from tests.peers import Heard, MllpReceiver
from tests.wire.mllp_sender import Connect, frame

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.wire]


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    make.site()
    make.device()
    yield
    CONNECTIONS.close()


def _in_thread(message: bytes, peer: Peer) -> Reply | None:
    """The handler, giving its database connection back: the test database must be removable."""
    try:
        reply = handle(message, peer)
    finally:
        connections.close_all()
    if reply is None:
        return None
    noted = reply.sent

    def sent(written: bool) -> None:
        try:
            noted(written)
        finally:
            connections.close_all()

    return replace(reply, sent=sent)


@contextmanager
def listening() -> Iterator[Listener]:
    with running(ListenerConfig(port=0, threads=4), _in_thread) as listener:
        yield listener


def register(direction: Direction, port: int | None = None, **settings: Any) -> None:
    execute(
        ConfigureEndpoint(
            name="HIS",
            protocol=Protocol.HL7,
            direction=direction,
            protocol_name="HIS^GENERAL",
            host="127.0.0.1" if port else "",
            port=port,
            settings=settings,
        ),
        actor=OPERATOR,
    )


def enhanced(key: str) -> bytes:
    message = order(key=key).replace("|P|2.3.1||||||", "|P|2.3.1|||AL|AL||")
    return message.replace("PL1", f"PL{key}").replace("1.2.9^", f"1.2.9.{key}^").encode()


def test_an_order_is_stored_committed_applied_and_acknowledged_on_its_way_back(
    clients: Connect,
) -> None:
    def accept(message: Heard) -> bytes:
        key = message.control_id
        return f"MSH|^~\\&|HIS|GENERAL|RIS|RAD|2029||ACK|A{key}|P|2.3.1\rMSA|CA|{key}\r".encode()

    receiver = MllpReceiver(accept)
    try:
        register(Direction.IN, acknowledgement="accept", release_2=True)
        register(Direction.OUT, receiver.port)
        with listening() as listener:
            client = clients(listener.port)
            client.send(frame(enhanced("1")) + frame(enhanced("2")))
            for key in ("1", "2"):
                assert client.raw_answer() == b"\x06"
                assert client.answer().get("MSA-1") == "CA", key
            assert Order.objects.count() == 0

            deferred.apply_stored()
            outbox.deliver_due()

        assert Order.objects.count() == 2
        told = [(each.field("MSA", 1), each.field("MSA", 2)) for each in receiver.of_type("ACK.*")]
        assert told == [("AA", "1"), ("AA", "2")]
        states = Delivery.objects.filter(lane="acknowledgements").values_list("state", flat=True)
        assert set(states) == {"DELIVERED"}
    finally:
        receiver.close()


def test_what_was_stored_survives_the_end_of_the_listener_and_is_applied_once(
    clients: Connect,
) -> None:
    register(Direction.IN, acknowledge_after="stored")
    with listening() as listener:
        client = clients(listener.port)
        client.send(b"".join(frame(enhanced(str(number))) for number in range(10)))
        assert [client.answer().get("MSA-1") for _ in range(10)] == ["AA"] * 10

    # Two workers begin at the same moment.
    workers = [threading.Thread(target=_apply) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    applied = InboundMessage.objects.order_by("pk").values_list("key", "state")
    assert list(applied) == [(str(number), "APPLIED") for number in range(10)]
    numbers = Order.objects.order_by("pk").values_list("placer_order_number", flat=True)
    assert list(numbers) == [f"PL{number}" for number in range(10)]


def _apply() -> None:
    try:
        deferred.apply_stored()
    finally:
        connections.close_all()
