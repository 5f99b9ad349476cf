"""Many connections at once: what a connection sends is applied and answered in its order (R3)."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.db import connections

from integration.hl7.inbound import handle
from integration.hl7.server import ListenerConfig, Peer, Reply, running
from ris import config
from ris.models import InboundMessage, Order
from tests import make
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import order
from tests.running import wait_until
from tests.wire.mllp_sender import Client, frame

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.wire]

WORKERS = 8
MESSAGES = 10  # of each connection


def in_thread(message: bytes, peer: Peer) -> Reply | None:
    """The handler, giving its database connection back: the test database must be removable."""
    try:
        return handle(message, peer)
    finally:
        connections.close_all()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", "accept")
    config.load.cache_clear()
    make.site()
    make.device()
    with running(ListenerConfig(port=0, threads=WORKERS), in_thread) as listener:
        yield listener.port
    config.load.cache_clear()


@dataclass
class Script:
    """What one connection sends about one order, and what is to be seen of it in the end."""

    number: str
    chance: random.Random
    sent: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    reason: str = "headache"
    held: bool = False

    def write(self) -> None:
        self._add("NW", self.reason)
        while len(self.sent) < MESSAGES:
            control = self.chance.choice(["XO", "XO", "XO", "RL" if self.held else "HD"])
            if control == "XO" and not self.held:
                self.reason = f"reason {len(self.sent)}"
                self._add("XO", self.reason)
            elif control in {"HD", "RL"}:
                self.held = control == "HD"
                self._add(control, self.reason)

    def _add(self, control: str, reason: str) -> None:
        key = f"{self.number}-{len(self.sent)}"
        self.keys.append(key)
        text = order(
            pid=f"PID|1||{self.number}^^^HOSP^MR||Berg^{self.number}||19700503|F",
            pv1="",
            orc=messages.orc(f1=control, f2=f"{self.number}^HIS"),
            obr=messages.obr(
                f2=f"{self.number}^HIS", f4="CTHEAD^CT head^L", f24="CT", f31=f"^{reason}"
            ),
            more=(),
            key=key,
        )
        self.sent.append(text.encode())

    def send(self, port: int, answers: dict[str, list[str]]) -> None:
        """All at once, without waiting for an answer in between."""
        client = Client(port)
        client.send(b"".join(map(frame, self.sent)))
        for _ in self.sent:
            answer = client.answer()
            answers[self.number].append(f"{answer.get('MSA-1')} {answer.get('MSA-2')}")
        client.sock.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_each_order_ends_as_its_last_message_says(port: int, seed: int) -> None:
    chance = random.Random(seed)
    scripts = [Script(f"PL{number}", chance) for number in range(WORKERS)]
    for script in scripts:
        script.write()
    answers: dict[str, list[str]] = defaultdict(list)

    senders = [
        threading.Thread(target=script.send, args=(port, answers), daemon=True)
        for script in scripts
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()

    stored = list(InboundMessage.objects.order_by("pk").values_list("key", flat=True))
    for script in scripts:
        assert answers[script.number] == [f"AA {key}" for key in script.keys]
        assert [key for key in stored if key in script.keys] == script.keys
        placed = Order.objects.get(placer_order_number=script.number)
        status = "ON_HOLD" if script.held else "ACTIVE"
        assert (placed.reason, placed.status) == (script.reason, status)
    assert len(stored) == WORKERS * MESSAGES
    wait_until(
        lambda: set(InboundMessage.objects.values_list("reply_state", flat=True)) == {"SENT"},
        "every answer is noted as sent",
    )
