"""Undo at the pages, and saved views."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from ris.domain.orders import OrderReference, ReleaseOrder
from ris.models import DomainEvent, Order, SavedView
from ris.services import execute
from tests import make, people
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]


def token(client: Client) -> str:
    """The token of the Undo button on the page that is shown next."""
    text = client.get("/orders/").content.decode()
    found = re.search(r'name="token" value="([^"]+)"', text)
    return found.group(1) if found else ""


def canceled(client: Client, order: Order) -> str:
    client.post(f"/orders/{order.public_id}/cancel/", {"reason": "wrong patient"})
    order.refresh_from_db()
    assert order.status == "CANCELED"
    return token(client)


def test_a_cancellation_is_undone_by_the_button_in_its_message(as_: As, rooms: None) -> None:
    order = booked_at(today_at(15))
    client = as_("scheduler")

    response = client.post("/undo/", {"token": canceled(client, order), "next": "/orders/"})

    order.refresh_from_db()
    assert (response.status_code, response["Location"]) == (303, "/orders/")
    assert (order.status, make.step_of(order).status) == ("ACTIVE", "SCHEDULED")
    assert "The order is open again, as it was." in client.get("/orders/").content.decode()


@pytest.mark.parametrize("case", ["other", "late", "changed", "forged", "twice"])
def test_what_is_not_ones_own_or_not_as_it_was_is_not_undone(
    as_: As, rooms: None, noon: time_machine.Traveller, case: str
) -> None:
    order = make.order()
    client = as_("scheduler")
    client.post(f"/orders/{order.public_id}/hold/", {"reason": "creatinine"})
    text = token(client)
    who = as_("manager") if case == "other" else client
    if case == "late":
        noon.shift(timedelta(minutes=11))
    if case == "changed":
        client.post(
            f"/orders/{order.public_id}/revise/",
            {"version": str(Order.objects.get().version), "priority": "STAT"},
        )
    if case == "twice":
        execute(
            ReleaseOrder(order=OrderReference(public_id=str(order.public_id))),
            actor=people.scheduler,
        )
    if case == "forged":
        text = text[:-1] + ("A" if text[-1] != "A" else "B")
    before = DomainEvent.objects.count()

    response = who.post("/undo/", {"token": text})

    assert response.status_code == (403 if case == "other" else 409)
    assert DomainEvent.objects.count() == before


def test_no_button_where_there_is_no_way_back(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("scheduler")
    client.post(f"/orders/{order.public_id}/hold/", {"reason": "creatinine"})
    client.get("/orders/")

    client.post(f"/orders/{order.public_id}/release/")

    assert token(client) == ""


def test_order_page_takes_a_cancellation_back(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("scheduler")
    canceled(client, order)
    page = f"/orders/{order.public_id}/"

    offered = "Take the cancellation back" in client.get(page).content.decode()
    client.post(f"{page}restore/", {"version": str(order.version)})

    order.refresh_from_db()
    assert offered
    assert order.status == "ACTIVE"
    assert "Take the cancellation back" not in client.get(page).content.decode()


def test_the_way_back_of_a_placer_is_not_offered(as_: As, rooms: None) -> None:
    from ris.domain.orders import CancelOrder

    order = make.order()
    execute(CancelOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)

    text = as_("scheduler").get(f"/orders/{order.public_id}/").content.decode()

    assert "Take the cancellation back" not in text


def test_an_exam_moves_to_its_own_order_on_the_order_page(as_: As, rooms: None) -> None:
    from ris.domain.orders import ProcedureRequest

    order = make.order(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD),
            ProcedureRequest(code=make.Code("USABD", "TEST", "Ultrasound of the abdomen")),
        )
    )
    second = order.procedures.order_by("id").last()
    assert second is not None

    response = as_("scheduler").post(
        f"/orders/{order.public_id}/split/",
        {"procedure": str(second.public_id), "version": str(order.version)},
    )

    new = Order.objects.latest("id")
    assert response["Location"] == f"/orders/{new.public_id}/"
    assert [each.code_value for each in new.procedures.all()] == ["USABD"]


def test_a_conflict_keeps_what_was_typed_and_shows_both(as_: As, rooms: None) -> None:
    order = make.order()
    client, other = as_("scheduler"), as_("frontdesk")
    address = f"/orders/{order.public_id}/revise/"
    page = client.get(address).content.decode()
    seen = re.search(r'name="seen_at" value="([^"]+)"', page)
    assert seen
    form = {"version": str(order.version), "priority": "URGENT", "seen_at": seen.group(1)}

    other.post(address, {**form, "reason": "Headache since May"})
    refused = client.post(address, {**form, "reason": "Headache, vomiting"})
    text = refused.content.decode()
    again = client.post(
        address, {**form, "version": str(order.version + 1), "reason": "Headache, vomiting"}
    )

    order.refresh_from_db()
    assert refused.status_code == 409
    assert "Headache, vomiting</textarea>" in text
    assert '<td data-label="It is now">Headache since May</td>' in text
    assert "Order changed" in text
    assert "frontdesk" in text
    assert again.status_code == 303
    assert order.reason == "Headache, vomiting"


def test_a_change_leaves_the_requester_who_was_not_touched(as_: As, rooms: None) -> None:
    order = make.order()
    Order.objects.filter(pk=order.pk).update(requester="Ordonez^Olga^Maria^Dr.")

    as_("scheduler").post(
        f"/orders/{order.public_id}/revise/",
        {
            "version": str(order.version),
            "priority": "STAT",
            "reason": "worse",
            "requester": "Ordonez, Olga Maria",
        },
    )

    order.refresh_from_db()
    assert (order.priority, order.requester) == ("STAT", "Ordonez^Olga^Maria^Dr.")


# --- saved views


def kept(client: Client, **said: str) -> SavedView:
    response = client.post(
        "/views/",
        {"page": "orders", "name": "Urgent CT", "query": "modality=CT&priority=URGENT", **said},
    )
    assert response.status_code == 303
    return SavedView.objects.latest("id")


def test_a_list_opens_with_the_view_that_is_kept_for_it(as_: As, rooms: None) -> None:
    client = as_("scheduler")
    kept(client, is_default="1")

    first = client.get("/orders/")
    everything = client.get("/orders/?view=all")

    assert (first.status_code, first["Location"]) == (
        302,
        "/orders/?modality=CT&priority=URGENT",
    )
    assert everything.status_code == 200
    assert "Urgent CT" in everything.content.decode()
    assert as_("frontdesk").get("/orders/").status_code == 200


def test_a_view_of_a_role_is_for_those_who_have_it(as_: As, rooms: None) -> None:
    kept(as_("admin"), role="scheduler", is_default="1")

    assert as_("scheduler").get("/orders/").status_code == 302
    assert as_("frontdesk").get("/orders/").status_code == 200
    assert DomainEvent.objects.filter(name="ViewShared").count() == 1


def test_ones_own_default_goes_before_that_of_the_role(as_: As, rooms: None) -> None:
    kept(as_("admin"), role="scheduler", is_default="1")
    client = as_("scheduler")
    kept(client, query="priority=STAT", name="Mine", is_default="1")

    assert client.get("/orders/")["Location"] == "/orders/?priority=STAT"


def test_sharing_is_for_administrators(as_: As, rooms: None) -> None:
    client = as_("scheduler")

    response = client.post(
        "/views/", {"page": "orders", "name": "All", "query": "", "role": "frontdesk"}
    )

    assert response.status_code == 403
    assert SavedView.objects.count() == 0


def test_views_of_others_are_not_changed(as_: As, rooms: None) -> None:
    mine = kept(as_("scheduler"))
    shared = kept(as_("admin"), role="frontdesk")
    other = as_("frontdesk")

    answers = [
        other.post(f"/views/{view.public_id}/{what}/").status_code
        for view in (mine, shared)
        for what in ("delete", "default")
    ]

    assert answers == [404, 404, 403, 403]
    assert SavedView.objects.count() == 2


def test_the_same_name_replaces_a_view_and_one_default_is_left(as_: As, rooms: None) -> None:
    client = as_("scheduler")
    kept(client, is_default="1")
    kept(client, name="Other", is_default="1")
    kept(client, query="page=3&view=x&priority=STAT")

    views = {view.name: (view.query, view.is_default) for view in SavedView.objects.all()}
    assert views == {
        "Urgent CT": ("priority=STAT", False),
        "Other": ("modality=CT&priority=URGENT", True),
    }


@pytest.mark.parametrize(
    ("page", "query", "opens"),
    [
        ("board", "view=week&modality=CT&day=2026-03-02&focus=x", "/board/?modality=CT&view=week"),
        ("messages", "way=out&state=open&page=2", "/messages/?state=open&way=out"),
        ("reading", "pile=drafts", "/reading/?pile=drafts"),
    ],
)
def test_each_list_opens_with_the_view_that_was_kept_of_it(
    as_: As, rooms: None, page: str, query: str, opens: str
) -> None:
    client, address = as_("admin"), opens.partition("?")[0]

    kept(client, page=page, query=query, is_default="1")

    assert client.get(address)["Location"] == opens
    shown = client.get(opens)
    assert shown.status_code == 200
    assert "Urgent CT" in shown.content.decode()
    assert client.get(f"{address}?view=all").status_code == 200
