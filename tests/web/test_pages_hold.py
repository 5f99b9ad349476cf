"""Pages under load and when something breaks: bounded queries, errors with a number."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.values import PersonName
from ris.models import DomainEvent, InboundMessage, Order
from ris.selectors import order_lists
from tests import make
from tests.web.department import Department, booked_at, perform, rejected_message, today_at

As = Callable[[str], Client]
LISTS = (
    "/orders/",
    "/orders/?tab=scheduled",
    "/orders/?tab=performed",
    "/board/",
    "/arrivals/",
    "/room/CT1/",
    "/reading/",
    "/patients/",
    "/exceptions/",
    "/messages/",
    "/audit/",
)


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def add_rows() -> None:
    """More of what the lists show: three of each."""
    for number in range(3):
        make.order()
        booked_at(today_at(14 + number), "CT1")
        perform(booked_at(today_at(14 + number), "CT2"))
        message = rejected_message(Order.objects.latest("id"))
        InboundMessage.objects.filter(pk=message.pk).update(key=f"K{number}")


def test_lists_take_no_more_queries_for_more_rows(full: Department, as_: As) -> None:
    client = as_("admin")
    for path in LISTS:
        client.get(path)  # what is read once per process is read now
    before = {path: queries(client, path) for path in LISTS}

    add_rows()

    assert {path: queries(client, path) for path in LISTS} == before


def test_order_page_takes_a_bounded_number_of_queries(full: Department, as_: As) -> None:
    client = as_("admin")

    counts = [
        queries(client, f"/orders/{order.public_id}/")
        for order in (full.waiting, full.unread, full.final.order)
    ]

    assert max(counts) <= 45


def test_bug_shows_its_number_and_nothing_else(
    as_: As, rooms: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ValueError("secret text of the bug")

    monkeypatch.setattr(order_lists, "standing", broken)
    client = as_("scheduler")
    client.raise_request_exception = False

    response = client.get("/orders/", headers={"X-Request-ID": "number-0815"})

    text = response.content.decode()
    assert response.status_code == 500
    assert "number-0815" in text
    assert "secret" not in text


def test_unknown_address_is_a_page_of_ours(as_: As, rooms: None) -> None:
    response = as_("scheduler").get("/orders/not-an-order/")

    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/orders/?tab=nonsense&sort=nonsense&page=nonsense",
        "/orders/?page=999999999999999999999",
        "/board/?day=yesterday&modality=%00",
        "/board/?day=0001-01-01",
        "/board/?day=9999-12-31",
        "/arrivals/?day=2026-13-45&q=%25_%5C",
        "/reading/?pile=nonsense&modality=XX",
        "/messages/?state=nonsense&protocol=nonsense&way=sideways",
        "/patients/?q=%25%25%25",
        "/search/?q=" + "x" * 500,
        "/search/?q=%00",
        "/audit/?actor=%27%22--&patient=nobody",
    ],
)
def test_odd_addresses_are_answered(full: Department, as_: As, path: str) -> None:
    assert as_("admin").get(path).status_code == 200


def test_endpoint_that_is_none_is_said_to_be_unknown(full: Department, as_: As) -> None:
    response = as_("admin").get("/messages/?endpoint=nonsense")

    assert response.status_code == 404


def test_text_of_people_is_never_markup(rooms: None, as_: As) -> None:
    make.order(patient=make.patient(name=PersonName.of("<script>alert(1)</script>", "<b>")))

    text = as_("scheduler").get("/orders/").content.decode()

    assert not re.search(r"<script>alert|<b>", text, re.IGNORECASE)
    assert "&lt;SCRIPT&gt;" in text


def test_control_character_in_a_form_is_no_text(rooms: None, as_: As) -> None:
    order = make.order()

    as_("scheduler").post(f"/orders/{order.public_id}/hold/", {"reason": "Crea\0tinine"})

    assert DomainEvent.objects.get(name="OrderHeld").payload["reason"] == "Creatinine"
