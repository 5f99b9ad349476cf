"""What a client asks of its subscription: $status, $events; and where its news stand here."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import Delivery
from tests import make
from tests.hooks import Hook, Hooked
from tests.integration.fhir.api import Answer, Api, token
from tests.integration.fhir.subscribing import (
    JSON,
    TOPIC,
    canceled,
    made,
    plain,
    relay,
    topic,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted")]


# --- $status and $events


def test_status(api: Api, hook: Hook) -> None:
    first = made(api, topic(hook.url, "order-status"))
    second = made(api, plain(hook.url, "Task"))
    relay()
    make.order()
    relay()

    one = api.get(f"/Subscription/{first['id']}/$status")
    assert one.status == 200
    (parameters,) = one.resources
    told = {each["name"]: each for each in parameters["parameter"]}
    assert told["type"]["valueCode"] == "query-status"
    assert told["status"]["valueCode"] == "active"
    assert told["events-since-subscription-start"]["valueString"] == "1"
    assert len(api.get("/Subscription/$status").resources) == 2
    assert len(api.get(f"/Subscription/$status?id={first['id']},{second['id']}").resources) == 2
    assert api.get("/Subscription/$status?status=off").resources == []
    wanted = {
        "resourceType": "Parameters",
        "parameter": [{"name": "id", "valueId": second["id"]}],
    }
    assert len(api.post("/Subscription/$status", wanted).resources) == 1
    assert api.get("/Subscription/$status?status=lost").status == 400
    assert api.get("/Subscription/01939c0f-0000-7000-8000-000000000000/$status").status == 404


def asked(api: Api, subscription: Any, **said: Any) -> Answer:
    query = "&".join(f"{name}={value}" for name, value in said.items())
    return api.get(f"/Subscription/{subscription['id']}/$events?{query}")


def told_numbers(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [
        part["part"][0]["valueString"]
        for part in answer.body["entry"][0]["resource"]["parameter"]
        if part["name"] == "notification-event"
    ]


def test_events_that_were_missed_are_told_again_as_they_were(api: Api, hook: Hook) -> None:
    subscription = made(api, topic(hook.url, "order-status", "full-resource"))
    orders = [make.order() for _ in range(3)]
    relay()
    canceled(orders[1])
    relay()

    some = asked(api, subscription, eventsSinceNumber=2, eventsUntilNumber=3)
    assert told_numbers(some) == ["2", "3"]
    assert some.body["type"] == "history"
    kept = [entry["resource"] for entry in some.body["entry"][1:]]
    assert [each["id"] for each in kept] == [str(each.public_id) for each in orders[1:]]
    assert kept[0]["status"] == "active", "as it was sent, not as it is"
    sent = [each.body["entry"][1]["resource"] for each in hook.heard if each.numbers]
    assert kept == sent[1:3]
    assert told_numbers(asked(api, subscription)) == ["1", "2", "3", "4"]
    named = asked(api, subscription, content="id-only", eventsSinceNumber=4)
    assert [entry.get("resource") for entry in named.body["entry"][1:]] == [None]
    assert len(asked(api, subscription, content="empty").body["entry"]) == 1
    assert asked(api, subscription, content="all").status == 400
    assert asked(api, subscription, eventsSinceNumber="x").status == 400


def test_events_are_told_as_far_as_the_caller_may_see_them(api: Api, hook: Hook) -> None:
    subscription = made(api, topic(hook.url, "order-status", "full-resource"))
    order = make.order()
    relay()
    blind = Api(token("system/Subscription.rs", client="blind"))

    answer = asked(blind, subscription)

    assert told_numbers(answer) == ["1"]
    assert str(order.public_id) not in str(answer.body)


# --- what stands elsewhere


def test_a_notification_stands_with_the_order_as_any_delivery(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url, payload=JSON))
    order = make.order()
    relay()

    delivery = Delivery.objects.get()
    assert (delivery.order_id, delivery.state) == (order.pk, "DELIVERED")
    stored = bytes(delivery.payload)
    heard: Hooked = hook.heard[0]
    assert stored.partition(b"\r\n\r\n")[2] == heard.raw, "stored bytes are the sent bytes"
    assert stored.startswith(f"PUT {hook.url}/ServiceRequest/{order.public_id} HTTP/1.1".encode())
    assert heard.headers["x-request-id"] == delivery.control_id
    assert bytes(delivery.attempts.get().reply).startswith(b"HTTP 200")


def test_the_statement_lists_topics_and_operations(api: Api) -> None:
    rest = api.get("/metadata").body["rest"][0]
    (subscription,) = [each for each in rest["resource"] if each["type"] == "Subscription"]

    assert {each["valueCanonical"] for each in subscription["extension"]} == {
        f"{TOPIC}{name}"
        for name in (
            "order-status", "step-status", "report-final", "report-amended", "critical-finding",
            "appointment-changed",
        )
    }  # fmt: skip
    assert {each["name"] for each in subscription["operation"]} == {"status", "events", "validate"}
