"""Subscriptions over a real receiver: plain R4 rest-hooks and topics of the backport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ris import config
from ris.services import outbox
from tests import hooks, make
from tests.hooks import Hook
from tests.integration.fhir.api import Api

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receivers of the tests are on this machine, which no site would be called on."""
    known = config.load()
    fhir = known.fhir.model_copy(update={"subscription_hosts": ("127.0.0.1",)})
    changed = known.model_copy(update={"fhir": fhir})
    monkeypatch.setattr(config, "load", lambda: changed)
    outbox.reset_breaker()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooks.hook() as receiver:
        yield receiver


def plain(hook: Hook, criteria: str = "ServiceRequest?status=active", **channel: Any) -> Any:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "the EHR shows what became of its orders",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": hook.url, **channel},
    }


def topic(hook: Hook, name: str, content: str = "id-only", *filters: str, **channel: Any) -> Any:
    found = plain(hook, f"urn:ris:subscription-topic:{name}", payload="application/fhir+json")
    found["channel"]["_payload"] = {
        "extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]
    }
    found["channel"].update(channel)
    if filters:
        found["_criteria"] = {
            "extension": [
                {"url": f"{BACKPORT}filter-criteria", "valueString": each} for each in filters
            ]
        }
    return found


def relay() -> None:
    """What the worker does: events become deliveries, deliveries are sent."""
    while outbox.fan_out():
        pass
    outbox.deliver_due()


def test_each_change_of_a_matching_resource_is_put_below_the_endpoint(api: Api, hook: Hook) -> None:
    made = api.post("/Subscription", plain(hook, payload="application/fhir+json"))

    assert made.status == 201, made.body
    assert made.body["status"] == "active"
    order = make.order()
    relay()

    (heard,) = hook.heard
    assert (heard.method, heard.path) == ("PUT", f"/hook/ServiceRequest/{order.public_id}")
    assert heard.body["resourceType"] == "ServiceRequest"
    assert heard.body["id"] == str(order.public_id)


def test_a_topic_is_proved_by_a_handshake_and_told_by_number(api: Api, hook: Hook) -> None:
    made = api.post("/Subscription", topic(hook, "order-status"))
    assert made.body["status"] == "requested", made.body
    relay()
    make.order()
    make.order()
    relay()

    assert [each.kind for each in hook.heard] == [
        "handshake",
        "event-notification",
        "event-notification",
    ]
    assert [each.numbers for each in hook.heard] == [[], [1], [2]]
    assert api.get(f"/Subscription/{made.body['id']}").body["status"] == "active"
