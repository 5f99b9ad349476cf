"""What the tests of subscriptions share: resources, a trusted receiver, the worker's pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ris import config
from ris.domain.orders import CancelOrder, OrderReference
from ris.models import Delivery, Order
from ris.services import execute, outbox
from tests import people
from tests.hooks import Hook
from tests.integration.fhir.api import Api

JSON = "application/fhir+json"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
TOPIC = "urn:ris:subscription-topic:"


@contextmanager
def trusting(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> Iterator[None]:
    """Receivers of the tests are on this machine, which no site would be called on."""
    known = config.load()
    fhir = known.fhir.model_copy(update={"subscription_hosts": hosts})
    changed = known.model_copy(update={"fhir": fhir})
    with monkeypatch.context() as patch:
        patch.setattr(config, "load", lambda: changed)
        outbox.reset_breaker()
        yield
    outbox.reset_breaker()


def plain(url: str, criteria: str = "ServiceRequest?status=active", **channel: Any) -> Any:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "the EHR shows what became of its orders",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": url, **channel},
    }


def topic(url: str, name: str, content: str = "id-only", *filters: str, **said: Any) -> Any:
    found = plain(url, TOPIC + name, payload=said.pop("payload", "application/fhir+json"))
    found["channel"]["_payload"] = {
        "extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]
    }
    names = {"heartbeat": ("heartbeat-period", "valueUnsignedInt"),
             "timeout": ("timeout", "valueUnsignedInt"),
             "max_count": ("max-count", "valuePositiveInt")}  # fmt: skip
    extensions = [
        {"url": BACKPORT + names[name][0], names[name][1]: value}
        for name, value in said.items()
        if name in names
    ]
    if extensions:
        found["channel"]["extension"] = extensions
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


def due_now() -> None:
    """What waits for its next try is due, and nobody is shy of asking."""
    Delivery.objects.filter(state="PENDING").update(due_at="2020-01-01T00:00:00Z")
    outbox.reset_breaker()


def numbers(receiver: Hook) -> list[int]:
    """The event numbers a receiver was told, in the order they came."""
    return [number for each in receiver.heard for number in each.numbers]


def made(api: Api, resource: Any) -> Any:
    """The subscription, once the server took it up."""
    answer = api.post("/Subscription", resource)
    assert answer.status == 201, answer.body
    return answer.body


def state(api: Api, subscription: Any) -> str:
    return str(api.get(f"/Subscription/{subscription['id']}").body["status"])


def canceled(order: Order) -> None:
    execute(
        CancelOrder(order=OrderReference(public_id=str(order.public_id)), reason="no more"),
        actor=people.ehr,
    )
