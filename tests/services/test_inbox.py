"""Messages in: stored, applied, answered, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ris.domain.errors import ErrorCode, RisError
from ris.domain.exchange import Protocol, ReplayMessage
from ris.domain.places import Place
from ris.models import DomainEvent, InboundMessage, Order
from ris.services import execute, inbox
from ris.services.inbox import Answer, Receipt
from tests import make, people

pytestmark = pytest.mark.django_db

OK = Answer(payload=b"accepted", outcome="AA")


def refuse(error: RisError) -> Answer:
    return Answer(payload=f"refused: {error.code.value}".encode(), outcome="AE")


def receive(
    raw: bytes = b"an order",
    *,
    key: str = "1",
    apply: Callable[[], Answer] = lambda: OK,
    references: tuple[tuple[str, str], ...] = (),
    sender: str = "EHR^HOSP",
) -> Receipt:
    return inbox.receive(
        protocol=Protocol.HL7,
        actor=people.ehr,
        key=key,
        raw=raw,
        message_type="ORM^O01",
        apply=apply,
        refuse=refuse,
        sender=sender,
        references=references,
    )


def place() -> Answer:
    execute(make.place_order(), actor=people.ehr)
    return OK


def test_a_message_is_stored_with_its_effect_and_its_answer() -> None:
    receipt = receive(apply=place)

    message = InboundMessage.objects.get()
    order = Order.objects.get()
    assert (bytes(message.raw), bytes(message.reply)) == (b"an order", b"accepted")
    assert (message.state, message.outcome, message.reply_state) == ("APPLIED", "AA", "PENDING")
    assert (receipt.message, receipt.duplicate) == (str(message.public_id), False)
    assert list(message.orders.all()) == [order]
    assert message.patient_id == order.patient_id
    assert set(DomainEvent.objects.values_list("message_id", flat=True)) == {message.pk}


def test_the_same_bytes_again_give_the_stored_answer_and_no_second_effect() -> None:
    receive(apply=place)

    again = receive(apply=place)

    assert (again.duplicate, again.answer) == (True, OK)
    assert (Order.objects.count(), InboundMessage.objects.get().repeats) == (1, 1)


def test_the_same_key_with_other_content_is_a_new_message_and_flagged() -> None:
    receive(b"one", apply=place)

    receive(b"two", apply=place)

    flags = list(InboundMessage.objects.order_by("id").values_list("key_reused", flat=True))
    assert (Order.objects.count(), flags) == (2, [False, True])


def test_two_senders_may_use_the_same_key() -> None:
    receive(sender="A^B", apply=place)

    receive(sender="C^D", apply=place)

    assert Order.objects.count() == 2
    assert not InboundMessage.objects.filter(key_reused=True).exists()


def test_a_refused_message_is_kept_and_its_effect_undone() -> None:
    def half() -> Answer:
        place()
        execute(make.place_order(procedures=()), actor=people.ehr)
        return OK

    receipt = receive(apply=half)

    message = InboundMessage.objects.get()
    assert receipt.answer.payload == b"refused: missing-value"
    assert (message.state, message.outcome, message.error_path) == ("REJECTED", "AE", Place.CODE)
    assert (Order.objects.count(), DomainEvent.objects.count()) == (0, 0)


def test_a_fault_of_ours_is_kept_and_told_only_by_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Answer:
        place()
        raise KeyError("Berg^Anna")

    receipt = receive(apply=broken)

    message = InboundMessage.objects.get()
    assert receipt.answer.payload == f"refused: {ErrorCode.INTERNAL.value}".encode()
    assert (message.state, Order.objects.count()) == ("FAILED", 0)
    assert message.error == f"internal error {message.error_id}"


def test_a_refused_message_is_tied_to_the_order_it_names() -> None:
    order = make.order()

    def no() -> Answer:
        raise RisError("no")

    receive(apply=no, references=(("placer", order.placer_order_number),))

    assert list(InboundMessage.objects.get().orders.all()) == [order]


def test_whether_the_answer_was_sent_is_noted() -> None:
    receipt = receive()

    inbox.mark_replied(receipt.message, sent=True)

    assert InboundMessage.objects.get().reply_state == "SENT"


def test_a_rejected_message_can_be_applied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def no() -> Answer:
        raise RisError("not yet")

    monkeypatch.setitem(inbox._REPLAYERS, Protocol.HL7, lambda raw, actor, sender: (place, refuse))
    receipt = receive(apply=no)

    execute(ReplayMessage(message=receipt.message, reason="catalog mended"), actor=people.admin)

    message = InboundMessage.objects.get()
    assert (message.state, message.outcome, message.error) == ("APPLIED", "AA", "")
    assert Order.objects.get().events.get(name="OrderPlaced").actor_name == "EHR"
