"""Cancellations that come when the exam has begun: refused, and seen by whoever works on it."""

from __future__ import annotations

from datetime import datetime

import pytest

from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.orders import DiscontinueOrder, OrderReference
from ris.models import DomainEvent, FollowUp, InboundMessage, Order
from ris.services import execute
from tests import make, people
from tests.integration.hl7.intake import answer
from tests.integration.hl7.messages import orc, order
from tests.services.exams import begin, end, follow_up, settle, stop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]


@pytest.fixture
def placed() -> Order:
    make.device()
    answer(order(key="M1"))
    return Order.objects.get()


def ask(control: str = "CA", key: str = "M2", reason: str = "ordered twice") -> list[str]:
    asked = orc(f1=control, f2="PL1^HIS", f16=f"^{reason}")
    return answer(order(orc=asked, obr="", more=(), key=key))


def stands(placed: Order) -> tuple[str, bool, int]:
    """Its status, whether it bears what was asked, and how many are asked to decide."""
    placed.refresh_from_db()
    open_ones = FollowUp.objects.filter(kind=FollowUpKind.ASKED.value, settled_at=None)
    return placed.status, placed.cancel_asked is not None, open_ones.count()


@pytest.mark.parametrize("control", ["CA", "DC"])
def test_what_was_refused_is_borne_by_the_order_and_asked_of_people(
    placed: Order, control: str
) -> None:
    performed = begin(placed)

    segments = ask(control)

    assert segments[1].startswith("MSA|AE|M2|cannot ")
    assert stands(placed) == ("ACTIVE", True, 1)
    assert placed.cancel_asked["reason"] == "ordered twice"
    row = follow_up(FollowUpKind.ASKED)
    assert (row.performed, row.order, row.detail) == (performed, placed, "ordered twice")
    event = DomainEvent.objects.get(name="CancellationRefused")
    message = InboundMessage.objects.get(key="M2")
    assert (event.order, event.message, message.state) == (placed, message, "REJECTED")
    asked_at = datetime.fromisoformat(placed.cancel_asked["at"])
    assert abs((asked_at - message.received_at).total_seconds()) < 60


def test_a_cancellation_before_the_begin_leaves_no_mark(placed: Order) -> None:
    ask()

    assert stands(placed) == ("CANCELED", False, 0)


def test_asked_twice_is_decided_once(placed: Order) -> None:
    begin(placed)

    ask(key="M2", reason="ordered twice")
    ask(key="M3", reason="patient left")

    assert stands(placed) == ("ACTIVE", True, 1)
    assert placed.cancel_asked["reason"] == "patient left"
    assert DomainEvent.objects.filter(name="CancellationRefused").count() == 2


def test_a_message_sent_again_marks_nothing_anew(placed: Order) -> None:
    begin(placed)
    first = ask()

    assert ask() == first
    assert DomainEvent.objects.filter(name="CancellationRefused").count() == 1


def test_the_exam_stopped_early_leaves_the_order_to_be_ended_by_one_click(placed: Order) -> None:
    performed = begin(placed)
    ask()
    stop(performed, "110500")

    assert stands(placed) == ("ACTIVE", True, 1)

    settle(follow_up(FollowUpKind.ASKED), FollowUpAction.CANCEL_ORDER)

    assert stands(placed) == ("DISCONTINUED", False, 0)


def test_back_on_the_worklist_it_is_canceled_by_the_same_click(placed: Order) -> None:
    performed = begin(placed)
    ask()
    stop(performed, "110514")

    settle(follow_up(FollowUpKind.ASKED), FollowUpAction.CANCEL_ORDER)

    assert stands(placed) == ("CANCELED", False, 0)


def test_however_the_order_ends_nobody_is_asked_any_more(placed: Order) -> None:
    performed = begin(placed)
    ask()
    stop(performed, "110505")

    execute(
        DiscontinueOrder(
            order=OrderReference(public_id=str(placed.public_id)), reason="patient refused"
        ),
        actor=people.scheduler,
    )

    assert stands(placed) == ("DISCONTINUED", False, 0)


def test_a_finished_exam_is_marked_until_its_report_is_signed(placed: Order) -> None:
    performed = begin(placed)
    ask()
    end(performed)

    assert stands(placed) == ("ACTIVE", True, 1)

    make.final_report(placed)

    assert stands(placed) == ("COMPLETED", False, 0)


def test_a_report_that_is_signed_leaves_nothing_to_ask(placed: Order) -> None:
    end(begin(placed))
    make.final_report(placed)

    assert ask()[1].startswith("MSA|AE|M2|cannot ")
    assert stands(placed) == ("COMPLETED", False, 0)
