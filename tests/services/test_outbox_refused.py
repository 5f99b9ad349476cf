"""What a peer refuses, or nobody can write or send, is put aside for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ris.domain.errors import InvalidValueError
from ris.domain.exchange import RequeueDelivery, SkipDelivery
from ris.domain.protocol import OnRefusal
from ris.models import Delivery, Endpoint
from ris.services import execute, outbox
from tests import make, people
from tests.services.outbox_wire import REFUSED, Wire, hold, later

pytestmark = pytest.mark.django_db


def test_a_peer_that_keeps_refusing_stops_its_lane_and_asks_for_a_person(wire: Wire) -> None:
    order = make.order()
    hold(order)
    outbox.fan_out()
    wire.answers = [REFUSED] * 3

    for hour in range(1, 6):
        with later(3600 * hour):
            outbox.deliver_due()

    states = list(Delivery.objects.order_by("id").values_list("state", "attempt_count"))
    assert states == [("REFUSED", 3), ("PENDING", 0)]


def test_a_refused_message_can_be_queued_again_or_skipped(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.answers = [REFUSED] * 6
    for hour in range(1, 4):
        with later(3600 * hour):
            outbox.deliver_due()
    delivery = Delivery.objects.get()
    assert delivery.state == "REFUSED"

    execute(RequeueDelivery(delivery=str(delivery.public_id)), actor=people.admin)
    delivery.refresh_from_db()
    assert delivery.state == "PENDING"
    outbox.deliver_due()
    delivery.refresh_from_db()
    assert delivery.state == "REFUSED"  # once more is enough after a person asked
    execute(
        SkipDelivery(delivery=str(delivery.public_id), reason="told by phone"),
        actor=people.admin,
    )

    delivery.refresh_from_db()
    assert delivery.state == "SKIPPED"


def test_a_refusal_s_reply_asks_for_nothing(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.answers = [REFUSED]

    outbox.deliver_due()

    assert wire.taken == []


def test_what_cannot_be_written_for_a_peer_is_shown_and_holds_nothing_up(wire: Wire) -> None:
    wire.unwritable = True
    make.order()
    outbox.fan_out()
    wire.unwritable = False
    make.order()
    outbox.fan_out()

    outbox.deliver_due()

    dead, sent = Delivery.objects.order_by("id")
    assert (dead.state, dead.last_error) == (
        "DEAD",
        "this name does not fit ISO_IR 100 (PID-5)",
    )
    assert sent.state == "DELIVERED"


def test_what_could_not_be_written_is_written_anew_when_the_cause_is_mended(wire: Wire) -> None:
    wire.unwritable = True
    order = make.order()
    outbox.fan_out()
    key = str(Delivery.objects.get().public_id)
    with pytest.raises(InvalidValueError, match=r"does not fit ISO_IR 100 \(PID-5\)"):
        execute(RequeueDelivery(delivery=key), actor=people.admin)
    assert Delivery.objects.get().state == "DEAD"
    wire.unwritable = False

    execute(RequeueDelivery(delivery=key, reason="another character set"), actor=people.admin)
    outbox.deliver_due()

    row = Delivery.objects.get()
    assert (row.state, row.lane, row.last_error) == ("DELIVERED", str(order.public_id), "")
    assert wire.sent == [(row.control_id, f"OrderPlaced {order.public_id}".encode())]


def test_a_peer_says_after_how_many_refusals_a_person_is_asked(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    wire.answers = [replace(REFUSED, park_after=1)]

    outbox.deliver_due()

    assert Delivery.objects.get().state == "REFUSED"


def test_a_rule_may_pass_over_what_a_peer_refuses(wire: Wire) -> None:
    order = make.order()
    hold(order)
    outbox.fan_out()
    wire.answers = [replace(REFUSED, park_after=1, on_refusal=OnRefusal.SKIP)]

    outbox.deliver_due()

    rows = list(Delivery.objects.order_by("id").values_list("state", "last_error"))
    assert rows == [("SKIPPED", "unknown patient"), ("DELIVERED", "")]


def test_a_message_that_kills_its_sender_each_time_is_put_aside(wire: Wire) -> None:
    make.order()
    outbox.fan_out()
    endpoint = Endpoint.objects.get(name="A")

    for crash in range(outbox.CRASHES_BEFORE_PARKING):
        with later(100 * (2 * crash)):
            assert outbox._claim(endpoint) is not None
        with later(100 * (2 * crash + 1)):
            outbox._free_expired()

    row = Delivery.objects.get()
    assert (row.state, row.attempt_count, wire.sent) == ("DEAD", 5, [])
    assert row.last_error == "the sender stopped before an answer came"
