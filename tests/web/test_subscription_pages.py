"""Subscriptions of FHIR clients at the pages: seen, paused, sent again, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from ris.models import Delivery, DomainEvent, Endpoint, FhirSubscription
from tests import hooks, make
from tests.hooks import Hook
from tests.integration.fhir.api import Api, token
from tests.integration.fhir.subscribing import due_now, plain, relay, topic, trusting
from tests.web.department import whole

As = Callable[[str], Client]
LIST = "/interfaces/subscriptions/"


@pytest.fixture
def hook(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with trusting(monkeypatch, "127.0.0.1"), hooks.hook() as receiver:
        yield receiver


def subscribed(resource: Any) -> FhirSubscription:
    made = Api(token()).post("/Subscription", resource)
    assert made.status == 201, made.body
    return FhirSubscription.objects.get(public_id=made.body["id"])


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_the_list_says_how_each_stands(as_: As, hook: Hook) -> None:
    row = subscribed(plain(hook.url, header=["Authorization: Bearer s3cret"]))
    subscribed(topic(hook.url, "step-status", "id-only", "Task?status=completed"))
    relay()
    hook.answer = lambda request: hooks.said(400)
    make.order()
    for _ in range(4):
        relay()
        due_now()
    text = text_of(as_("admin"), LIST)

    assert "ServiceRequest?status=active" in text
    assert "only Task?status=completed" in text
    assert hook.url in text
    assert "HTTP 400 Said" in text
    assert "Error" in text
    assert "1 to look at" in text
    assert f"/interfaces/{row.endpoint.public_id}/" in text
    assert "s3cret" not in text
    connection = text_of(as_("admin"), f"/interfaces/{row.endpoint.public_id}/")
    assert "notification" in connection
    assert "s3cret" not in connection
    assert f"{LIST}#s-{row.public_id}" in connection
    assert "/edit/" not in connection, "its client changes it"


def test_a_notification_is_read_like_any_message(as_: As, hook: Hook) -> None:
    subscribed(plain(hook.url, payload="application/fhir+json", header=["X-Key: s3cret"]))
    order = make.order()
    relay()

    delivery = Delivery.objects.get()
    text = text_of(as_("admin"), f"/messages/out/{delivery.public_id}/")
    assert "notification ServiceRequest" in text
    assert "s3cret" not in text
    assert "notification ServiceRequest" in whole(as_("admin"), f"/orders/{order.public_id}/")


def test_removed_with_a_reason(as_: As, hook: Hook) -> None:
    row = subscribed(plain(hook.url))
    admin = as_("admin")

    assert admin.post(f"{LIST}{row.public_id}/remove/", {"reason": ""}).status_code == 422
    done = admin.post(f"{LIST}{row.public_id}/remove/", {"reason": "the EHR was replaced"})

    assert done.status_code in {302, 303}
    row.refresh_from_db()
    assert row.removed_at is not None
    assert not Endpoint.objects.get(pk=row.endpoint_id).active
    event = DomainEvent.objects.get(name="SubscriptionRemoved")
    assert event.payload["reason"] == "the EHR was replaced"
    assert "No subscription yet" in text_of(admin, LIST)
    assert row.endpoint.name not in text_of(admin, "/interfaces/")
    text_of(admin, f"/interfaces/{row.endpoint.public_id}/")  # what was sent can still be seen


def test_only_who_runs_the_interfaces_sees_and_only_an_administrator_removes(
    as_: As, hook: Hook
) -> None:
    row = subscribed(plain(hook.url))

    assert as_("radiologist").get(LIST).status_code == 403
    refused = as_("manager").post(f"{LIST}{row.public_id}/remove/", {"reason": "no"})
    assert refused.status_code == 403
    row.refresh_from_db()
    assert row.removed_at is None
