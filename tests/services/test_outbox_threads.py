"""Many endpoints at once: a peer that hangs keeps nobody else waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from ris.domain.exchange import Protocol
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.models import Delivery
from ris.services import outbox
from tests import make
from tests.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 2
SECONDS = 20.0


class Wire:
    """A protocol whose peers answer at once, but for those that hang until they are let go."""

    def __init__(self) -> None:
        self.hangs: set[str] = set()
        self.let_go = threading.Event()
        self.calls: list[str] = []
        self.at_once: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._lock = threading.Lock()

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        if event.name != "OrderPlaced":
            return ()
        return (
            Outgoing(
                lane=event.order, control_id=control_id, message_type=event.name, payload=b"placed"
            ),
        )

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        name = endpoint.name
        with self._lock:
            self.calls.append(name)
            self.at_once[name] = self.at_once.get(name, 0) + 1
            self.most[name] = max(self.most.get(name, 0), self.at_once[name])
        try:
            if name in self.hangs:
                self.let_go.wait(SECONDS)
                return Attempt(result=Result.AMBIGUOUS, error="no answer")
            return Attempt(result=Result.DELIVERED)
        finally:
            with self._lock:
                self.at_once[name] -= 1

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return payload

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()
    monkeypatch.setitem(outbox._PROTOCOLS, Protocol.FHIR, wire)
    monkeypatch.setattr(outbox, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(outbox, "_pools", {})
    outbox.reset_breaker()
    yield wire
    wire.let_go.set()
    for pool in outbox._pools.values():
        close_connections(pool)
    outbox.reset_breaker()


def close_connections(pool: ThreadPoolExecutor) -> None:
    """End the pool's threads, each of which keeps a connection to the database."""
    together = threading.Barrier(THREADS)

    def close() -> None:
        together.wait(SECONDS)
        connection.close()

    for _ in range(THREADS):
        pool.submit(close)
    pool.shutdown(wait=True)


def waiting_for(name: str) -> int:
    return Delivery.objects.filter(endpoint__name=name, state="PENDING").count()


def deliver_in_thread() -> threading.Thread:
    def run() -> None:
        try:
            outbox.deliver_due(threads=THREADS)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def place(count: int) -> None:
    for _ in range(count):
        make.order()
    outbox.fan_out()


def test_a_peer_that_hangs_takes_one_thread_however_many_lanes_it_has(wire: Wire) -> None:
    wire.hangs = {"hanging"}
    make.endpoint("hanging", protocol=Protocol.FHIR)
    make.endpoint("well", protocol=Protocol.FHIR)
    place(5)

    bells = [deliver_in_thread() for _ in range(4)]
    wait_until(lambda: waiting_for("well") == 0, "who is well has everything")
    for bell in bells:
        bell.join(SECONDS)
        assert not bell.is_alive()  # who rang does not wait for the peer that hangs

    assert wire.calls.count("well") == 5
    assert wire.most == {"hanging": 1, "well": 1}


def test_peers_that_did_not_answer_wait_among_themselves(wire: Wire) -> None:
    hanging = [f"hanging {number}" for number in range(4)]
    wire.hangs = set(hanging)
    for name in hanging:
        make.endpoint(name, protocol=Protocol.FHIR)
    place(2)
    wire.let_go.set()  # all fail once: now it is known whom not to wait for
    wait_until(
        lambda: outbox.deliver_due(threads=THREADS) == 0 and len(wire.calls) >= 4,
        "each is tried once",
    )
    wire.let_go.clear()
    wire.calls.clear()
    Delivery.objects.update(due_at=Delivery.objects.earliest("created_at").created_at)
    outbox.deliver_due(threads=THREADS)
    wait_until(lambda: len(wire.calls) == THREADS, "every thread is at a peer that hangs")

    make.endpoint("well", protocol=Protocol.FHIR)
    place(1)
    delivered = outbox.deliver_due(threads=THREADS)

    assert delivered == 1
    assert waiting_for("well") == 0


def test_what_becomes_due_while_its_endpoint_is_served_is_served_too(wire: Wire) -> None:
    make.endpoint("well", protocol=Protocol.FHIR)
    place(1)
    gate = outbox._gate
    endpoint = Delivery.objects.get().endpoint
    assert gate.enter(endpoint.pk)

    found_it_busy = outbox.deliver_due(threads=THREADS)

    assert found_it_busy == 0
    assert outbox._serve_alone(endpoint, 100) == 1
    assert gate.enter(endpoint.pk)
    assert gate.leave(endpoint.pk)
