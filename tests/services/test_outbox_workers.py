"""Workers at one queue: each key's messages leave in order, also if workers die (R3, R5)."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris import tasks
from ris.domain.exchange import Protocol
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.models import Delivery, DomainEvent, Endpoint
from ris.services import afterwards, outbox
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS, LANES, EACH, CRASHES = 8, 12, 10, 15
SECONDS = 60.0


class Died(BaseException):
    """A worker's sudden end."""


class Wire:
    """A peer that notes what it has; now and then the worker dies once the peer has a message."""

    def __init__(self, crashes: int) -> None:
        self.got: dict[str, list[int]] = defaultdict(list)
        self.crashes = crashes
        self.most: Counter[str] = Counter()
        self.died: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._random = random.Random(7)
        self._lock = threading.Lock()

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        return ()

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        lane, _, number = payload.decode().partition(" ")
        with self._lock:
            self._inside[lane] += 1
            self.most[lane] = max(self.most[lane], self._inside[lane])
            pause = self._random.random() / 500
        threading.Event().wait(pause)
        with self._lock:
            self.got[lane].append(int(number))
            self._inside[lane] -= 1
            # Not so often for one message that it would be put aside.
            if self.crashes and self.died[control_id] < 2 and self._random.random() < 0.5:
                self.crashes -= 1
                self.died[control_id] += 1
                raise Died(control_id)
        return Attempt(result=Result.DELIVERED)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return payload

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)


@pytest.fixture(params=[0, CRASHES], ids=["all live", "some die"])
def wire(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire(request.param)
    monkeypatch.setitem(outbox._PROTOCOLS, Protocol.FHIR, wire)
    outbox.reset_breaker()
    yield wire
    outbox.reset_breaker()


def fill(endpoint: Endpoint) -> None:
    now = timezone.now()
    Delivery.objects.bulk_create(
        [
            Delivery(
                endpoint=endpoint,
                lane=f"lane{lane}",
                control_id=f"{lane}.{number}",
                payload=f"lane{lane} {number}".encode(),
                due_at=now,
            )
            for number in range(EACH)
            for lane in range(LANES)
        ]
    )


def work(endpoint: Endpoint, until: float) -> None:
    """A worker of a process of its own: no gate but the database's. When it dies it starts anew."""
    try:
        while Delivery.objects.exclude(state="DELIVERED").exists():
            assert timezone.now().timestamp() < until, "it did not come to an end"
            try:
                outbox._free_expired()
                outbox._serve(endpoint, 1000)
            except Died as death:
                # What it had leased is given back, as at the start of the next worker.
                past = timezone.now() - timedelta(seconds=1)
                Delivery.objects.filter(control_id=str(death)).update(lease_until=past)
    finally:
        connection.close()


def test_no_message_overtakes_another_of_its_key(wire: Wire) -> None:
    make.endpoint("A", protocol=Protocol.FHIR)
    endpoint = Endpoint.objects.get()
    crashes = wire.crashes
    fill(endpoint)
    until = timezone.now().timestamp() + SECONDS

    # SQLite lets one write at a time, and the others poll.
    workers = WORKERS if connection.vendor == "postgresql" else 3
    threads = [threading.Thread(target=work, args=(endpoint, until)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()

    assert len(wire.got) == LANES
    for numbers in wire.got.values():
        assert list(dict.fromkeys(numbers)) == list(range(EACH))  # none is missing
        assert numbers == sorted(numbers)  # and a repeat comes before what follows
    repeats = sum(len(numbers) for numbers in wire.got.values()) - LANES * EACH
    assert repeats == crashes - wire.crashes
    assert wire.crashes == 0
    assert set(wire.most.values()) == {1}  # one in flight for each key


def test_a_pass_that_took_its_time_commits_what_it_wrote_and_leaves_the_rest() -> None:
    make.endpoint("A", protocol=Protocol.HL7)
    for _ in range(3):
        make.order()
    waiting = DomainEvent.objects.filter(fanned_out_at__isnull=True).order_by("id")
    before = list(waiting.values_list("id", flat=True))

    assert outbox.fan_out(seconds=0) == 1
    assert list(waiting.values_list("id", flat=True)) == before[1:]
    assert outbox.fan_out() == len(before) - 1
    assert not waiting.exists()


def test_the_worker_takes_a_backlog_in_many_short_transactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "HOLD_SECONDS", 0)
    monkeypatch.setattr(afterwards, "follow_apart", lambda: None)  # a thread that outlives us
    make.endpoint("A", protocol=Protocol.HL7)
    for _ in range(3):
        make.order()
    waiting = DomainEvent.objects.filter(fanned_out_at__isnull=True)
    count = waiting.count()

    with CaptureQueriesContext(connection) as queries:
        tasks.deliver()

    marked = [each for each in queries if 'SET "fanned_out_at"' in each["sql"]]
    assert len(marked) == count
    assert not waiting.exists()
