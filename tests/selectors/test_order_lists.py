"""Every order is in a tab, and only where it waits for something."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.orders import (
    CancelStep,
    HoldOrder,
    OrderReference,
    ProcedureRequest,
    StepRequest,
)
from ris.domain.values import Code
from ris.models import Order
from ris.selectors import order_lists, reading
from ris.selectors.order_lists import Tab
from ris.selectors.reading import Pile
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site() -> None:
    make.site("UTC")
    make.device("CT1", "CT")
    make.definition()


def tabs(order: Order) -> set[Tab]:
    return {tab for tab in Tab if order in order_lists.in_tab(tab)}


def test_order_without_time_is_to_schedule() -> None:
    assert tabs(make.order()) == {Tab.TO_SCHEDULE}


def test_order_without_modality_needs_information() -> None:
    order = make.order(procedures=(ProcedureRequest(code=Code("X", "EHR", "Special")),))

    assert tabs(order) == {Tab.NEEDS_INFORMATION}


def test_booked_order_is_scheduled() -> None:
    assert tabs(make.booked()) == {Tab.SCHEDULED}


def test_exam_that_waits_to_be_read_is_performed() -> None:
    assert tabs(make.performed()) == {Tab.PERFORMED}


def test_reported_order_is_closed() -> None:
    order = make.performed()
    make.final_report(order)

    assert tabs(order) == {Tab.CLOSED}


def test_held_order_is_only_on_hold() -> None:
    order = make.order()
    execute(
        HoldOrder(order=OrderReference(public_id=str(order.public_id)), reason="x"),
        actor=people.scheduler,
    )

    assert tabs(order) == {Tab.ON_HOLD}


def test_order_whose_only_step_was_canceled_is_not_lost() -> None:
    order = make.order()
    execute(CancelStep(step=str(make.step_of(order).public_id), reason="x"), actor=people.scheduler)

    assert len(tabs(order)) == 1


def test_order_that_waits_for_two_things_is_in_both_tabs() -> None:
    order = make.order(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(StepRequest(start_at=make.NOON),)),
            ProcedureRequest(code=Code("X", "EHR", "Special")),
        )
    )

    assert tabs(order) == {Tab.SCHEDULED, Tab.NEEDS_INFORMATION}


def test_counts_say_how_many_are_in_each_tab() -> None:
    make.order()
    make.booked()
    make.performed(start_at=make.NOON + timedelta(hours=1))

    counts = order_lists.counts()

    assert {tab: count for tab, count in counts.items() if count} == {
        Tab.TO_SCHEDULE: 1,
        Tab.SCHEDULED: 1,
        Tab.PERFORMED: 1,
    }


def test_unread_pile_loses_the_exam_once_it_is_final() -> None:
    order = make.performed()
    unread = reading.in_pile(Pile.UNREAD, None).count()

    make.final_report(order)

    assert (unread, reading.in_pile(Pile.UNREAD, None).count()) == (1, 0)
