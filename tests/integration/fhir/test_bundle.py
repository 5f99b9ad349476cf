"""Transactions: all or nothing, in order, with references between the entries (FHIR R4 3.1.0.11)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ris.models import InboundMessage, Order, Patient
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Answer, Api, token

pytestmark = pytest.mark.django_db

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def entry(method: str, url: str, resource: Any = None, full_url: str = "", **request: str) -> dict:
    found: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        found["resource"] = resource
    if full_url:
        found["fullUrl"] = full_url
    return found


def bundle(*entries: dict, kind: str = "transaction") -> dict:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def order_of(reference: str, number: str = "", **elements: Any) -> dict:
    """An order for a patient who is referred to."""
    return resources.service_request(
        number, contained=None, subject={"reference": reference}, **elements
    )


def statuses(answer: Answer) -> list[str]:
    return [each["response"]["status"] for each in answer.body["entry"]]


def test_a_transaction_is_done_in_order_and_answered_in_the_order_it_was_asked(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body

    answer = api.post(
        "/",
        bundle(
            entry("GET", f"Patient?identifier={resources.MRN}|2"),
            entry("PUT", f"Patient/{known['id']}", {**known, "birthDate": "1962"}),
            entry("POST", "ServiceRequest", order_of(f"{URN}1", "4711"), f"{URN}2"),
            entry("POST", "Patient", resources.patient("2"), f"{URN}1"),
            entry("GET", f"Patient/{known['id']}"),
        ),
    )

    assert answer.status == 200
    assert answer.body["type"] == "transaction-response"
    assert statuses(answer) == ["200 OK", "200 OK", "201 Created", "201 Created", "200 OK"]
    found, put, order, patient, read = answer.body["entry"]
    new = Patient.objects.exclude(public_id=known["id"]).get()
    assert found["resource"]["entry"][0]["resource"]["id"] == str(new.public_id)
    assert put["response"]["etag"] == 'W/"2"'
    assert patient["fullUrl"] == f"{BASE}/Patient/{new.public_id}"
    assert patient["response"]["location"] == f"{BASE}/Patient/{new.public_id}/_history/1"
    assert patient["response"]["lastModified"]
    assert "resource" not in order
    assert Order.objects.get().patient == new
    assert read["resource"]["birthDate"] == "1962"
    message = InboundMessage.objects.order_by("-id")[0]
    assert (message.message_type, message.state) == ("POST transaction", "APPLIED")
    assert list(message.orders.all()) == [Order.objects.get()]
