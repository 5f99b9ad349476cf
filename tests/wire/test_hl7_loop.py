"""HL7 over real sockets, both ways: python-hl7's client orders, a scripted receiver answers.

Neither end is our client code: what goes in is framed by the ``hl7`` package, what comes out is
read here byte by byte.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import hl7
import pytest
from django.db import connections
from django.utils import timezone
from hl7.client import MLLPClient

from integration.hl7.inbound import handle
from integration.hl7.mllp_client import CONNECTIONS
from integration.hl7.server import ListenerConfig, Peer, Reply, running
from ris import config
from ris.domain.exchange import RequeueDelivery, Subscription
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.models import Delivery, InboundMessage, Order, ScheduledProcedureStep
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import OBR, ORC, order
from tests.running import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.wire]


# --- our listener -------------------------------------------------------------------------------


def _in_thread(frame: bytes, peer: Peer) -> Reply | None:
    """The handler, giving its database connection back: the test database must be removable."""
    try:
        reply = handle(frame, peer)
    finally:
        connections.close_all()
    if reply is None:
        return None

    def sent(written: bool) -> None:
        try:
            reply.sent(written)
        finally:
            connections.close_all()

    return Reply(reply.payload, sent)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A running MLLP listener that takes unregistered senders."""
    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", "accept")
    config.load.cache_clear()
    with running(ListenerConfig(port=0, threads=4), _in_thread) as listener:
        yield listener.port
    config.load.cache_clear()


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    make.site()
    make.device()
    yield
    CONNECTIONS.close()


def ask(port: int, *texts: str) -> list[hl7.Message]:
    """Send messages over one connection with python-hl7; its answers, parsed."""
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(10)
        replies = [client.send_message(text) for text in texts]
    return [hl7.parse(reply.decode().strip("\x0b\x1c\r")) for reply in replies]


# --- a receiver by script -----------------------------------------------------------------------

Answer = Callable[[hl7.Message], str | None]


def acknowledge(code: str, *, text: str = "", error: str = "", control_id: str = "") -> Answer:
    """An answer with this MSA-1; with another MSA-2 if one is given."""

    def answer(message: hl7.Message) -> str:
        key = control_id or str(message.segment("MSH")[10])
        lines = [
            f"MSH|^~\\&|EHR|GENERAL|RIS|RAD|2026||ACK|A{key}|P|2.5.1",
            f"MSA|{code}|{key}|{text}",
        ]
        return "\r".join([*lines, *([f"ERR|||{error}|E"] if error else []), ""])

    return answer


def silence(message: hl7.Message) -> None:
    """No answer; the connection stays open."""


@dataclass
class Receiver:
    """Answers each message by the next line of its script, then with AA."""

    script: list[Answer] = field(default_factory=list)
    received: list[hl7.Message] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            self.port = listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            yield self
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        data = b""
        with peer:
            peer.settimeout(20)
            while True:
                with suppress(OSError):
                    chunk = peer.recv(4096)
                    data += chunk
                if not chunk:
                    return
                while data.endswith(b"\x1c\r"):
                    assert data[:1] == b"\x0b"
                    message = hl7.parse(data[1:-2].decode())
                    data = b""
                    self.received.append(message)
                    answer = self.script.pop(0) if self.script else acknowledge("AA")
                    told = answer(message)
                    if told is not None:
                        peer.sendall(b"\x0b" + told.encode() + b"\x1c\r")

    def kinds(self) -> list[str]:
        return [f"{m.segment('MSH')[9][0][0]}^{m.segment('MSH')[9][0][1]}" for m in self.received]

    def keys(self) -> list[str]:
        return [str(message.segment("MSH")[10]) for message in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening


def endpoint(receiver: Receiver, *sends: Subscription, **fields: Any) -> None:
    given: dict[str, Any] = {"settings": {"timeout_seconds": 0.4}, **fields}
    make.endpoint(port=receiver.port, sends=sends or (Subscription.ORDER_STATUS,), **given)


def deliver() -> list[str]:
    """Fan out and send what is due, now; the states of all deliveries."""
    outbox.fan_out()
    Delivery.objects.filter(state="PENDING").update(due_at=timezone.now() - timedelta(seconds=1))
    outbox.reset_breaker()
    outbox.deliver_due()
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


# --- in -----------------------------------------------------------------------------------------


def test_an_order_is_on_the_worklist_before_its_acknowledgement_is_read(port: int) -> None:
    (reply,) = ask(port, order(key="M1"))

    assert [str(field) for field in reply.segment("MSA")[1:3]] == ["AA", "M1"]
    step = ScheduledProcedureStep.objects.get()
    assert (step.status, step.station_ae_title) == ("SCHEDULED", "CT1")
    assert step.procedure.study_instance_uid == "1.2.276.0.7230010.3.1.2.9"
    wait_until(
        lambda: InboundMessage.objects.get().reply_state == "SENT", "the answer is noted as sent"
    )


def test_the_same_bytes_on_another_connection_get_the_stored_answer(port: int) -> None:
    (first,) = ask(port, order(key="M1"))

    (second,) = ask(port, order(key="M1"))

    assert str(second) == str(first)
    assert Order.objects.count() == 1
    assert InboundMessage.objects.get().repeats == 1


def test_many_messages_over_one_connection_are_done_in_order(port: int) -> None:
    cancel = "ORC|CA|PL1^HIS"

    replies = ask(
        port,
        order(key="M1"),
        messages.text(messages.PID, cancel, key="M2"),
        messages.text(messages.PID, cancel, key="M3"),
        order(orc=ORC.replace("PL1", "PL2"), obr=OBR.replace("PL1", "PL2"), more=(), key="M4"),
    )

    assert [str(reply.segment("MSA")[1]) for reply in replies] == ["AA", "AA", "AE", "AA"]
    assert [each.status for each in Order.objects.order_by("id")] == ["CANCELED", "ACTIVE"]


def test_garbage_closes_the_connection_and_is_kept(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"\x0bthis is no message\x1c\r")

        assert peer.recv(100) == b""

    assert bytes(InboundMessage.objects.get().raw) == b"this is no message"


def test_the_same_order_from_eight_connections_at_once_is_one_order(port: int) -> None:
    codes: list[str] = []

    def place(number: int) -> None:
        (reply,) = ask(port, order(key=f"M{number}"))
        codes.append(str(reply.segment("MSA")[1]))

    threads = [threading.Thread(target=place, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert codes == ["AA"] * 8
    assert Order.objects.count() == 1


# --- out ----------------------------------------------------------------------------------------


def test_the_loop_from_the_order_to_the_report(port: int, receiver: Receiver) -> None:
    endpoint(receiver, Subscription.ORDER_STATUS, Subscription.APPOINTMENTS, Subscription.RESULTS)
    ask(port, order(key="M1"))
    placed = Order.objects.get()
    start = make.start(placed)
    execute(start, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=start.sop_instance_uid,
            details=PerformedDetails(ended_at=make.NOON + timedelta(minutes=15)),
        ),
        actor=people.ct1,
    )
    make.final_report(placed)

    assert set(deliver()) == {"DELIVERED"}

    assert receiver.kinds() == [
        "OMG^O19", "SIU^S12", "OMG^O19", "OMG^O19", "ORU^R01", "OMG^O19",
    ]  # fmt: skip
    assert receiver.connections == 1
    statuses = [
        (str(m.segment("ORC")[1]), str(m.segment("ORC")[5]), str(m.segment("OBR")[25]))
        for m in receiver.received
        if "SIU" not in str(m.segment("MSH")[9])
    ]
    assert statuses == [
        ("SC", "SC", "S"), ("SC", "IP", "I"), ("SC", "IP", "I"), ("RE", "CM", "F"),
        ("SC", "CM", "F"),
    ]  # fmt: skip
    result = receiver.received[4]
    assert str(result.segment("ORC")[2][0][0]) == "PL1"
    texts = [str(obx[5]) for obx in result.segments("OBX")]
    assert texts == [
        "1.2.276.0.7230010.3.1.2.9", "No bleeding.", "Normal CT of the head.",
    ]  # fmt: skip


def test_a_refusal_stops_its_lane_until_a_person_decides(receiver: Receiver) -> None:
    refusal = acknowledge("AE", text="unknown patient", error="204^Unknown key^HL70357")
    receiver.script = [refusal, acknowledge("AA"), refusal, refusal]
    endpoint(receiver)
    first = make.booked()
    make.booked(start_at=make.NOON + timedelta(hours=1))
    execute(make.start(first), actor=people.ct1)

    states = [deliver() for _ in range(3)][-1]

    assert states == ["REFUSED", "DELIVERED", "PENDING"]  # what follows in the lane waits
    refused = Delivery.objects.get(state="REFUSED")
    assert refused.last_error == "AE: unknown patient; 204 Unknown key"
    execute(
        RequeueDelivery(delivery=str(refused.public_id), reason="patient was added"),
        actor=people.admin,
    )
    assert deliver() == ["DELIVERED"] * 3
    assert receiver.keys().count(refused.control_id) == 4


def test_an_answer_to_another_message_counts_for_nothing(receiver: Receiver) -> None:
    receiver.script = [acknowledge("AA", control_id="SOMETHING-ELSE")]
    endpoint(receiver)
    make.booked()

    assert deliver() == ["PENDING"]
    assert "MSA-2" in Delivery.objects.get().last_error
    assert deliver() == ["DELIVERED"]

    assert len(set(receiver.keys())) == 1  # the same control id, so the receiver can tell
    assert receiver.connections == 2


def test_silence_is_followed_by_the_same_message_on_a_new_connection(receiver: Receiver) -> None:
    receiver.script = [silence]
    endpoint(receiver)
    make.booked()

    assert deliver() == ["PENDING"]
    assert Delivery.objects.get().last_error == "no answer: timed out"
    assert deliver() == ["DELIVERED"]

    assert len(receiver.received) == 2
    assert len(set(receiver.keys())) == 1
    assert receiver.connections == 2


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (acknowledge("CA"), "DELIVERED"),
        (acknowledge("AE", error="206^Record locked^HL70357"), "PENDING"),
        (acknowledge("AR", error="207^Internal error^HL70357"), "PENDING"),
        (lambda message: "no acknowledgement at all", "PENDING"),
    ],
    ids=["stored", "locked", "not now", "nonsense"],
)
def test_other_answers(receiver: Receiver, answer: Answer, state: str) -> None:
    receiver.script = [answer]
    endpoint(receiver)
    make.booked()

    assert deliver() == [state]
    assert deliver() == ["DELIVERED"]


def test_a_receiver_that_is_away_gets_everything_in_order_once_it_is_back() -> None:
    away = Receiver()
    with away.listening():
        pass
    endpoint(away)
    placed = make.booked()
    execute(make.start(placed), actor=people.ct1)

    assert deliver() == ["PENDING", "PENDING"]
    assert Delivery.objects.order_by("id")[0].last_error.startswith("no connection")
    with away.listening():
        assert deliver() == ["DELIVERED", "DELIVERED"]

    assert [str(m.segment("ORC")[5]) for m in away.received] == ["SC", "IP"]
