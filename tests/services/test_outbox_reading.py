"""What the fan-out reads: each order once, and nothing for whom an event means nothing."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.exchange import Subscription
from ris.domain.orders import HoldOrder, OrderReference
from ris.models import Delivery
from ris.selectors.orders import order_view, orders_kept
from ris.services import execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db


def _asked_of_orders(asked: CaptureQueriesContext) -> int:
    needle = 'FROM "ris_order" INNER JOIN "ris_patient"'
    return sum(needle in query["sql"] for query in asked.captured_queries)


def test_an_order_that_many_are_told_of_is_read_once() -> None:
    make.site()
    make.device()
    for name in ("A", "B", "C"):
        make.endpoint(name)
    make.booked()

    with CaptureQueriesContext(connection) as asked:
        outbox.fan_out()

    assert {row.endpoint.name for row in Delivery.objects.all()} == {"A", "B", "C"}
    assert _asked_of_orders(asked) == 1


def test_whom_an_event_means_nothing_costs_no_statement() -> None:
    make.site()
    make.device()
    make.endpoint("A")
    make.booked()
    outbox.fan_out()
    make.booked(make.NOON.replace(hour=15))
    with CaptureQueriesContext(connection) as alone:
        outbox.fan_out()
    make.endpoint("RESULTS", sends=(Subscription.RESULTS,))
    outbox.fan_out()
    make.booked(make.NOON.replace(hour=18))

    with CaptureQueriesContext(connection) as asked:
        outbox.fan_out()

    assert set(Delivery.objects.values_list("endpoint__name", flat=True)) == {"A"}
    assert len(asked) == len(alone)


def test_an_order_is_kept_no_longer_than_that() -> None:
    make.site()
    make.device()
    order = make.order()
    key = str(order.public_id)

    with orders_kept():
        before = order_view(key)
        execute(HoldOrder(order=OrderReference(public_id=key)), actor=people.ehr)
        assert order_view(key) is before
    assert order_view(key).version == before.version + 1
