"""The queue towards a peer whose network and manners are at their worst (B4; R5, R6)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from integration.hl7 import acks, mllp_client, server
from integration.hl7.er7 import Header
from integration.hl7.server import ListenerConfig, Peer
from ris.domain.exchange import RequeueDelivery, Subscription
from ris.domain.orders import HoldOrder, OrderReference, ReleaseOrder
from ris.models import AuditEvent, Delivery, DeliveryAttempt, Endpoint
from ris.services import execute, outbox
from ris.services._gates import Breaker
from tests import make, people
from tests.wire import fault_proxy
from tests.wire.fault_proxy import Fault, FaultProxy, refuses

pytestmark = [pytest.mark.wire, pytest.mark.django_db]

TIMEOUT = 0.25


class Receiver:
    """A peer that takes everything; ``got`` are the control ids of what it took, in order."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, message: bytes, peer: Peer) -> bytes:
        header = Header.read(message)
        assert header is not None
        with self._lock:
            self.got.append(header.control_id)
        return acks.acknowledge(header)


Through = Callable[..., FaultProxy]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def through(receiver: Receiver) -> Iterator[Through]:
    """Queues orders for a peer behind a proxy with these faults."""
    proxies: list[FaultProxy] = []
    make.site()
    with server.running(ListenerConfig(port=0), receiver) as listener:

        def start(*faults: Fault, name: str = "EHR", **settings: Any) -> FaultProxy:
            proxy = FaultProxy(listener.port, *faults)
            proxies.append(proxy)
            make.endpoint(
                name,
                port=proxy.port,
                sends=(Subscription.ORDER_STATUS,),
                settings={"timeout_seconds": TIMEOUT, "connect_seconds": 5, **settings},
            )
            return proxy

        yield start
        mllp_client.CONNECTIONS.close()
        for proxy in proxies:
            proxy.close()


def queue(messages: int = 1) -> list[Delivery]:
    """Messages of one lane: an order is held, and released, and so on."""
    reference = OrderReference(public_id=str(make.order().public_id))
    for _ in range(messages):
        execute(HoldOrder(order=reference), actor=people.scheduler)
        execute(ReleaseOrder(order=reference), actor=people.scheduler)
    outbox.fan_out()
    rows = list(Delivery.objects.order_by("id")[:messages])
    Delivery.objects.exclude(pk__in=[row.pk for row in rows]).delete()
    assert len({row.lane for row in rows}) == 1
    return rows


def sweep(times: int = 1) -> None:
    """Sweeps with all waiting over in between."""
    for _ in range(times):
        Delivery.objects.filter(state="PENDING").update(due_at=timezone.now())
        outbox.deliver_due()


def results() -> list[tuple[str, str]]:
    return list(DeliveryAttempt.objects.order_by("id").values_list("result", "error"))


# --- what each fault means ----------------------------------------------------------------------

HAS = True  # the peer has the message, so it gets it again


@pytest.mark.parametrize(
    ("fault", "result", "error", "has"),
    [
        (fault_proxy.cut_before, "AMBIGUOUS", "closed without an answer", not HAS),
        (fault_proxy.cut_after, "AMBIGUOUS", "closed without an answer", HAS),
        (fault_proxy.cut_in_reply, "AMBIGUOUS", "closed without an answer", HAS),
        (fault_proxy.reset, "AMBIGUOUS", "no answer: Connection reset by peer", HAS),
        (fault_proxy.black_hole, "AMBIGUOUS", "no answer: timed out", not HAS),
        (fault_proxy.silence, "AMBIGUOUS", "no answer: timed out", HAS),
        (fault_proxy.slow_half, "AMBIGUOUS", "no answer: timed out", HAS),
        (fault_proxy.late, "AMBIGUOUS", "no answer: timed out", HAS),
        (fault_proxy.wrong_message, "AMBIGUOUS",
         "the answer belongs to another message (MSA-2)", HAS),
        (fault_proxy.blank, "AMBIGUOUS", "no answer: timed out", HAS),
        (fault_proxy.no_acknowledgement, "AMBIGUOUS", "the answer is no acknowledgement", HAS),
        (refuses("AE", "206"), "TRANSIENT", "AE: 206 PID^1^3 no", not HAS),
        (refuses("AR", "206"), "TRANSIENT", "AR: 206 PID^1^3 no", not HAS),
        (refuses("AR", "207"), "TRANSIENT", "AR: 207 PID^1^3 no", not HAS),
        (refuses("AE", "204"), "REFUSED", "AE: 204 PID^1^3 no", not HAS),
        (refuses("AE", "207"), "REFUSED", "AE: 207 PID^1^3 no", not HAS),
        (refuses("AR", "200"), "REFUSED", "AR: 200 PID^1^3 no", not HAS),
        (refuses("CE"), "REFUSED", "CE", not HAS),
        (refuses("CR"), "REFUSED", "CR", not HAS),
    ],
)  # fmt: skip
def test_after_a_fault_the_message_goes_again_under_its_own_number(
    through: Through, receiver: Receiver, fault: Fault, result: str, error: str, has: bool
) -> None:
    proxy = through(fault)
    (row,) = queue()

    outbox.deliver_due()
    waiting = Delivery.objects.get()
    assert (waiting.state, waiting.last_error) == ("PENDING", error)
    assert waiting.due_at > timezone.now() - timedelta(seconds=1)
    sweep()

    assert results() == [(result, error), ("DELIVERED", "")]
    assert Delivery.objects.get().state == "DELIVERED"
    assert proxy.seen == [row.control_id] * 2
    assert receiver.got == [row.control_id] * (2 if has else 1)


@pytest.mark.parametrize("fault", [fault_proxy.fragments, fault_proxy.delay(0.05)])
def test_a_line_that_is_only_slow_delivers_at_once(
    through: Through, receiver: Receiver, fault: Fault
) -> None:
    through(fault, timeout_seconds=10)
    (row,) = queue()

    outbox.deliver_due()

    assert results() == [("DELIVERED", "")]
    assert receiver.got == [row.control_id]


@pytest.mark.parametrize(
    "fault",
    [
        fault_proxy.cut_after,
        fault_proxy.cut_in_reply,
        fault_proxy.reset,
        fault_proxy.silence,
        fault_proxy.slow_half,
        fault_proxy.wrong_message,
        fault_proxy.blank,
        fault_proxy.twice,
    ],
)
def test_whatever_happens_the_messages_of_an_order_arrive_in_order(
    through: Through, receiver: Receiver, fault: Fault
) -> None:
    through(fault_proxy.well, fault, fault_proxy.well, fault)
    rows = queue(4)

    sweep(4)

    assert list(Delivery.objects.values_list("state", flat=True)) == ["DELIVERED"] * 4
    first_times = list(dict.fromkeys(receiver.got))
    assert first_times == [row.control_id for row in rows]
    assert receiver.got == sorted(receiver.got, key=first_times.index)  # repeats beside each other


# --- answers that come too late or twice ---------------------------------------------------------


def test_a_late_answer_is_never_taken_for_the_next_message_s(
    through: Through, receiver: Receiver
) -> None:
    """The next message is refused in truth; the answer to the last one says AA."""

    def refused_behind_the_late_one(case: fault_proxy.Case) -> None:
        case.client.sendall(b"".join(case.proxy.kept) + case.answer("AE", "ERR|||204^x|E"))

    proxy = through(fault_proxy.late, fault_proxy.well, refused_behind_the_late_one)
    rows = queue(2)

    outbox.deliver_due()
    sweep(1)  # the first one again, and then the second one

    assert proxy.accepted == 2  # what was late had no connection to come by
    assert [result for result, _ in results()] == ["AMBIGUOUS", "DELIVERED", "AMBIGUOUS"]
    assert results()[2][1] == "the answer belongs to another message (MSA-2)"
    second = Delivery.objects.get(pk=rows[1].pk)
    assert second.state == "PENDING"
    assert second.control_id not in receiver.got


def test_after_two_answers_the_next_message_has_a_line_of_its_own(
    through: Through, receiver: Receiver
) -> None:
    proxy = through(fault_proxy.twice)
    rows = queue(2)

    outbox.deliver_due()

    assert receiver.got == [row.control_id for row in rows]
    assert proxy.accepted == 2
    assert [result for result, _ in results()] == ["DELIVERED", "DELIVERED"]


# --- refusals -----------------------------------------------------------------------------------


def test_a_lane_waits_for_a_person_after_three_refusals_and_others_go_on(
    through: Through, receiver: Receiver
) -> None:
    through(*[refuses("AE", "204")] * 3)
    blocked = queue(2)
    make.device()
    make.booked()
    outbox.fan_out()
    other = Delivery.objects.order_by("id").last()
    assert other is not None

    for _ in range(3):
        Delivery.objects.filter(pk=blocked[0].pk, state="PENDING").update(due_at=timezone.now())
        Delivery.objects.filter(pk=other.pk).update(due_at=timezone.now() + timedelta(hours=1))
        outbox.deliver_due()
    sweep(2)

    states = list(Delivery.objects.order_by("id").values_list("state", "attempt_count"))
    assert states == [("REFUSED", 3), ("PENDING", 0), ("DELIVERED", 1)]
    assert receiver.got == [other.control_id]


def test_a_person_queues_it_again_under_the_same_number_and_that_is_on_record(
    through: Through, receiver: Receiver
) -> None:
    proxy = through(refuses("AR", "200"), refusals=1)
    first, second = queue(2)
    outbox.deliver_due()
    assert Delivery.objects.get(pk=first.pk).state == "REFUSED"

    execute(
        RequeueDelivery(delivery=str(first.public_id), reason="they know it now"),
        actor=people.admin,
    )
    sweep()

    assert receiver.got == [first.control_id, second.control_id]
    assert proxy.seen == [first.control_id, first.control_id, second.control_id]
    audit = AuditEvent.objects.get(action="RequeueDelivery")
    assert audit.actor_name == people.admin.name
    assert audit.detail["events"] == ["DeliveryRequeued"]


def test_a_peer_s_rule_may_pass_over_what_it_refuses(through: Through, receiver: Receiver) -> None:
    through(refuses("AE", "204"), refusals=1, on_refusal="skip")
    first, second = queue(2)

    outbox.deliver_due()

    assert receiver.got == [second.control_id]
    row = Delivery.objects.get(pk=first.pk)
    assert (row.state, row.last_error) == ("SKIPPED", "AE: 204 PID^1^3 no")


# --- a peer that is down ------------------------------------------------------------------------


def test_a_peer_that_is_down_is_probed_every_fifteen_seconds(
    through: Through, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr(outbox, "_breaker", Breaker(lambda: seconds))
    faults = outbox.BREAKER_FAILURES
    proxy = through(*[fault_proxy.cut_before] * (faults + 1))
    (row,) = queue()

    sweep(faults + 5)
    assert len(proxy.seen) == faults
    seconds = 14.9
    sweep(3)
    assert len(proxy.seen) == faults
    seconds = 15.0
    sweep(3)
    assert len(proxy.seen) == faults + 1  # one probe, and shut again
    seconds = 30.0
    sweep(3)

    assert receiver.got == [row.control_id]


def test_in_its_blackout_hours_a_peer_is_left_in_peace(
    through: Through, receiver: Receiver
) -> None:
    proxy = through(blackout=["22:00-02:00"])
    (row,) = queue()

    for at in ("2031-03-03T21:30:00+00:00", "2031-03-04T00:59:00+00:00"):  # 22:30, 1:59 in Vienna
        with time_machine.travel(at, tick=False):
            sweep()
    assert proxy.seen == []
    with time_machine.travel("2031-03-04T01:00:00+00:00", tick=False):
        sweep()

    assert receiver.got == [row.control_id]


def test_the_hours_of_a_peer_are_its_own(through: Through) -> None:
    proxy = through(blackout=["22:00-02:00"])
    Endpoint.objects.update(time_zone="Asia/Tokyo")
    queue()

    with time_machine.travel("2031-03-03T15:00:00+00:00", tick=False):  # midnight in Tokyo
        sweep()

    assert proxy.seen == []
