"""The order lists: filters in the address, columns, files, and one thing done to many orders."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.order_age import Age, age
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import OrderDetails, OrderReference, Priority
from ris.domain.values import PersonName
from ris.models import DomainEvent, Order, OrderQuestion, WaitingEntry
from ris.services import execute
from tests import make, people
from tests.web.department import begin, booked_at, today_at

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parents[1] / "budgets.json").read_text())


def names(client: Client, **query: str) -> list[str]:
    """The accession numbers of a list, as the file has them."""
    response = client.get(f"/orders/?{urlencode({**query, 'format': 'csv'})}")
    assert response.status_code == 200
    rows = list(csv.reader(io.StringIO(response.content.decode().lstrip("\ufeff"))))
    return [row[0] for row in rows[1:]]


def order(**overrides: object) -> Order:
    details = OrderDetails(**{"reason": "headache", **overrides})  # type: ignore[arg-type]
    return make.order(details=details)


def test_a_list_is_narrowed_by_what_its_address_says(as_: As, rooms: None) -> None:
    stat = order(priority=Priority.STAT)
    surgery = order(requesting_service="Surgery", requester=PersonName.of("Muster", "Max"))
    booked = booked_at(today_at(15))
    client = as_("scheduler")

    assert names(client, priority="STAT") == [stat.accession_number]
    assert names(client, requester="surg") == [surgery.accession_number]
    assert names(client, requester="max muster") == [surgery.accession_number]
    assert names(client, modality="US") == []
    assert names(client, q=stat.accession_number) == [stat.accession_number]
    assert names(client, tab="scheduled", modality="CT") == [booked.accession_number]
    day = today_at(12).date()
    assert names(client, tab="scheduled", **{"from": str(day), "to": str(day)}) == [
        booked.accession_number
    ]
    later = str(day + timedelta(days=1))
    assert names(client, tab="scheduled", **{"from": later}) == []


@pytest.mark.parametrize(
    "query",
    ["site=nonsense", "from=2026-99-99", "priority=SOON", "col=nothing", "tab=no", "page=x"],
)
def test_words_that_are_no_filter_narrow_nothing(as_: As, rooms: None, query: str) -> None:
    order()

    response = as_("scheduler").get(f"/orders/?{query}")

    assert response.status_code == 200
    assert "headache" in response.content.decode()


def test_columns_are_those_the_address_names(as_: As, rooms: None) -> None:
    order(requesting_service="Surgery")

    text = as_("scheduler").get("/orders/?col=requester").content.decode()

    assert '<th scope="col">Requested by</th>' in text
    assert '<th scope="col">Priority</th>' not in text
    assert "Surgery" in text


def test_a_file_runs_no_formula(as_: As, rooms: None) -> None:
    order(reason="=HYPERLINK(1)")

    text = as_("scheduler").get("/orders/?format=csv").content.decode()

    assert "'=HYPERLINK(1)" in text


def test_late_orders_say_so_in_words(as_: As, rooms: None) -> None:
    order(priority=Priority.STAT, ordered_at=make.NOON - timedelta(hours=2))

    text = as_("scheduler").get("/orders/").content.decode()

    assert "late</span>" in text
    assert "1 STAT" in text


@pytest.mark.parametrize(
    ("priority", "hours", "expected"),
    [
        (Priority.STAT, 0.4, Age.FRESH),
        (Priority.STAT, 0.5, Age.AGING),
        (Priority.STAT, 1, Age.LATE),
        (Priority.ROUTINE, 71, Age.FRESH),
        (Priority.ROUTINE, 72, Age.AGING),
        (Priority.ROUTINE, 168, Age.LATE),
    ],
)
def test_what_is_late_depends_on_the_priority(
    priority: Priority, hours: float, expected: Age
) -> None:
    assert age(priority, make.NOON - timedelta(hours=hours), make.NOON) is expected


def test_an_order_with_an_open_question_waits_for_its_answer(as_: As, rooms: None) -> None:
    asked = order()
    execute(
        AskForInformation(
            order=OrderReference(public_id=str(asked.public_id)), question="Which side?"
        ),
        actor=people.scheduler,
    )
    client = as_("scheduler")

    assert names(client) == []
    assert names(client, tab="needs-information") == [asked.accession_number]
    question = OrderQuestion.objects.get()
    response = client.post(
        f"/questions/{question.public_id}/answer/", {"answer": "Left", "by": "Dr. Muster"}
    )
    assert response.status_code == 303
    assert names(client) == [asked.accession_number]


def test_each_selected_order_has_its_own_answer(as_: As, rooms: None) -> None:
    waiting, started = order(), booked_at(today_at(12))
    begin(started)
    client = as_("scheduler")

    response = client.post(
        "/orders/bulk/",
        {
            "action": "cancel",
            "reason": "ward closed",
            "order": [str(waiting.public_id), str(started.public_id)],
        },
    )

    text = response.content.decode()
    waiting.refresh_from_db()
    started.refresh_from_db()
    assert (waiting.status, started.status) == ("CANCELED", "ACTIVE")
    assert "1 done" in text
    assert "1 refused" in text
    assert "Cannot cancel: the exam was started" in text


def test_many_orders_get_a_priority_and_a_place_on_the_wait_list(as_: As, rooms: None) -> None:
    orders = [order(), order()]
    keys = [str(each.public_id) for each in orders]
    client = as_("scheduler")

    client.post("/orders/bulk/", {"action": "priority", "priority": "URGENT", "order": keys})
    client.post("/orders/bulk/", {"action": "wait", "reason": "lives near", "order": keys})

    assert {each.priority for each in Order.objects.all()} == {"URGENT"}
    assert WaitingEntry.objects.filter(status="WAITING", comment="lives near").count() == 2
    text = client.get("/orders/?tab=wait-list").content.decode()
    assert "Number 1 for CT" in text
    assert "Number 2 for CT" in text


def test_request_forms_are_printed_for_those_selected(as_: As, rooms: None) -> None:
    keys = [str(order().public_id), str(order().public_id)]

    response = as_("scheduler").post("/orders/bulk/", {"action": "print", "order": keys})

    assert response["Content-Type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-")
    assert response.content.count(b"/Type /Page\n") == 2


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"action": "cancel", "reason": "no"}, 422),
        ({"action": "cancel", "order": "x", "reason": "no"}, 422),
        ({"action": "burn", "order": "KEY"}, 422),
        ({"action": "cancel", "order": "KEY"}, 422),
        ({"action": "priority", "priority": "SOON", "order": "KEY"}, 422),
    ],
)
def test_what_is_not_said_clearly_is_not_done(
    as_: As, rooms: None, form: dict[str, str], status: int
) -> None:
    waiting = order()
    before = DomainEvent.objects.count()
    said = {k: str(waiting.public_id) if v == "KEY" else v for k, v in form.items()}

    response = as_("scheduler").post("/orders/bulk/", said)

    assert response.status_code == status
    assert DomainEvent.objects.count() == before


def test_a_technologist_cancels_nothing_in_bulk(as_: As, rooms: None) -> None:
    waiting = order()

    response = as_("technologist").post(
        "/orders/bulk/",
        {"action": "cancel", "reason": "no", "order": [str(waiting.public_id)]},
    )

    waiting.refresh_from_db()
    assert waiting.status == "ACTIVE"
    assert "1 refused" in response.content.decode()


@pytest.mark.parametrize(
    ("budget", "path"),
    [
        ("page_orders", "/orders/"),
        ("page_orders", "/orders/?tab=wait-list"),
        ("page_orders", "/orders/?tab=closed"),
        ("page_order_new", "/orders/new/?patient={patient}"),
        ("page_order_change", "/orders/{order}/revise/"),
    ],
)
def test_pages_do_not_grow_with_what_they_list(
    as_: As, rooms: None, budget: str, path: str
) -> None:
    client = as_("scheduler")
    first, second = order(), order()
    address = path.format(order=first.public_id, patient=first.patient.public_id)
    keys = [str(first.public_id), str(second.public_id)]
    client.post("/orders/bulk/", {"action": "wait", "reason": "near", "order": keys})
    client.get(address)
    with CaptureQueriesContext(connection) as short:
        client.get(address)
    for _ in range(5):
        order()

    with CaptureQueriesContext(connection) as long:
        client.get(address)

    assert len(short) == len(long) <= BUDGETS[budget]
