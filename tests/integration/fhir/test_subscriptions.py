"""Subscriptions over a real receiver: plain R4 rest-hooks and topics of the backport."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integration.fhir import structure, xml
from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    FhirSubscription,
    InboundMessage,
)
from ris.services import subscriptions
from tests import hooks, make
from tests.hooks import Hook
from tests.integration.fhir.api import Api, token, valid
from tests.integration.fhir.subscribing import (
    JSON,
    TOPIC,
    canceled,
    due_now,
    made,
    plain,
    relay,
    state,
    topic,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted")]


# --- plain R4


def test_each_change_of_a_matching_resource_is_put_below_the_endpoint(api: Api, hook: Hook) -> None:
    subscription = made(api, plain(hook.url, payload=JSON, header=["Authorization: Bearer s3cret"]))
    order = make.order()
    relay()
    canceled(order)
    relay()

    assert subscription["status"] == "active"
    (heard,) = hook.heard  # once canceled it does not match any more
    assert (heard.method, heard.path) == ("PUT", f"/hook/ServiceRequest/{order.public_id}")
    assert heard.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert heard.headers["authorization"] == "Bearer s3cret"
    assert (heard.body["resourceType"], heard.body["id"]) == (
        "ServiceRequest",
        str(order.public_id),
    )
    valid(heard.body)


def test_without_payload_an_empty_post_says_that_something_changed(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url))
    make.order()
    relay()

    (heard,) = hook.heard
    assert (heard.method, heard.path, heard.raw) == ("POST", "/hook", b"")


def test_xml_is_written_where_it_is_asked_for(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url, payload="application/fhir+xml"))
    order = make.order()
    relay()

    (heard,) = hook.heard
    assert heard.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert xml.read(heard.raw)["id"] == str(order.public_id)


def test_what_a_client_sends_is_told_as_well(api: Api, hook: Hook) -> None:
    made(api, plain(hook.url, "Observation?code=http://loinc.org|2160-0", payload=JSON))
    creatinine = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "valueQuantity": {"value": 1.10, "unit": "mg/dL"},
    }
    kept = api.post("/Observation", creatinine).body
    api.post("/Observation", {**creatinine, "code": {"text": "something else"}})
    relay()

    assert [each.path for each in hook.heard] == [f"/hook/Observation/{kept['id']}"]


def test_nothing_is_asked_where_nobody_subscribed(api: Api) -> None:
    make.order()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        relay()

    assert not [q for q in asked.captured_queries if "fhirsubscription" in q["sql"].lower()]


# --- topics


def test_a_topic_is_proved_by_a_handshake_and_told_by_number(api: Api, hook: Hook) -> None:
    subscription = made(api, topic(hook.url, "order-status"))
    assert subscription["status"] == "requested"
    relay()
    order = make.order()
    canceled(order)
    relay()

    handshake, *events = hook.heard
    assert (handshake.kind, handshake.numbers) == ("handshake", [])
    assert handshake.status["status"] == "requested"
    assert [each.numbers for each in events] == [[1], [2]]
    address = f"http://testserver/fhir/Subscription/{subscription['id']}"
    told = events[1].status
    assert told["subscription"] == {"reference": address}
    assert told["topic"] == f"{TOPIC}order-status"
    assert (told["status"], told["type"]) == ("active", "event-notification")
    assert told["events-since-subscription-start"] == "2"
    entry = events[1].body["entry"][1]
    assert entry["fullUrl"] == f"http://testserver/fhir/ServiceRequest/{order.public_id}"
    assert "resource" not in entry, "id-only"
    assert state(api, subscription) == "active"
    for each in hook.heard:
        valid(each.body)
        assert structure.faults("Bundle", each.body) == []


def test_content(api: Api, hook: Hook) -> None:
    for content in ("empty", "id-only", "full-resource"):
        made(api, topic(hook.url, "order-status", content))
    relay()
    order = make.order()
    relay()

    told = {len(each.raw): each.body["entry"] for each in hook.heard if each.numbers}
    empty, named, full = (told[size] for size in sorted(told))
    assert [len(each) for each in (empty, named, full)] == [1, 2, 2]
    assert str(order.public_id) not in str(empty)
    assert "resource" not in named[1]
    assert full[1]["resource"]["id"] == str(order.public_id)
    assert [structure.faults("Bundle", each.body) for each in hook.heard] == [[]] * 6


def test_filters_narrow_a_topic(api: Api, hook: Hook) -> None:
    first, second = make.order(), make.order()
    wanted = f"ServiceRequest?patient=Patient/{first.patient.public_id}"
    relay()
    made(api, topic(hook.url, "order-status", "id-only", wanted))
    canceled(second)
    canceled(first)
    relay()

    told = [each for each in hook.heard if each.numbers]
    assert [each.body["entry"][1]["request"]["url"] for each in told] == [
        f"ServiceRequest/{first.public_id}"
    ]


def test_every_topic_is_told_of_its_events(api: Api, hook: Hook) -> None:
    """A whole exam: each topic hears its own, in order, and numbers have no gaps."""
    names = ("order-status", "step-status", "report-final", "report-amended", "critical-finding",
             "appointment-changed")  # fmt: skip
    for name in names:
        made(api, topic(hook.url, name))
    make.device()
    make.final_report(make.performed())
    relay()

    told: dict[str, list[int]] = {name: [] for name in names}
    for each in hook.heard:
        told[each.status["topic"].removeprefix(TOPIC)] += each.numbers
    for name, found in told.items():
        assert found == list(range(1, len(found) + 1)), name
    assert told["report-final"] == [1]
    assert told["report-amended"] == told["critical-finding"] == []
    assert len(told["step-status"]) >= 3, "booked, started, completed"
    assert len(told["appointment-changed"]) >= 1


# --- faults


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"criteria": "Nonsense?x=1"}, "Subscription.criteria", "not-supported"),
        ({"criteria": "Patient?shoe-size=42"}, "Subscription.criteria", "invalid"),
        ({"criteria": "Patient?_include=Patient:link"}, "Subscription.criteria", "invalid"),
        ({"criteria": "urn:ris:subscription-topic:x"}, "Subscription.criteria", "not-supported"),
        ({"criteria": "Subscription?status=off"}, "Subscription.criteria", "not-supported"),
        ({"status": "active"}, "Subscription.status", "value"),
        ({"end": "2020-01-01T00:00:00Z"}, "Subscription.end", "value"),
        ({"type": "email"}, "Subscription.channel.type", "not-supported"),
        ({"type": "websocket"}, "Subscription.channel.type", "not-supported"),
        ({"endpoint": None}, "Subscription.channel.endpoint", "required"),
        ({"endpoint": "http://ehr.example/x"}, "Subscription.channel.endpoint", "value"),
        ({"endpoint": "https://169.254.169.254/"}, "Subscription.channel.endpoint", "value"),
        ({"endpoint": "https://[::1]/"}, "Subscription.channel.endpoint", "value"),
        ({"payload": "text/plain"}, "Subscription.channel.payload", "not-supported"),
        ({"header": ["Host: x"]}, "Subscription.channel.header[0]", "value"),
        ({"header": ["A: b", "content-length: 1"]}, "Subscription.channel.header[1]", "value"),
        ({"header": ["A: b\r\nX: y"]}, "Subscription.channel.header[0]", "value"),
        ({"header": ["no colon"]}, "Subscription.channel.header[0]", "value"),
        ({"header": ["Authorization: ***"]}, "Subscription.channel.header[0]", "value"),
    ],
)  # fmt: skip
def test_what_cannot_be_promised_is_refused(
    api: Api, change: dict[str, Any], place: str, code: str
) -> None:
    resource = plain("https://ehr.example/hook")
    for name, value in change.items():
        into = resource if name in {"criteria", "status", "end"} else resource["channel"]
        into[name] = value
        if value is None:
            del into[name]

    answer = api.post("/Subscription", resource)

    assert answer.status == 422, answer.body
    assert (answer.issue["code"], answer.issue["expression"]) == (code, [place])
    assert not FhirSubscription.objects.exists()
    assert not Delivery.objects.exists()


def test_all_faults_of_a_topic_are_told_at_once(api: Api) -> None:
    resource = topic("https://ehr.example/x", "order-status", "much", "Task?status=x", heartbeat=1)

    answer = api.post("/Subscription", resource)

    assert answer.status == 422
    assert {tuple(each["expression"]) for each in answer.body["issue"]} == {
        ("Subscription.criteria.extension",),
        ("Subscription.channel.payload",),
        ("Subscription.channel.extension",),
    }


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ("Task?" + "&".join(["identifier=a"] * 65), "more than 64 parameters"),
        ("Task?identifier=%00", "identifier: holds a NUL character"),
    ],
)
def test_a_criteria_that_no_search_would_take_is_refused(
    api: Api, criteria: str, said: str
) -> None:
    refused = api.post("/Subscription", plain("https://ehr.example/hook", criteria))

    assert (refused.status, refused.issue["diagnostics"]) == (422, said)


def test_filters_together_ask_no_more_than_a_search_may(api: Api) -> None:
    half = "&".join(["patient=Patient/1"] * 40)

    refused = api.post(
        "/Subscription",
        topic("https://ehr.example/hook", "order-status", "id-only", half, half),
    )

    assert (refused.status, refused.issue["code"]) == (422, "too-costly")


def test_an_end_beyond_the_calendar_is_refused(api: Api) -> None:
    late = {**plain("https://ehr.example/hook"), "end": "9999-12-31T23:59:59-12:00"}

    refused = api.post("/Subscription", late)

    assert (refused.status, refused.issue["expression"]) == (422, ["Subscription.end"])


def test_a_client_subscribes_only_to_what_it_may_read(db: None) -> None:
    narrow = Api(token("system/Subscription.cruds", "system/Task.rs", client="narrow"))

    refused = narrow.post("/Subscription", plain("https://ehr.example/hook"))

    assert (refused.status, refused.issue["code"]) == (403, "forbidden")
    assert narrow.post("/Subscription", plain("https://ehr.example/hook", "Task")).status == 201


def test_a_client_has_so_many_subscriptions_and_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MOST_OF_ONE_CLIENT", 2)
    wanted = plain("https://ehr.example/hook")
    first = made(api, wanted)
    made(api, wanted)

    refused = api.post("/Subscription", wanted)
    api.request("DELETE", f"/Subscription/{first['id']}")

    assert (refused.status, refused.issue["code"]) == (409, "conflict")
    assert api.post("/Subscription", wanted).status == 201
    assert Api(token(client="other")).post("/Subscription", wanted).status == 201


def test_a_client_asks_by_a_chain_only_for_what_it_may_read(db: None) -> None:
    narrow = Api(token("system/Subscription.cruds", "system/Task.rs", client="narrow"))

    refused = narrow.post(
        "/Subscription", plain("https://ehr.example/hook", "Task?patient.name=Berg")
    )

    assert (refused.status, refused.issue["diagnostics"]) == (
        422,
        "patient.name: the token may not read Patient",
    )


def test_a_chain_finds_nothing_in_rows_beyond_a_filter(db: None, hook: Hook) -> None:
    limited = Api(
        token(
            "system/Subscription.cruds",
            "system/ServiceRequest.rs",
            "system/Patient.rs?family=Somebody",
            client="limited",
        )
    )
    made(limited, plain(hook.url, "ServiceRequest?patient.family=Berg", payload=JSON))
    made(limited, plain(hook.url, "ServiceRequest", payload=JSON))

    make.order()
    relay()

    assert len(hook.heard) == 1


# --- changed and ended


def test_read_search_change_and_delete(api: Api, hook: Hook) -> None:
    subscription = made(api, plain(hook.url, payload=JSON))
    path = f"/Subscription/{subscription['id']}"

    assert api.get(path).body == subscription
    found = api.get("/Subscription?status=active&type=rest-hook&payload=application/fhir%2Bjson")
    assert found.ids == [subscription["id"]]
    assert api.get("/Subscription?criteria=Task").ids == []
    assert api.get(f"/Subscription?url={hook.url}").ids == [subscription["id"]]

    off = api.put(path, {**subscription, "status": "off"})
    assert (off.status, off.body["status"]) == (200, "off")
    make.order()
    relay()
    assert hook.heard == []
    again = api.patch(path, [{"op": "replace", "path": "/status", "value": "requested"}])
    assert (again.status, again.body["status"]) == (200, "active")
    wrong = api.put(path, {**again.body, "status": "error"})
    assert (wrong.status, wrong.issue["expression"]) == (409, ["Subscription.status"])

    assert api.request("DELETE", path).status == 204
    make.order()
    relay()
    assert hook.heard == []
    assert api.get(path).status in {404, 410}
    assert api.get("/Subscription").ids == []


def test_a_changed_endpoint_is_proved_anew_and_gets_what_waits(api: Api, hook: Hook) -> None:
    hook.answer = lambda request: hooks.said(500)
    subscription = made(api, topic(hook.url, "order-status"))
    make.order()
    relay()
    with hooks.hook() as other:
        subscription["channel"]["endpoint"] = other.url
        changed = api.put(f"/Subscription/{subscription['id']}", subscription)
        assert changed.body["status"] == "requested", changed.body
        due_now()
        relay()

        assert [each.kind for each in other.heard] == [
            "handshake", "event-notification", "handshake",
        ]  # fmt: skip
    assert state(api, subscription) == "active"


def test_headers_are_shown_to_nobody_and_kept_through_a_change(api: Api, hook: Hook) -> None:
    subscription = made(
        api, plain(hook.url, payload=JSON, header=["Authorization: Bearer s3cret", "X-Site: RAD"])
    )
    assert subscription["channel"]["header"] == ["Authorization: ***", "X-Site: ***"]

    subscription["reason"] = "another reason"
    changed = api.put(f"/Subscription/{subscription['id']}", subscription)
    make.order()
    relay()

    assert (changed.status, changed.body["reason"]) == (200, "another reason")
    assert hook.heard[0].headers["authorization"] == "Bearer s3cret"
    stored = [bytes(row.raw) + bytes(row.reply) for row in InboundMessage.objects.all()]
    stored += [bytes(row.payload) for row in Delivery.objects.all()]
    stored += [str(row.payload).encode() for row in DomainEvent.objects.all()]
    stored += [str(row.detail).encode() for row in AuditEvent.objects.all()]
    assert not [raw for raw in stored if b"s3cret" in raw]


def test_in_a_transaction_it_is_taken_up_like_alone(api: Api, hook: Hook) -> None:
    resource = topic(hook.url, "order-status")
    resource["channel"]["header"] = ["X-Key: s3cret"]
    entry = {"resource": resource, "request": {"method": "POST", "url": "Subscription"}}

    answer = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    relay()

    assert (answer.status, answer.body["entry"][0]["response"]["status"][:3]) == (200, "201")
    assert [each.headers["x-key"] for each in hook.heard] == ["s3cret"]
    assert FhirSubscription.objects.get().status == "active"
    assert not [row for row in InboundMessage.objects.all() if b"s3cret" in bytes(row.raw)]


def test_another_client_changes_nothing(api: Api, hook: Hook) -> None:
    subscription = made(api, plain(hook.url, header=["Authorization: Bearer s3cret"]))
    path = f"/Subscription/{subscription['id']}"
    other = Api(token(client="OTHER"))

    stolen = {
        **subscription,
        "channel": {**subscription["channel"], "endpoint": "https://x.example/"},
    }
    assert other.put(path, stolen).status in {403, 422}
    assert (
        other.put(path, {**subscription, "channel": plain("https://x.example/")["channel"]}).status
        == 403
    )
    assert other.request("DELETE", path).status == 403
    assert FhirSubscription.objects.get().url == hook.url


def test_it_ends_when_it_said(api: Api, hook: Hook) -> None:
    end = (timezone.now() + timedelta(hours=1)).isoformat()
    subscription = made(api, {**plain(hook.url), "end": end})
    FhirSubscription.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    make.order()
    relay()
    assert hook.heard == []

    subscriptions.run_due()

    assert state(api, subscription) == "off"


def test_heartbeats_come_when_nothing_else_does(api: Api, hook: Hook) -> None:
    made(api, topic(hook.url, "order-status", heartbeat=60))
    relay()
    subscriptions.run_due()
    relay()
    assert [each.kind for each in hook.heard] == ["handshake"]
    FhirSubscription.objects.update(queued_at=timezone.now() - timedelta(seconds=61))
    subscriptions.run_due()
    subscriptions.run_due()
    relay()

    assert [each.kind for each in hook.heard] == ["handshake", "heartbeat"]
    assert hook.heard[1].status["events-since-subscription-start"] == "0"
    valid(hook.heard[1].body)
