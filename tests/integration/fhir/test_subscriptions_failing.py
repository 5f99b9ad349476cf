"""Subscribers that may not be told any more, or do not answer: nothing is lost, nobody waits."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.accounts import RevokeToken
from ris.domain.actors import OPERATOR
from ris.domain.exchange import PauseEndpoint, ResendDelivery
from ris.models import (
    ApiToken,
    Delivery,
    FhirSubscription,
)
from ris.services import execute, outbox
from tests import hooks, make
from tests.hooks import Hook
from tests.integration.fhir.api import Api, token
from tests.integration.fhir.subscribing import (
    JSON,
    due_now,
    made,
    numbers,
    plain,
    relay,
    state,
    topic,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted")]


# --- rights at the moment of delivery


def test_a_client_without_a_valid_token_is_told_nothing_more(api: Api, hook: Hook) -> None:
    subscription = made(api, plain(hook.url, payload=JSON))
    make.order()
    outbox.fan_out()
    row = ApiToken.objects.get(client="EHR")
    execute(RevokeToken(token=str(row.public_id)), actor=OPERATOR)
    outbox.deliver_due()
    make.order()
    relay()

    assert hook.heard == []
    assert FhirSubscription.objects.get().status == "off"
    again = Api(token())
    assert state(again, subscription) == "off"


def test_scopes_are_asked_when_it_is_sent(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url, payload=JSON))
    make.order()
    outbox.fan_out()
    ApiToken.objects.filter(client="EHR").update(scopes=["system/Task.rs"])
    outbox.deliver_due()
    make.order()
    relay()

    assert hook.heard == []
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == (
        "SKIPPED",
        "not sent: the client may not see this any more",
    )


def test_what_is_sent_once_more_is_asked_about_once_more(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url, payload=JSON))
    made(api, topic(hook.url, "order-status", "full-resource"))
    make.order()
    relay()
    ApiToken.objects.filter(client="EHR").update(scopes=["system/Task.rs"])
    for delivery in Delivery.objects.exclude(message_type="handshake"):
        execute(ResendDelivery(delivery=str(delivery.public_id)), actor=OPERATOR)
    hook.heard.clear()
    relay()

    assert hook.heard == []
    assert Delivery.objects.filter(state="SKIPPED").count() == 2


def test_rows_beyond_a_filter_are_not_told(
    api: Api, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(api, plain(hook.url, "ServiceRequest", payload=JSON))
    first, second = make.order(), make.order()
    only = ((("patient", f"Patient/{first.patient.public_id}"),),)
    monkeypatch.setattr("integration.fhir.auth.Client.filters", lambda *asked: only)
    relay()

    assert [each.path for each in hook.heard] == [f"/hook/ServiceRequest/{first.public_id}"]
    assert str(second.public_id) not in str(hook.heard)


# --- when the subscriber does not answer


@pytest.mark.parametrize(
    ("answer", "delivery", "words"),
    [
        (lambda request: hooks.said(500), "PENDING", "HTTP 500"),
        (lambda request: hooks.said(429), "PENDING", "HTTP 429"),
        (lambda request: None, "PENDING", "no answer"),
        (lambda request: hooks.said(404), "PENDING", "HTTP 404"),
        (
            lambda request: hooks.said(302, b"", "Location: http://169.254.169.254/x"),
            "PENDING",
            "redirects are not followed",
        ),
        (lambda request: hooks.said(200, b"x" * 1_000_000), "DELIVERED", ""),
    ],
)
def test_fault(api: Api, hook: Hook, answer: Any, delivery: str, words: str) -> None:
    made(api, plain(hook.url, payload=JSON))
    hook.answer = answer
    make.order()
    relay()

    row = Delivery.objects.get()
    assert (row.state, row.attempt_count) == (delivery, 1)
    assert words in row.last_error
    assert len(hook.heard) == 1


def test_a_subscriber_that_fails_is_in_error_and_active_again_when_it_answers(
    api: Api, hook: Hook
) -> None:
    subscription = made(api, topic(hook.url, "order-status"))
    relay()
    hook.answer = lambda request: hooks.said(503)
    orders = [make.order() for _ in range(4)]
    for _ in range(4):
        relay()
        due_now()

    failed = api.get(f"/Subscription/{subscription['id']}").body
    assert (failed["status"], failed["error"]) == ("error", "HTTP 503 Said")
    tried = [each.numbers for each in hook.heard[1:]]
    assert tried == [[1]] * len(tried), "the first holds the others back"
    hook.heard.clear()
    hook.answer = hooks.well
    relay()

    assert numbers(hook) == [1, 2, 3, 4], "each once, in order"
    assert [each.body["entry"][1]["request"]["url"] for each in hook.heard] == [
        f"ServiceRequest/{order.public_id}" for order in orders
    ]
    assert state(api, subscription) == "active"


def test_gone_is_off(api: Api, hook: Hook) -> None:
    subscription = made(api, plain(hook.url))
    hook.answer = lambda request: hooks.said(410)
    make.order()
    relay()

    body = api.get(f"/Subscription/{subscription['id']}").body
    assert (body["status"], body["error"]) == ("off", "HTTP 410 Said")


def test_what_is_refused_is_parked_and_goes_again_when_it_is_asked_for(
    api: Api, hook: Hook
) -> None:
    subscription = made(api, plain(hook.url, payload=JSON))
    hook.answer = lambda request: hooks.said(400)
    make.order()
    make.order()
    for _ in range(4):
        relay()
        due_now()
    assert [row.state for row in Delivery.objects.order_by("id")] == ["REFUSED", "PENDING"]
    assert state(api, subscription) == "error"

    hook.answer = hooks.well
    hook.heard.clear()
    body = api.get(f"/Subscription/{subscription['id']}").body
    api.put(f"/Subscription/{subscription['id']}", {**body, "status": "requested"})
    relay()

    assert len(hook.heard) == 2
    assert state(api, subscription) == "active"


def test_paused_it_keeps_what_waits(api: Api, hook: Hook) -> None:
    made(api, topic(hook.url, "order-status"))
    relay()
    endpoint = str(FhirSubscription.objects.get().endpoint.public_id)
    execute(PauseEndpoint(endpoint=endpoint, paused=True, reason="maintenance"), actor=OPERATOR)
    make.order()
    make.order()
    relay()
    assert numbers(hook) == []
    execute(PauseEndpoint(endpoint=endpoint, paused=False), actor=OPERATOR)
    relay()

    assert numbers(hook) == [1, 2]


def test_one_subscriber_that_hangs_keeps_no_other_waiting(api: Api) -> None:
    with hooks.hook() as good, hooks.hook() as bad:
        bad.answer = lambda request: None
        for receiver in (bad, good, good, bad, good, good, bad, good):
            made(api, topic(receiver.url, "order-status", timeout=1))
        for _ in range(3):
            make.order()
        relay()
        relay()

        assert sorted(numbers(good)) == sorted([1, 2, 3] * 5)
        assert numbers(bad) == []
