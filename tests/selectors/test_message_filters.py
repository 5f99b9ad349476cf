"""Lists of messages read the newest by an index and stop: no plan sorts what a peer ever sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from ris.domain.exchange import Direction
from ris.models import Endpoint
from ris.selectors.message_filters import Filter, fixed, inbound, moment, outbound
from tests import make

pytestmark = pytest.mark.django_db


def plan(rows: Any) -> str:
    with connection.cursor() as cursor:
        sql, values = rows[:51].query.sql_with_params()
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        return " ; ".join(str(row[3]) for row in cursor.fetchall())


@pytest.mark.only("sqlite")  # reads its plans
def test_lists_are_read_in_order_by_an_index() -> None:
    key = make.endpoint("EHR")
    peer = str(Endpoint.objects.get(public_id=key).public_id)
    plans = {
        "in": plan(inbound(Filter())),
        "in, of a peer": plan(inbound(Filter(endpoint=peer))),
        "in, of strangers": plan(inbound(Filter(endpoint="-"))),
        "in, of a state": plan(inbound(Filter(state="FAILED"))),
        "in, of a type": plan(inbound(Filter(type="ORM"))),
        "in, of a span": plan(inbound(Filter(since="2026-01-01", until="2026-02-01"))),
        "out": plan(outbound(Filter())),
        "out, to a peer": plan(outbound(Filter(endpoint=peer))),
        "out, by protocol": plan(outbound(Filter(protocol="hl7"))),
        "out, delivered": plan(outbound(Filter(state="DELIVERED"))),
    }

    sorted_or_scanned = {
        name: text for name, text in plans.items() if "TEMP B-TREE" in text or "INDEX" not in text
    }

    assert sorted_or_scanned == {}


def test_date_that_ends_a_span_counts_whole() -> None:
    since, until = moment("2026-03-02", "since"), moment("2026-03-02", "until", ends=True)

    assert since is not None
    assert until is not None
    assert (until - since).total_seconds() == 86_400


def test_span_of_a_fixed_filter_does_not_move() -> None:
    now = datetime(2026, 3, 9, 12, tzinfo=UTC)

    kept = fixed(Direction.IN, {"type": "ORM"}, now)

    assert kept == {"type": "ORM", "since": "2026-03-02T12:00:00+00:00"}
    assert Filter.of(kept).span(datetime(2026, 4, 1, tzinfo=UTC))[0] == datetime(
        2026, 3, 2, 12, tzinfo=UTC
    )


def test_keys_of_a_filter_are_found_and_not_given() -> None:
    kept = fixed(Direction.IN, {"type": "ORM", "keys": "1,2"}, datetime(2026, 3, 9, tzinfo=UTC))

    assert "keys" not in kept
