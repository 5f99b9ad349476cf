"""The page of an order: what it stands for, its requisition, a cancellation that came first."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.orders import ExpectCancellation, OrderReference, ReplaceOrder
from ris.domain.values import Identifier
from ris.models import Order
from ris.services import execute
from tests import make, people
from tests.web.department import whole

pytestmark = pytest.mark.usefixtures("rooms")

As = Callable[[str], Client]
OLD, REQUISITION = Identifier("PL-OLD", "EHR"), Identifier("RQ1", "EHR")


def page(as_: As, order: Order) -> str:
    return whole(as_("scheduler"), f"/orders/{order.public_id}/")


def link(order: Order) -> str:
    return f'<a class="mono" href="/orders/{order.public_id}/">{order.accession_number}</a>'


def test_an_order_and_the_one_that_stands_for_it_lead_to_each_other(as_: As) -> None:
    patient = make.patient()
    old = make.order(patient=patient, placer=OLD)
    execute(ReplaceOrder(order=OrderReference(placer=OLD)), actor=people.ehr)
    new = make.order(patient=patient, replaces=(OrderReference(placer=OLD),))

    assert f"<dt>Replaced by</dt><dd>{link(new)}</dd>" in page(as_, old)
    assert f"<dt>Stands for</dt><dd>{link(old)}</dd>" in page(as_, new)


def test_the_orders_of_a_requisition_lead_to_each_other(as_: As) -> None:
    patient = make.patient()
    first, second = (make.order(patient=patient, parent=REQUISITION) for _ in range(2))

    text = page(as_, first)

    assert "<dt>Requisition</dt>" in text
    assert link(second) in text


def test_a_cancellation_that_came_before_its_order_is_told(as_: As) -> None:
    execute(ExpectCancellation(placer=OLD, minutes=15, reason="ordered twice"), actor=people.ehr)
    order = make.order(placer=OLD)

    text = page(as_, order)

    assert "The cancellation came before the order." in text
    assert "ordered twice" in text
