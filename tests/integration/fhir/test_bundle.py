"""Transactions and batches: order, faults, limits, and what is kept of them (FHIR R4 3.1.0.11)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integration.fhir import xml
from ris.domain.exchange import ReplayMessage
from ris.domain.facility import RegisterPractitioner
from ris.domain.values import Identifier, NameGroup, PersonName
from ris.models import InboundMessage, Order, Patient
from ris.services import execute
from tests import people
from tests.integration.fhir import resources, synthea
from tests.integration.fhir.api import BASE, Api, token
from tests.integration.fhir.bundles import URN, bundle, entry, order_of, statuses

pytestmark = pytest.mark.django_db


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


def test_a_transaction_that_fails_changes_nothing_and_names_the_entry(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body
    messages = InboundMessage.objects.count()

    answer = api.post(
        "",
        bundle(
            entry("PUT", f"Patient/{known['id']}", {**known, "birthDate": "1962"}),
            entry("POST", "Patient", resources.patient("2"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{URN}1", status="draft"), f"{URN}2"),
        ),
    )

    assert answer.status == 422
    assert answer.issue["diagnostics"].startswith(f"entry 2 ({URN}2): ")
    assert answer.issue["expression"] == ["Bundle.entry[2].resource.ofType(ServiceRequest).status"]
    assert Patient.objects.get().birth_date == "1961-11-08"
    assert Order.objects.count() == 0
    stored = InboundMessage.objects.order_by("-id")[0]
    assert (InboundMessage.objects.count(), stored.state) == (messages + 1, "REJECTED")


def test_what_is_wrong_with_any_entry_is_told_at_once(api: Api) -> None:
    wrong_code = order_of(f"{URN}9")
    wrong_code["priority"] = "soon"
    answer = api.post(
        "",
        bundle(
            entry("POST", "Patient", {**resources.patient(), "birthDate": "yesterday"}),
            entry("POST", "ServiceRequest", wrong_code, f"{URN}2"),
            entry("FETCH", "Patient"),
            entry("PUT", "Patient/7", resources.patient(id="8")),
            entry("POST", "https://other.example/fhir/Patient", resources.patient()),
            entry("POST", "Medication", {"resourceType": "Medication"}),
            entry("POST", "Patient"),
            {"resource": resources.patient()},
            entry("PATCH", "Patient/7", {"resourceType": "Binary", "contentType": "text/plain"}),
            entry("POST", "Patient", resources.patient(), f"{URN}2"),
        ),
    )

    assert answer.status == 400
    told = {issue["expression"][0] for issue in answer.body["issue"]}
    assert told == {
        "Bundle.entry[0].resource.ofType(Patient).birthDate",
        "Bundle.entry[1].resource.ofType(ServiceRequest).priority",
        "Bundle.entry[2].request.method",
        "Bundle.entry[3].resource.ofType(Patient).id",
        "Bundle.entry[4].request.url",
        "Bundle.entry[5].request.url",
        "Bundle.entry[6].resource",
        "Bundle.entry[7].request",
        "Bundle.entry[8]",
        "Bundle.entry[9].fullUrl",
    }
    assert Patient.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status", "expression"),
    [
        ({"resourceType": "Bundle", "type": "collection"}, 422, ["Bundle.type"]),
        ({"resourceType": "Bundle"}, 400, ["Bundle.type"]),
        ({"resourceType": "Bundle", "type": "batch", "entry": []}, 400, ["Bundle.entry"]),
        ({"resourceType": "Bundle", "type": "batch", "entries": []}, 400, ["Bundle.entries"]),
        ({"resourceType": "Patient"}, 400, None),
        ([], 400, None),
    ],
)
def test_what_is_no_bundle_of_requests_is_refused(api: Api, body, status, expression) -> None:
    answer = api.post("", body)

    assert (answer.status, answer.issue.get("expression")) == (status, expression)
    assert InboundMessage.objects.get().state == "REJECTED"


def test_a_bundle_has_a_greatest_size(api: Api, settings: Any) -> None:
    limits = settings.CONFIG.fhir
    assert (limits.bundle_bytes, limits.bundle_entries) == (50 * 1024 * 1024, 5_000)
    settings.CONFIG = settings.CONFIG.model_copy(
        update={"fhir": limits.model_copy(update={"bundle_bytes": 5_000, "bundle_entries": 3})}
    )
    get = entry("GET", "Patient")

    many = api.post("", bundle(*[get] * 4, kind="batch"))
    long = api.post("", bundle(entry("GET", f"Patient?name={'x' * 6000}"), kind="batch"))
    enough = api.post("", bundle(*[get] * 3, kind="batch"))

    assert (many.status, many.issue["code"], many.issue["expression"]) == (
        413, "too-costly", ["Bundle.entry"],
    )  # fmt: skip
    assert (long.status, long.issue["code"]) == (413, "too-long")
    assert enough.status == 200


# --- batches


def test_the_entries_of_a_batch_stand_for_themselves(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body
    reader = Api(token("system/Patient.crs", client="Portal"))

    answer = reader.post(
        "/",
        bundle(
            entry("POST", "Patient", resources.patient("2")),
            entry("POST", "Patient", resources.patient("2")),
            entry("GET", f"Patient/{known['id']}"),
            entry("GET", "Patient?_count=1&identifier=2"),
            entry("POST", "Patient", {"resourceType": "Patient", "gender": "M"}),
            entry("GET", "Patient/7"),
            entry("PUT", f"Patient/{known['id']}", known),
            entry("GET", "ServiceRequest"),
            entry("POST", "Task", {"resourceType": "Task", "status": "draft", "intent": "order"}),
            entry("GET", f"Patient/{known['id']}", ifNoneMatch='W/"1"'),
            entry("FETCH", "Patient"),
            kind="batch",
        ),
    )

    assert (answer.status, answer.body["type"]) == (200, "batch-response")
    assert statuses(answer) == [
        "201 Created",
        "409 Conflict",
        "200 OK",
        "200 OK",
        "422 Unprocessable Entity",
        "404 Not Found",
        "403 Forbidden",
        "403 Forbidden",
        "403 Forbidden",
        "304 Not Modified",
        "400 Bad Request",
    ]
    outcomes = [each["response"].get("outcome") for each in answer.body["entry"]]
    assert [index for index, each in enumerate(outcomes) if each] == [1, 4, 5, 6, 7, 8, 10]
    assert outcomes[1]["issue"][0]["diagnostics"].startswith("entry 1: ")
    assert Patient.objects.count() == 2
    message = InboundMessage.objects.order_by("-id")[0]
    assert (message.message_type, message.state) == ("POST batch", "APPLIED")


def test_entries_of_a_batch_do_not_refer_to_each_other(api: Api) -> None:
    """There is no order they are done in, and each may fail alone (FHIR R4 3.1.0.11.1)."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"{URN}1"},
        "extension": [{"url": "urn:x", "valueUri": f"{URN}2"}],
    }
    answer = api.post(
        "",
        bundle(
            entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{URN}1", "4711"), f"{URN}2"),
            entry("POST", "Observation", observation, f"{URN}3"),
            entry("POST", "Observation", {**observation, "subject": {"reference": f"{URN}9"}}),
            kind="batch",
        ),
    )

    assert statuses(answer) == [
        "201 Created", "400 Bad Request", "400 Bad Request", "201 Created",
    ]  # fmt: skip
    issue = answer.body["entry"][2]["response"]["outcome"]["issue"][0]
    assert issue["expression"] == ["Bundle.entry[2].resource.ofType(Observation).subject.reference"]
    assert issue["diagnostics"] == (
        f"entry 2 ({URN}3): the entries of a batch do not refer to each other, as this one does to "
        "entry 0: send a transaction"
    )
    assert (Order.objects.count(), len(api.get("/Observation").ids)) == (0, 1)


@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, return=minimal"])
def test_who_would_rather_be_answered_later_is_answered_now(api: Api, prefer: str) -> None:
    """A preference that a server does not know is left out (RFC 7240 2)."""
    body = bundle(entry("POST", "Patient", resources.patient("1")), kind="transaction")

    answer = api.post("", body, Prefer=prefer)
    found = api.get("/Patient?identifier=1", Prefer=prefer)

    assert (answer.status, statuses(answer)) == (200, ["201 Created"])
    assert "Content-Location" not in answer.headers
    assert (found.status, len(found.ids)) == (200, 1)


def test_a_batch_that_only_reads_is_no_message(api: Api) -> None:
    answer = api.post("", bundle(entry("GET", "Patient"), entry("GET", "metadata"), kind="batch"))

    assert statuses(answer) == ["200 OK", "200 OK"]
    assert answer.body["entry"][1]["resource"]["resourceType"] == "CapabilityStatement"
    assert InboundMessage.objects.count() == 0


# --- who may, what comes again, how much, and in which format


def test_a_transaction_needs_the_scope_of_every_entry() -> None:
    api = Api(token("system/Patient.c"))

    answer = api.post(
        "",
        bundle(
            entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{URN}1")),
        ),
    )

    assert (answer.status, answer.issue["code"]) == (403, "forbidden")
    assert answer.issue["expression"] == ["Bundle.entry[1]"]
    assert Patient.objects.count() == 0


def test_a_stored_transaction_is_applied_again(api: Api) -> None:
    search = f"Patient?identifier={resources.MRN}|late"
    body = bundle(
        entry("POST", "ServiceRequest", order_of(search, "4711"), f"{URN}1"),
        entry("GET", "ServiceRequest?identifier=4711"),
    )
    refused = api.post("", body)
    api.post("/Patient", resources.patient("late"))
    message = InboundMessage.objects.order_by("id")[0]

    execute(ReplayMessage(message=str(message.public_id), reason="known now"), actor=people.admin)

    message.refresh_from_db()
    assert refused.status == 412
    assert (message.state, message.outcome) == ("APPLIED", "200")
    assert Order.objects.get().placer_order_number == "4711"


def test_the_same_bundle_with_its_key_is_applied_once(api: Api) -> None:
    body = bundle(entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}}))  # fmt: skip

    first = api.post("", body, Idempotency_Key="b-1")
    again = api.post("", body, Idempotency_Key="b-1")

    assert first.body == again.body
    assert len(api.get("/Observation").ids) == 1


def test_years_of_care_come_as_one_transaction(api: Api) -> None:
    execute(
        RegisterPractitioner(
            name=PersonName(NameGroup("Holm", "Nils")), identifier=Identifier("7", synthea.STAFF)
        ),
        actor=people.admin,
    )
    body = synthea.transaction(30)
    assert len(body["entry"]) == 302

    with CaptureQueriesContext(connection) as first:
        answer = api.post("", body)
    with CaptureQueriesContext(connection) as second:
        again = api.post("", body)

    assert answer.status == 200, answer.body
    assert set(statuses(answer)) == {"201 Created"}
    assert set(statuses(again)) == {"200 OK"}
    assert [e["fullUrl"] for e in answer.body["entry"]] == [
        e["fullUrl"] for e in again.body["entry"]
    ]
    kinds = Counter(each["fullUrl"].split("/")[-2] for each in answer.body["entry"])
    assert (kinds["ServiceRequest"], kinds["Observation"], kinds["Patient"]) == (30, 120, 1)
    order = api.get("/ServiceRequest?_count=1").resources[0]
    assert order["subject"]["reference"].startswith("Patient/")
    assert order["requester"]["reference"].startswith("Practitioner/")
    assert order["reasonReference"][0]["reference"].startswith("Condition/")
    assert order["encounter"]["reference"].startswith("Encounter/")
    observation = api.get("/Observation?_count=1").resources[0]
    assert observation["performer"][0]["reference"].startswith("Practitioner/")
    # What is looked up does not grow with the entries, what is written does.
    assert len(first) / 302 < 14
    assert len(second) < 250


def test_a_transaction_and_a_patch_may_be_xml(api: Api) -> None:
    body = bundle(
        entry("POST", "ServiceRequest", order_of(f"{URN}1", "4711"), f"{URN}2"),
        entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
        entry("GET", "Patient?identifier=1"),
    )

    answer = api.client.post(
        "/fhir",
        xml.write(body),
        content_type="application/fhir+xml",
        headers={"Authorization": f"Bearer {api.token}", "Accept": "application/fhir+xml"},
    )

    assert (answer.status_code, answer["Content-Type"]) == (
        200, "application/fhir+xml; charset=utf-8",
    )  # fmt: skip
    found = xml.read(answer.content)
    assert [each["response"]["status"] for each in found["entry"]] == [
        "201 Created", "201 Created", "200 OK",
    ]  # fmt: skip
    (patient,) = found["entry"][2]["resource"]["entry"]
    parts = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": "Patient.birthDate"},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    patched = api.request(
        "PATCH",
        f"/Patient/{patient['resource']['id']}",
        xml.write(patch),
        Content_Type="application/fhir+xml",
    )
    assert (patched.status, "birthDate" in patched.body) == (200, False)
    assert Order.objects.get().placer_order_number == "4711"
