"""What waits behind a message, the newest to a peer, and steps by a number: on both databases."""

from __future__ import annotations

import pytest
from django.utils import timezone

from ris.models import Delivery, Endpoint
from ris.selectors import interfaces, messages
from ris.selectors.explain import candidates
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def peer() -> Endpoint:
    return Endpoint.objects.get(public_id=make.endpoint("PACS"))


def queue(peer: Endpoint, lane: str, states: list[str], *, attempts: int = 0) -> list[Delivery]:
    """One delivery for each state, in this order."""
    before = Delivery.objects.count()
    return Delivery.objects.bulk_create(
        Delivery(
            endpoint=peer,
            lane=lane,
            control_id=f"C{before + number}",
            message_type="ORU^R01",
            payload=b"MSH|",
            state=state,
            attempt_count=attempts,
            due_at=timezone.now(),
        )
        for number, state in enumerate(states)
    )


def test_what_waits_behind_is_of_the_same_lane_and_later(peer: Endpoint) -> None:
    queue(peer, "order:A", ["PENDING", "REFUSED", "PENDING", "PENDING", "DELIVERED"], attempts=1)
    queue(peer, "order:B", ["PENDING"])

    assert [lane.behind for lane in interfaces.parked(peer)] == [2]
    assert [(lane.lane, lane.behind) for lane in interfaces.tried(peer)] == [
        ("order:A", 2),
        ("order:A", 1),
        ("order:A", 0),
    ]


def test_nobody_counts_more_than_a_thousand_that_wait(peer: Endpoint) -> None:
    queue(peer, "order:A", ["REFUSED", *["PENDING"] * 1003], attempts=1)

    assert [lane.behind for lane in interfaces.parked(peer)] == [1000]


def test_the_newest_to_a_peer_are_of_any_state(peer: Endpoint) -> None:
    rows = queue(peer, "order:A", ["DELIVERED", "DELIVERED", "SKIPPED", "DELIVERED", "REFUSED"])
    other = Endpoint.objects.get(public_id=make.endpoint("EHR"))
    queue(other, "order:A", ["DELIVERED"])

    newest = messages.last_sent(peer, 3)

    assert [line.public_id for line in newest] == [
        str(row.public_id) for row in (rows[4], rows[3], rows[2])
    ]


def test_a_step_is_found_by_each_of_its_numbers() -> None:
    make.site()
    step = make.step_of(make.order())
    make.order()

    numbers = (
        str(step.public_id),
        step.step_id,
        step.procedure.procedure_id,
        step.procedure.order.accession_number,
    )

    assert [[found.public_id for found in candidates.by_number(each)] for each in numbers] == [
        [str(step.public_id)]
    ] * 4
    assert candidates.by_number("no such number") == []
