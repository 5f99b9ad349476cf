"""The page of an order and the parts that it fetches: bounded queries, one audit, no script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.order_questions import AnswerInformation, AskForInformation
from ris.domain.orders import HoldOrder, OrderReference, ReleaseOrder
from ris.models import AuditEvent, Order
from ris.models.base import uuid7
from ris.services import execute
from tests import people
from tests.web.department import Department, booked_at, person, today_at, whole

As = Callable[[str], Client]
BUDGETS: dict[str, int] = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
PARTS = {
    "": "page_order",
    "clearance/": "page_order_clearance",
    "outcome/": "page_order_outcome",
    "timeline/": "page_order_timeline",
}
ASKED = {"HX-Request": "true"}


def address(order: Order, part: str = "") -> str:
    return f"/orders/{order.public_id}/{part}"


def counts(client: Client, order: Order) -> dict[str, int]:
    found = {}
    for part, budget in PARTS.items():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address(order, part), headers=ASKED).status_code == 200
        found[budget] = len(asked)
    return found


def looks(order: Order) -> int:
    return AuditEvent.objects.filter(action="ViewOrder", order=order).count()


@pytest.mark.parametrize("name", ["waiting", "started", "preliminary", "final"])
def test_page_and_parts_ask_few_times(as_: As, full: Department, name: str) -> None:
    found = getattr(full, name)
    order = found if isinstance(found, Order) else found.procedures.get().order
    client = as_("admin")
    client.get(address(order))

    asked = counts(client, order)

    assert {key: number for key, number in asked.items() if number > BUDGETS[key]} == {}
    assert all(BUDGETS[key] <= 15 for key in asked)


def test_number_grows_neither_with_the_archive_nor_with_what_happened(
    as_: As, full: Department
) -> None:
    order = full.waiting
    client = as_("admin")
    happen(order)
    client.get(address(order))
    before = counts(client, order)

    for number in range(4):
        booked_at(today_at(14 + number), "CT2", patient=person("Ito", "Ai", f"MRN1{number}"))
        happen(order)

    assert counts(client, order) == before


def happen(order: Order) -> None:
    """A question with its answer, a hold and its end."""
    this = OrderReference(public_id=str(order.public_id))
    question = execute(AskForInformation(order=this, question="Which?"), actor=people.scheduler)
    for command in (
        AnswerInformation(question=question, answer="Left"),
        HoldOrder(order=this, reason="Creatinine missing"),
        ReleaseOrder(order=this),
    ):
        execute(command, actor=people.scheduler)


def test_parts_of_a_page_are_audited_with_it(as_: As, full: Department) -> None:
    client = as_("scheduler")

    whole(client, address(full.booked))
    with_page = looks(full.booked)
    as_("frontdesk").get(address(full.booked, "timeline/"))

    assert (with_page, looks(full.booked)) == (1, 2)


def test_each_part_is_a_page_of_its_own_without_script(as_: As, full: Department) -> None:
    order = full.booked
    client = as_("technologist")
    page = client.get(address(order)).content.decode()

    for part in filter(None, PARTS):
        alone = client.get(address(order, part)).content.decode()
        assert f'<a href="{address(order, part)}">' in page
        assert "<title>" in alone
        assert "ITO, Ken" in alone
        assert f'<a href="{address(order)}">{order.accession_number}</a>' in alone


def test_part_of_no_order_is_refused(as_: As, rooms: None) -> None:
    client = as_("scheduler")

    for part in filter(None, PARTS):
        assert client.get(f"/orders/{uuid7()}/{part}").status_code == 404
