"""Many commands in one transaction, told as of an earlier moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Protocol
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.models import AuditEvent, Delivery, Device, DomainEvent, InboundMessage, Order
from ris.services import as_of, inbox, outbox, together
from ris.services._edges import PROTOCOLS
from ris.services.inbox import Answer
from tests import make, people

pytestmark = pytest.mark.django_db

LAST_WEEK = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)


def test_commands_happen_at_the_moment_that_is_told() -> None:
    with as_of(LAST_WEEK):
        order = make.order()

    assert order.ordered_at == LAST_WEEK
    assert set(DomainEvent.objects.values_list("at", flat=True)) == {LAST_WEEK}
    assert set(AuditEvent.objects.values_list("at", flat=True)) == {LAST_WEEK}


def test_a_message_is_received_at_the_moment_that_is_told() -> None:
    with as_of(LAST_WEEK):
        inbox.receive(
            protocol=Protocol.HL7,
            actor=people.ehr,
            key="1",
            raw=b"MSH|",
            message_type="ORM^O01",
            apply=lambda: Answer(payload=b"AA", outcome="AA"),
            refuse=lambda error: Answer(payload=b"AE", outcome="AE"),
        )

    message = InboundMessage.objects.get()
    assert (message.received_at, message.answered_at) == (LAST_WEEK, LAST_WEEK)


class _Wire:
    """Sends what an order became; for a time, somebody else answers for it."""

    def __init__(self, answer: Result) -> None:
        self.answer = answer

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        if event.name != "OrderPlaced":
            return ()
        return (Outgoing(lane="a", control_id=control_id, message_type="X", payload=b"x"),)

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        return Attempt(result=self.answer)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return payload

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)


def test_a_message_out_is_made_and_sent_at_the_moment_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PROTOCOLS, Protocol.HL7, _Wire(Result.TRANSIENT))
    with as_of(LAST_WEEK), outbox.speaking(Protocol.HL7, lambda edge: _Wire(Result.DELIVERED)):
        make.endpoint()
        make.order()
        while outbox.fan_out():
            outbox.deliver_due()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.created_at) == ("DELIVERED", LAST_WEEK)
    assert delivery.delivered_at == LAST_WEEK
    assert PROTOCOLS[Protocol.HL7].send(b"", "", None).result is Result.TRANSIENT


def test_where_there_is_no_edge_nothing_speaks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PROTOCOLS, Protocol.HL7)
    with outbox.speaking(Protocol.HL7, lambda edge: _Wire(Result.DELIVERED)):
        assert Protocol.HL7 not in PROTOCOLS


def test_the_clock_goes_on_afterwards() -> None:
    with as_of(LAST_WEEK), as_of(LAST_WEEK + timedelta(days=1)):
        pass

    order = make.order()

    assert order.ordered_at.year > 2025
    assert order.ordered_at > LAST_WEEK


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"), as_of(LAST_WEEK.replace(tzinfo=None)):
        pass


def test_together_is_all_or_nothing() -> None:
    def work() -> None:
        make.device("CT1")
        make.device("", modality="CT")

    with pytest.raises(InvalidValueError):
        together(work)

    assert not Device.objects.exists()
    assert not DomainEvent.objects.exists()


def test_the_doorbell_rings_once_for_a_transaction(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        together(lambda: [make.order() for _ in range(3)])

    assert Order.objects.count() == 3
    assert len(callbacks) == 1


def test_the_doorbell_of_a_rolled_back_part_does_not_silence_the_rest(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def work() -> None:
        with pytest.raises(InvalidValueError):
            together(lambda: [make.device("CT1"), make.device("")])
        assert not transaction.get_connection().run_on_commit
        make.device("CT2")

    with django_capture_on_commit_callbacks() as callbacks:
        together(work)

    assert len(callbacks) == 1
