"""A scanner begins what was on hold: done is done, and what was not done is on hold again."""

from __future__ import annotations

import pytest

from ris.domain.orders import HoldOrder, OrderReference, ReleaseOrder
from ris.models import DomainEvent, Order, PerformedProcedureStep
from ris.selectors.reading import Pile, in_pile
from ris.services import execute
from tests import make, people
from tests.services.test_performing import end, stop

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    make.device()
    return make.booked()


def reference(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def begun(order: Order) -> str:
    """The UID of what a scanner began that still had the order from before the hold."""
    command = make.start(order)
    execute(HoldOrder(order=reference(order), reason="lab values missing"), actor=people.ehr)
    execute(command, actor=people.ct1)
    order.refresh_from_db()
    return command.sop_instance_uid


def test_the_hold_is_over_and_everybody_is_told(order: Order) -> None:
    uid = begun(order)

    performed = PerformedProcedureStep.objects.get(sop_instance_uid=uid)
    assert (order.status, performed.flags) == (
        "ACTIVE",
        ["the order had been on hold; the hold is over"],
    )
    events = DomainEvent.objects.filter(order=order).order_by("id")
    assert list(events.values_list("name", flat=True))[-3:] == [
        "OrderHeld", "OrderReleased", "PerformedStepStarted",
    ]  # fmt: skip


def test_what_was_done_waits_to_be_read_and_ends_reported(order: Order) -> None:
    execute(end(begun(order)), actor=people.ct1)

    waiting = [procedure.order for procedure in in_pile(Pile.UNREAD, None)]
    make.final_report(order)

    order.refresh_from_db()
    assert (waiting, order.status) == ([order], "COMPLETED")


def test_what_was_begun_by_mistake_is_on_hold_again(order: Order) -> None:
    execute(stop(begun(order), "110514"), actor=people.ct1)

    order.refresh_from_db()
    held = DomainEvent.objects.filter(order=order, name="OrderHeld").order_by("id").last()
    assert held is not None
    assert (make.step_of(order).status, order.status, held.payload["reason"]) == (
        "SCHEDULED",
        "ON_HOLD",
        "on hold before; the exam was not for it",
    )


def test_what_a_person_released_is_not_held_again(order: Order) -> None:
    execute(HoldOrder(order=reference(order)), actor=people.ehr)
    execute(ReleaseOrder(order=reference(order)), actor=people.ehr)
    command = make.start(order)
    execute(command, actor=people.ct1)

    execute(stop(command.sop_instance_uid, "110514"), actor=people.ct1)

    order.refresh_from_db()
    assert order.status == "ACTIVE"
