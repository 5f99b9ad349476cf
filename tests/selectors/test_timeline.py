"""One list of all that happened to an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.exchange import Protocol
from ris.domain.orders import CancelOrder, OrderReference
from ris.models import Delivery, Endpoint
from ris.selectors.timeline import Entry, EntryKind, entries
from ris.services import execute, inbox
from ris.services.audit import record_access
from ris.services.inbox import Answer
from tests import make, people

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def kinds(found: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind.value, entry.name) for entry in found]


def test_events_come_in_order_with_who_caused_them() -> None:
    make.device("CT1", "CT")
    make.definition()
    order = make.performed()

    found = entries(str(order.public_id))

    assert [(entry.name, entry.actor) for entry in found] == [
        ("OrderPlaced", "EHR"),
        ("AppointmentBooked", "scheduler"),
        ("PerformedStepStarted", "CT1"),
        ("PerformedStepCompleted", "CT1"),
    ]


def test_message_stands_before_what_it_caused() -> None:
    make.definition()
    command = make.place_order()

    def apply() -> Answer:
        execute(command, actor=people.ehr)
        return Answer(payload=b"ACK", outcome="AA")

    inbox.receive(
        protocol=Protocol.HL7,
        actor=people.ehr,
        key="M1",
        raw=b"MSH|",
        message_type="ORM^O01",
        sender="EHR^HOSP",
        apply=apply,
        refuse=lambda error: Answer(payload=b"NAK", outcome="AE"),
    )
    from ris.models import Order

    found = entries(str(Order.objects.get().public_id))

    assert kinds(found) == [("message-in", "ORM^O01"), ("event", "OrderPlaced")]
    assert found[0].detail["outcome"] == "AA"
    assert found[1].link == found[0].link


def test_looks_of_one_person_on_a_day_are_one_entry() -> None:
    order = make.order()
    for _ in range(3):
        record_access(
            people.frontdesk,
            action="ViewOrder",
            patients=[str(order.patient.public_id)],
            order=str(order.public_id),
        )

    looks = [e for e in entries(str(order.public_id)) if e.kind is EntryKind.ACCESS]

    assert [(entry.actor, entry.detail["count"]) for entry in looks] == [("frontdesk", 3)]


def test_attempts_that_fail_alike_one_after_another_are_one_entry() -> None:
    order = make.order()
    make.endpoint("EHR")
    delivery = Delivery.objects.create(
        endpoint=Endpoint.objects.get(),
        order=order,
        lane="EHR",
        control_id="1",
        payload=b"",
        message_type="OMG^O19",
        due_at=NOON,
    )
    for number, (result, error) in enumerate(
        [
            ("TRANSIENT", "no connection"),
            ("TRANSIENT", "no connection"),
            ("TRANSIENT", "no answer"),
            ("DELIVERED", ""),
        ],
        start=1,
    ):
        at = NOON + timedelta(minutes=number)
        delivery.attempts.create(
            number=number, started_at=at, ended_at=at, result=result, error=error
        )

    found = entries(str(order.public_id))

    assert [
        (
            entry.detail["number"],
            entry.detail["count"],
            entry.detail["error"],
            entry.detail["last_at"],
        )
        for entry in found
        if entry.kind is EntryKind.ATTEMPT
    ] == [
        (1, 2, "no connection", NOON + timedelta(minutes=2)),
        (3, 1, "no answer", NOON + timedelta(minutes=3)),
        (4, 1, "", NOON + timedelta(minutes=4)),
    ]


def test_change_is_not_told_twice() -> None:
    order = make.order()
    execute(
        CancelOrder(order=OrderReference(public_id=str(order.public_id)), reason="twice"),
        actor=people.scheduler,
    )

    names = [entry.name for entry in entries(str(order.public_id))]

    assert names == ["OrderPlaced", "OrderCanceled"]


def test_unknown_order_has_no_timeline() -> None:
    assert entries("00000000-0000-7000-8000-000000000000") == []


def test_timeline_takes_a_bounded_number_of_queries(
    django_assert_max_num_queries: object,
) -> None:
    make.device("CT1", "CT")
    make.definition()
    order = make.performed()
    make.final_report(order)

    with django_assert_max_num_queries(8):  # type: ignore[operator]
        entries(str(order.public_id))
