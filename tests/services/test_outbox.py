"""Events become deliveries, and deliveries leave in order, at least once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.domain.errors import InvalidValueError
from ris.domain.exchange import PauseEndpoint, Protocol, ResendDelivery
from ris.domain.orders import HoldOrder, OrderReference
from ris.domain.protocol import Attempt, Outgoing, Result
from ris.models import Delivery, DomainEvent, Endpoint
from ris.selectors.exchange import info
from ris.services import execute, outbox
from tests import make, people
from tests.services.outbox_wire import NO_ANSWER, Wire, hold, later

pytestmark = pytest.mark.django_db


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.message_type for delivery in deliveries]


def test_an_event_becomes_one_delivery_for_each_endpoint_that_wants_it(wire: Wire) -> None:
    make.endpoint("B", protocol=Protocol.FHIR)
    make.endpoint("off", protocol=Protocol.FHIR, active=False)
    make.order()

    outbox.fan_out()

    rows = Delivery.objects.order_by("endpoint__name")
    assert [row.endpoint.name for row in rows] == ["A", "B"]
    assert names(rows) == ["OrderPlaced"] * 2
    assert len({row.control_id for row in rows}) == 2
    assert all(len(row.control_id) <= 20 for row in rows)
    assert not DomainEvent.objects.filter(fanned_out_at__isnull=True).exists()


def test_an_event_is_fanned_out_once(wire: Wire) -> None:
    make.order()

    outbox.fan_out()
    outbox.fan_out()

    assert Delivery.objects.count() == 1


def test_what_was_accepted_is_delivered(wire: Wire) -> None:
    make.order()
    outbox.fan_out()

    attempts = outbox.deliver_due()

    delivery = Delivery.objects.get()
    attempt = delivery.attempts.get()
    assert (attempts, delivery.state) == (1, "DELIVERED")
    assert (attempt.number, attempt.result, bytes(attempt.reply)) == (1, "DELIVERED", b"AA")
    assert outbox.deliver_due() == 0


def test_what_a_reply_asks_for_is_done_with_the_delivery(wire: Wire) -> None:
    order = make.order()
    outbox.fan_out()
    wire.on_reply = lambda: hold(order)

    outbox.deliver_due()

    assert wire.taken == [(f"OrderPlaced {order.public_id}".encode(), b"AA")]
    assert Delivery.objects.get().state == "DELIVERED"
    assert DomainEvent.objects.filter(name="OrderHeld").count() == 1


@pytest.mark.parametrize(
    ("error", "shown"),
    [(InvalidValueError("no such order"), "no such order"), (ValueError("a bug"), "internal err")],
)
def test_a_reply_that_cannot_be_applied_is_shown_and_undoes_nothing_else(
    wire: Wire, error: Exception, shown: str
) -> None:
    order = make.order()
    outbox.fan_out()

    def half() -> None:
        hold(order)
        raise error

    wire.on_reply = half
    outbox.deliver_due()

    delivery = Delivery.objects.get()
    assert delivery.state == "DELIVERED"
    assert delivery.last_error.startswith(
        f"delivered, but the answer could not be applied: {shown}"
    )
    assert not DomainEvent.objects.filter(name="OrderHeld").exists()


def test_a_message_without_event_is_queued_once(wire: Wire) -> None:
    order = make.order()
    endpoint = info(Endpoint.objects.get(name="A"))
    message = Outgoing(
        lane="acks",
        control_id=outbox.new_control_id(endpoint.id),
        message_type="ACK^O01",
        payload=b"accepted",
        orders=(str(order.public_id),),
    )

    first = outbox.enqueue(endpoint, message, patient=str(order.patient.public_id))
    again = outbox.enqueue(endpoint, message)
    outbox.deliver_due()

    row = Delivery.objects.get()
    assert str(row.public_id) == first == again
    assert (row.order, row.patient, row.event) == (order, order.patient, None)
    assert (row.state, row.lane, row.message_type) == ("DELIVERED", "acks", "ACK^O01")
    assert wire.sent == [(message.control_id, b"accepted")]


def test_silence_is_tried_again_later_with_the_same_control_id(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.answers = [NO_ANSWER]

    outbox.deliver_due()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == ("PENDING", "no answer")
    assert delivery.due_at > timezone.now()
    assert outbox.deliver_due() == 0
    with later(400):
        outbox.deliver_due()

    delivery.refresh_from_db()
    assert delivery.state == "DELIVERED"
    assert [control_id for control_id, _ in wire.sent] == [delivery.control_id] * 2


def test_later_messages_of_a_lane_wait_for_the_earlier_ones(wire: Wire) -> None:
    first = make.order()
    execute(HoldOrder(order=OrderReference(public_id=str(first.public_id))), actor=people.ehr)
    second = make.order()
    outbox.fan_out()
    wire.answers = [NO_ANSWER]

    outbox.deliver_due()  # the first lane has to wait; the endpoint is left alone for now
    outbox.deliver_due()  # the other lane goes on
    with later(400):
        outbox.deliver_due()

    sent = [payload.decode().split() for _, payload in wire.sent]
    assert sent == [
        ["OrderPlaced", str(first.public_id)],
        ["OrderPlaced", str(second.public_id)],
        ["OrderPlaced", str(first.public_id)],
        ["OrderHeld", str(first.public_id)],
    ]


def test_a_delivered_message_can_be_sent_again_as_a_new_one(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    outbox.deliver_due()
    first = Delivery.objects.get()

    execute(ResendDelivery(delivery=str(first.public_id), reason="lost"), actor=people.admin)
    outbox.deliver_due()

    again = Delivery.objects.exclude(pk=first.pk).get()
    assert (again.state, bytes(again.payload)) == ("DELIVERED", bytes(first.payload) + b" again")
    assert again.control_id != first.control_id


def test_a_peer_that_asks_for_patience_gets_the_messages_of_other_lanes(wire: Wire) -> None:
    for _ in range(outbox.BREAKER_FAILURES + 3):
        make.order()
    outbox.fan_out()
    busy = Attempt(result=Result.TRANSIENT, reply=b"AR", error="locked", answered=True)
    wire.answers = [busy] * (outbox.BREAKER_FAILURES + 1)

    outbox.deliver_due()

    states = list(Delivery.objects.order_by("id").values_list("state", flat=True))
    assert states == ["PENDING"] * (outbox.BREAKER_FAILURES + 1) + ["DELIVERED"] * 2


def test_outside_of_its_hours_a_peer_is_left_in_peace(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.closed = True
    assert outbox.deliver_due() == 0
    wire.closed = False

    assert outbox.deliver_due() == 1


def test_hours_that_cannot_be_read_stop_nobody(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.hours_fail = True

    assert outbox.deliver_due() == 1


def test_a_sender_that_died_loses_its_lease_and_the_message_goes_again(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    endpoint = Endpoint.objects.get(name="A")
    leased = outbox._claim(endpoint)
    assert leased is not None
    assert outbox.deliver_due() == 0

    with later(100):
        assert outbox.deliver_due() == 1

    delivery = Delivery.objects.get()
    results = list(delivery.attempts.values_list("result", flat=True))
    assert (delivery.state, results) == ("DELIVERED", ["AMBIGUOUS", "DELIVERED"])


def test_a_sender_that_was_only_slow_does_not_overwrite_the_outcome(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    slow = outbox._claim(Endpoint.objects.get(name="A"))
    assert slow is not None
    with later(100):
        outbox.deliver_due()

    outbox._settle(slow, NO_ANSWER, slow.delivery.endpoint, claim=False)

    assert Delivery.objects.get().state == "DELIVERED"


def test_a_paused_endpoint_keeps_its_messages(wire: Wire) -> None:
    endpoint = Endpoint.objects.get(name="A")
    make.order()
    outbox.fan_out()

    execute(PauseEndpoint(endpoint=str(endpoint.public_id), paused=True), actor=people.admin)
    assert outbox.deliver_due() == 0
    execute(PauseEndpoint(endpoint=str(endpoint.public_id), paused=False), actor=people.admin)

    assert outbox.deliver_due() == 1


def test_a_queue_that_is_emptied_stops_soon_after_its_endpoint_is_paused(wire: Wire) -> None:
    for _ in range(outbox.LOOK_EVERY + 2):
        make.order()
    outbox.fan_out()
    endpoint = Endpoint.objects.get(name="A")
    wire.on_reply = lambda: Endpoint.objects.filter(pk=endpoint.pk).update(paused=True)

    assert outbox.deliver_due() == outbox.LOOK_EVERY


def test_a_peer_that_is_down_is_asked_only_now_and_then(wire: Wire) -> None:
    for _ in range(10):
        make.order()
    outbox.fan_out()
    wire.answers = [NO_ANSWER] * 10

    for _ in range(10):
        outbox.deliver_due()

    assert len(wire.sent) == outbox.BREAKER_FAILURES


@pytest.mark.parametrize("attempts", [1, 5, 12, 100])
def test_waiting_grows_but_never_beyond_five_minutes(attempts: int) -> None:
    waits = [outbox.back_off(attempts).total_seconds() for _ in range(200)]

    assert min(waits) >= 0.5
    assert max(waits) <= min(300, 2.0**attempts)


@pytest.mark.only("sqlite")  # PostgreSQL chooses by the number of rows
def test_the_next_delivery_is_found_by_indexes_alone(wire: Wire) -> None:
    with CaptureQueriesContext(connection) as asked:
        outbox._HEAD.first(endpoint=1, now=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + asked[0]["sql"])
        plan = [row[3] for row in cursor.fetchall()]

    assert plan == [
        "SEARCH ris_delivery USING INDEX delivery_endpoint_state (endpoint_id=? AND state=?)",
        "CORRELATED SCALAR SUBQUERY 1",
        "SEARCH U0 USING INDEX delivery_lane (endpoint_id=? AND lane=? AND id<?)",
    ]
