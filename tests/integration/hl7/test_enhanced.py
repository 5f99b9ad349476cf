"""Enhanced mode and deferred work: told when it is stored, applied after that, in order."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from integration.hl7 import later
from integration.hl7.er7 import Message
from integration.hl7.inbound import handle
from integration.hl7.server import Commit, Peer, Reply
from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.models import AuditEvent, Delivery, InboundMessage, Order
from ris.services import deferred, execute, inbox
from tests import make
from tests.integration.hl7.messages import ORC, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("refusing")]

PEER = Peer("127.0.0.1", 50000, 2575, 1)
STRICT = {"acknowledgement": "accept"}


def register(direction: Direction = Direction.IN, name: str = "HIS", **fields: Any) -> None:
    if direction is Direction.OUT:
        fields |= {"host": "127.0.0.1", "port": 2576}
    fields.setdefault("protocol_name", "HIS^GENERAL")
    execute(
        ConfigureEndpoint(name=name, protocol=Protocol.HL7, direction=direction, **fields),
        actor=OPERATOR,
    )


def enhanced(conditions: str = "AL|AL", key: str = "M1", **segments: str) -> str:
    return order(key=key, **segments).replace("|P|2.3.1||||||", f"|P|2.3.1|||{conditions}||")


def told(message: str, peer: Peer = PEER) -> str:
    """MSA of the answer; empty if nothing was said."""
    reply = handle(message.encode(), peer)
    assert isinstance(reply, Reply)
    lines = reply.payload.decode().split("\r")
    return lines[1] if len(lines) > 1 else ""


def sent() -> list[Message]:
    return [Message.from_bytes(bytes(row.payload)) for row in Delivery.objects.order_by("pk")]


def test_a_strict_peer_is_told_at_once_and_of_the_outcome_later() -> None:
    register(settings=STRICT)
    register(Direction.OUT)

    assert told(enhanced()) == "MSA|CA|M1"

    stored = InboundMessage.objects.get()
    assert (stored.state, stored.outcome, Order.objects.count()) == ("RECEIVED", "CA", 0)
    assert deferred.apply_stored() == 1
    stored.refresh_from_db()
    assert (stored.state, stored.outcome) == ("APPLIED", "AA")
    assert list(stored.orders.all()) == [Order.objects.get()]
    (answer,) = sent()
    assert (answer.get("MSA-1"), answer.get("MSA-2")) == ("AA", "M1")
    assert (answer.get("MSH-9.1"), answer.get("MSH-15"), answer.get("MSH-16")) == (
        "ACK", "AL", "NE",
    )  # fmt: skip
    (delivery,) = Delivery.objects.all()
    assert (delivery.lane, delivery.control_id) == (later.LANE, answer.get("MSH-10"))


def test_what_is_wrong_is_told_later_with_its_place_and_found_among_the_exceptions() -> None:
    register(settings=STRICT)
    register(Direction.OUT)

    assert told(enhanced(orc=ORC.replace("NW", "ZZ"))) == "MSA|CA|M1"
    deferred.apply_stored()

    stored = InboundMessage.objects.get()
    assert (stored.state, stored.outcome, stored.error_path) == ("REJECTED", "AE", "ORC-1")
    (answer,) = sent()
    assert (answer.get("MSA-1"), answer.get("ERR-1.1"), answer.get("ERR-1.4")) == (
        "AE", "ORC", "103",
    )  # fmt: skip
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    ("conditions", "good", "bad"),
    [
        ("AL|AL", ["AA"], ["AE"]),
        ("AL|NE", [], []),
        ("AL|ER", [], ["AE"]),
        ("AL|SU", ["AA"], []),
        ("AL|", [], []),
    ],
)
def test_the_application_answers_as_msh_16_asks(
    conditions: str, good: list[str], bad: list[str]
) -> None:
    register(settings=STRICT)
    register(Direction.OUT)

    told(enhanced(conditions, "M1"))
    deferred.apply_stored()
    assert [message.get("MSA-1") for message in sent()] == good
    Delivery.objects.all().delete()
    told(enhanced(conditions, "M2", orc=ORC.replace("NW", "ZZ")))
    deferred.apply_stored()
    assert [message.get("MSA-1") for message in sent()] == bad


@pytest.mark.parametrize(
    ("conditions", "good", "bad"),
    [
        ("AL|NE", "MSA|CA|M1", "MSA|CR|M2"),
        ("NE|AL", "", ""),
        ("ER|NE", "", "MSA|CR|M2"),
        ("SU|NE", "MSA|CA|M1", ""),
        ("|AL", "MSA|CA|M1", "MSA|CR|M2"),
    ],
)
def test_the_storage_answers_as_msh_15_asks(conditions: str, good: str, bad: str) -> None:
    register(settings=STRICT)

    assert told(enhanced(conditions, "M1")) == good
    unserved = enhanced(conditions, "M2").replace("ORM^O01", "ORM^O99")
    assert told(unserved).removesuffix("|this event is not served") == bad


def test_what_cannot_be_read_is_refused_at_once() -> None:
    register(settings=STRICT)

    reply = handle(enhanced().encode().replace(b"Berg", b"B\xe9rg"), PEER)

    assert isinstance(reply, Reply)
    assert reply.payload.split(b"\r")[1].startswith(b"MSA|CE|M1")
    assert InboundMessage.objects.get().state == "REJECTED"


def test_a_repeat_gets_the_answer_it_got_and_has_no_second_effect() -> None:
    register(settings=STRICT)
    register(Direction.OUT)
    first = handle(enhanced().encode(), PEER)
    early = handle(enhanced().encode(), PEER)
    deferred.apply_stored()

    late = handle(enhanced().encode(), PEER)

    assert isinstance(first, Reply)
    assert isinstance(early, Reply)
    assert isinstance(late, Reply)
    assert first.payload == early.payload == late.payload
    assert deferred.apply_stored() == 0
    assert (Order.objects.count(), Delivery.objects.count()) == (1, 1)
    assert InboundMessage.objects.get().repeats == 2


def test_without_an_endpoint_to_answer_to_the_message_says_so() -> None:
    register(settings=STRICT)

    told(enhanced())
    deferred.apply_stored()

    stored = InboundMessage.objects.get()
    assert (stored.state, stored.outcome) == ("APPLIED", "AA, not sent")


def test_a_peer_in_original_mode_may_be_answered_when_its_message_is_stored() -> None:
    register(settings={"acknowledge_after": "stored"})

    assert told(order(orc=ORC.replace("NW", "ZZ"))) == "MSA|AA|M1"
    assert told(order(key="M2")) == "MSA|AA|M2"
    assert Order.objects.count() == 0

    assert deferred.apply_stored() == 2

    states = InboundMessage.objects.order_by("pk").values_list("state", "outcome")
    assert list(states) == [("REJECTED", "AE"), ("APPLIED", "AA")]
    assert Delivery.objects.count() == 0


def test_whether_the_first_answer_was_written_stays_noted() -> None:
    register(settings=STRICT)
    reply = handle(enhanced().encode(), PEER)
    assert isinstance(reply, Reply)
    reply.sent(True)
    answered_at = InboundMessage.objects.get().answered_at

    deferred.apply_stored()

    stored = InboundMessage.objects.get()
    assert (stored.reply_state, stored.answered_at) == ("SENT", answered_at)
    assert bytes(stored.reply) == reply.payload


def test_messages_of_a_sender_are_applied_in_their_order_and_others_beside() -> None:
    register(settings=STRICT)
    register(name="LAB", protocol_name="LAB", settings=STRICT)
    cancel = ORC.replace("NW", "CA")
    told(enhanced(key="1"))
    told(enhanced(key="2", orc=cancel, obr="", more=()))
    told(
        enhanced(key="3")
        .replace("HIS|GENERAL", "LAB|")
        .replace("PL1", "PL9")
        .replace("2.9^", "3.1^")
    )

    deferred.apply_stored()

    applied = InboundMessage.objects.order_by("answered_at", "pk")
    assert [(message.key, message.state) for message in applied] == [
        ("1", "APPLIED"), ("2", "APPLIED"), ("3", "APPLIED"),
    ]  # fmt: skip
    orders = Order.objects.values_list("placer_order_number", "status")
    assert dict(orders) == {"PL1": "CANCELED", "PL9": "ACTIVE"}


def test_a_message_that_the_database_cannot_take_now_keeps_its_place_and_no_other_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(settings=STRICT)
    register(name="LAB", protocol_name="LAB", settings=STRICT)
    told(enhanced(key="1"))
    told(enhanced(key="2").replace("PL1", "PL2").replace("2.9^", "2.10^"))
    told(
        enhanced(key="3")
        .replace("HIS|GENERAL", "LAB|")
        .replace("PL1", "PL9")
        .replace("2.9^", "3.1^")
    )
    real = inbox._apply

    def fails(message: InboundMessage, *arguments: Any) -> Any:
        if message.key == "1":
            raise OperationalError("locked")
        return real(message, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "_apply", fails)
        assert deferred.apply_stored() == 1
    states = dict(InboundMessage.objects.values_list("key", "state"))
    assert states == {"1": "RECEIVED", "2": "RECEIVED", "3": "APPLIED"}

    assert deferred.apply_stored() == 2
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {"APPLIED"}


# --- release 2, certificates --------------------------------------------------------------------


def test_a_peer_of_release_2_is_told_what_was_stored_and_what_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(settings={"release_2": True})
    reply = handle(order().encode(), PEER)
    assert isinstance(reply, Reply)
    assert reply.commit is Commit.STORED

    def full(**_: Any) -> Any:
        raise OperationalError("disk full")

    monkeypatch.setattr(inbox, "receive", full)
    reply = handle(order(key="M2").encode(), PEER)

    assert isinstance(reply, Reply)
    assert reply.commit is Commit.NOT_STORED


def test_a_batch_is_told_stored_once_and_not_stored_if_one_of_it_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(settings={"release_2": True})
    batch = f"BHS|^~\\&|HIS|GENERAL\r{order()}{order(key='M2', orc='', obr='')}BTS|2\r".encode()
    reply = handle(batch, PEER)
    assert isinstance(reply, Reply)
    assert reply.commit is Commit.STORED

    real = inbox.receive

    def full(**arguments: Any) -> Any:
        if arguments["key"] == "M2":
            raise OperationalError("disk full")
        return real(**arguments)

    monkeypatch.setattr(inbox, "receive", full)
    reply = handle(batch, PEER)

    assert isinstance(reply, Reply)
    assert reply.commit is Commit.NOT_STORED


def test_other_peers_are_not_told_of_release_2() -> None:
    register()

    reply = handle(order().encode(), PEER)

    assert isinstance(reply, Reply)
    assert reply.commit is Commit.NONE


@pytest.mark.parametrize(
    ("shown", "expected", "reason"),
    [
        (None, "AR", "this sender must show its certificate"),
        ("cd" * 32, "AR", "this certificate is not that of the sender"),
        ("ab" * 32, "AA", ""),
    ],
)
def test_a_peer_may_be_bound_to_its_certificate(
    shown: str | None, expected: str, reason: str
) -> None:
    make.device()
    register(settings={"certificates": ["AB" * 32]})
    certificate = None if shown is None else make_certificate(shown)
    peer = Peer("127.0.0.1", 50000, 2576, 1, tls=shown is not None, certificate=certificate)

    assert told(order(), peer) == f"MSA|{expected}|M1|{reason}".rstrip("|")

    audits = AuditEvent.objects.filter(action="HL7 sender refused").count()
    assert (Order.objects.count(), audits) == ((1, 0) if expected == "AA" else (0, 1))


def make_certificate(fingerprint: str) -> Any:
    from integration.hl7.tls import PeerCertificate

    return PeerCertificate(fingerprint, "commonName=his", ())
