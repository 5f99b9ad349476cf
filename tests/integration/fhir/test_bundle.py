"""Transactions and batches: order, references between entries, faults (FHIR R4 3.1.0.11)."""

from __future__ import annotations

import base64
import json
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


def test_a_reference_to_an_entry_that_is_not_there_is_refused(api: Api) -> None:
    answer = api.post("", bundle(entry("POST", "ServiceRequest", order_of(f"{URN}9"), f"{URN}1")))

    assert (answer.status, answer.issue["code"]) == (400, "not-found")
    assert answer.issue["expression"] == [
        "Bundle.entry[0].resource.ofType(ServiceRequest).subject.reference"
    ]


def test_references_by_search_are_looked_up_in_the_transaction(api: Api) -> None:
    search = f"Patient?identifier={resources.MRN}|"
    api.post("/Patient", resources.patient("twin", name=[{"family": "Both"}]))
    api.post("/Patient", resources.patient("twin2", name=[{"family": "Both"}]))
    refused = {}
    for what in (f"{search}nobody", "Patient?family=Both", "Patient?colour=red"):
        answer = api.post("", bundle(entry("POST", "ServiceRequest", order_of(what), f"{URN}1")))
        refused[what] = (answer.status, answer.issue["code"], answer.issue["expression"])

    place = ["Bundle.entry[0].resource.ofType(ServiceRequest).subject.reference"]
    assert list(refused.values()) == [
        (412, "not-found", place),
        (412, "multiple-matches", place),
        (400, "not-supported", place),
    ]

    answer = api.post(
        "",
        bundle(
            entry("POST", "ServiceRequest", order_of(f"{search}new", "1"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{search}twin2", "2"), f"{URN}2"),
            entry("POST", "Patient", resources.patient("new"), f"{URN}3"),
        ),
    )

    assert statuses(answer) == ["201 Created"] * 3, answer.body
    assert [order.patient.identifiers.get().value for order in Order.objects.order_by("id")] == [
        "new",
        "twin2",
    ]


def test_a_number_somebody_had_once_names_who_has_it_now(api: Api) -> None:
    search = f"Patient?identifier={resources.MRN}|"
    once = {"use": "old", "system": resources.MRN, "value": "again"}

    def with_old(number: str) -> dict[str, Any]:
        found = resources.patient(number)
        return {**found, "identifier": [*found["identifier"], once]}

    api.post("/Patient", with_old("first"))
    refused = api.post(
        "",
        bundle(
            entry("POST", "ServiceRequest", order_of(f"{search}first", "1"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{search}again", "2"), f"{URN}2"),
        ),
    )
    api.post("/Patient", resources.patient("again"))
    done = api.post(
        "",
        bundle(
            entry("POST", "ServiceRequest", order_of(f"{search}first", "1"), f"{URN}1"),
            entry("POST", "ServiceRequest", order_of(f"{search}again", "2"), f"{URN}2"),
            entry("POST", "Patient", with_old("second"), f"{URN}3"),
        ),
    )

    assert (refused.status, refused.issue["code"]) == (412, "not-found"), refused.body
    assert statuses(done) == ["201 Created"] * 3, done.body
    assert [order.patient.identifiers.get().value for order in Order.objects.order_by("id")] == [
        "first",
        "again",
    ]


def test_entries_that_ask_for_the_same_come_to_one_resource(api: Api) -> None:
    first = f"identifier={resources.MRN}|1"
    order = order_of(f"{URN}1", "4711")
    answer = api.post(
        "",
        bundle(
            entry("POST", "Patient", resources.patient("1"), f"{URN}1", ifNoneExist=first),
            entry("POST", "Patient", resources.patient("1"), f"{URN}2", ifNoneExist=f"?{first}"),
            entry("POST", "Patient", resources.patient("1"), ifNoneExist=f"Patient?{first}"),
            entry("POST", "ServiceRequest", order, f"{URN}3"),
            entry("POST", "ServiceRequest", {**order, "subject": {"reference": f"{URN}2"}}),
        ),
    )

    assert statuses(answer) == ["201 Created", "200 OK", "200 OK", "201 Created", "200 OK"]
    assert len({each["fullUrl"] for each in answer.body["entry"]}) == 2
    assert (Patient.objects.count(), Order.objects.count()) == (1, 1)


def test_entries_change_by_condition_and_by_version(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))
    one, two = f"Patient?identifier={resources.MRN}|1", f"Patient?identifier={resources.MRN}|2"
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "pulse"}}
    gone = api.post("/Observation", {**observation, "identifier": [{"value": "gone"}]}).body
    patch = [{"op": "replace", "path": "/gender", "value": "other"}]
    data = base64.b64encode(json.dumps(patch).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}

    answer = api.post(
        "",
        bundle(
            entry("PUT", one, resources.patient("1", birthDate="1962"), ifMatch='W/"1"'),
            entry("PUT", two, resources.patient("2"), f"{URN}2"),
            entry("DELETE", "Observation?identifier=gone"),
            entry("DELETE", "Observation?identifier=never"),
            entry("POST", "Observation", {**observation, "subject": {"reference": f"{URN}2"}}),
            entry("GET", f"Observation/{gone['id']}/_history/1", ifNoneMatch='W/"1"'),
        ),
    )
    patched = api.post(
        "", bundle(entry("PATCH", one, binary, ifMatch='W/"2"')), Prefer="return=representation"
    )
    stale = api.post("", bundle(entry("PATCH", one, binary, ifMatch='W/"2"')))

    assert statuses(answer)[:5] == [
        "200 OK", "201 Created", "204 No Content", "204 No Content", "201 Created",
    ], answer.body  # fmt: skip
    assert api.get(f"/Observation/{gone['id']}").status == 410
    assert (
        api.get("/Observation").resources[0]["subject"]["reference"]
        in answer.body["entry"][1]["fullUrl"]
    )
    assert patched.body["entry"][0]["resource"]["gender"] == "other"
    assert patched.body["entry"][0]["resource"]["birthDate"] == "1962"
    assert (stale.status, stale.issue["expression"]) == (412, ["Bundle.entry[0]"])


def test_a_patch_by_paths_may_refer_to_another_entry(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body["id"]
    subject = {"reference": f"Patient/{known}"}
    condition = {"resourceType": "Condition", "subject": subject}
    kept = api.post("/Condition", condition).body["id"]
    asserter = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "Condition"},
                    {"name": "name", "valueString": "asserter"},
                    {"name": "value", "valueReference": {"reference": f"{URN}1"}},
                ],
            }
        ],
    }

    answer = api.post(
        "",
        bundle(
            entry("PATCH", f"Condition/{kept}", asserter),
            entry("POST", "Patient", resources.patient("2"), f"{URN}1"),
        ),
    )

    assert answer.status == 200, answer.body
    made = answer.body["entry"][1]["response"]["location"].split("/fhir/")[1].split("/_h")[0]
    assert api.get(f"/Condition/{kept}").body["asserter"] == {"reference": made}


def test_a_resource_is_changed_once_by_a_transaction(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body
    address = f"Patient/{known['id']}"

    answer = api.post(
        "",
        bundle(
            entry("PUT", address, {**known, "birthDate": "1962"}),
            entry("PUT", f"Patient?identifier={resources.MRN}|1", resources.patient("1")),
        ),
    )

    assert (answer.status, answer.issue["code"]) == (400, "invalid")
    assert "changed by entry 0 as well" in answer.issue["diagnostics"]
    assert api.get(f"/{address}").body["birthDate"] == "1961-11-08"


def test_entries_that_refer_to_each_other_are_written(api: Api) -> None:
    """Observation and Specimen each name the other; an attachment names a Binary of the bundle."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "specimen": {"reference": f"{URN}2"},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"{URN}1"}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{URN}1</div>',
        },
    }
    specimen = {
        "resourceType": "Specimen",
        "extension": [{"url": "urn:x", "valueUri": f"{URN}1"}],
        "parent": [{"reference": f"{URN}2"}],
        "collection": {"extension": [{"url": "urn:y", "valueReference": {"reference": f"{URN}1"}}]},
    }
    attachment = {"contentType": "text/plain", "url": f"{URN}3"}
    media = {"resourceType": "Media", "status": "completed", "content": attachment}
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "SGFsbG8="}

    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", observation, f"{URN}1"),
            entry("POST", "Specimen", specimen, f"{URN}2"),
            entry("POST", "Media", media, f"{URN}4"),
            entry("POST", "Binary", binary, f"{URN}3"),
        ),
        Prefer="return=representation",
    )

    assert statuses(answer) == ["201 Created"] * 4, answer.body
    written, other, picture, raw = [each["resource"] for each in answer.body["entry"]]
    assert written["specimen"]["reference"] == f"Specimen/{other['id']}"
    assert written["identifier"][0]["value"] == f"{URN}1"
    assert f"{URN}1" in written["text"]["div"]
    assert other["extension"][0]["valueUri"] == f"Observation/{written['id']}"
    assert other["parent"][0]["reference"] == f"Specimen/{other['id']}"
    assert picture["content"]["url"] == f"Binary/{raw['id']}"


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


def test_a_batch_that_only_reads_is_no_message(api: Api) -> None:
    answer = api.post("", bundle(entry("GET", "Patient"), entry("GET", "metadata"), kind="batch"))

    assert statuses(answer) == ["200 OK", "200 OK"]
    assert answer.body["entry"][1]["resource"]["resourceType"] == "CapabilityStatement"
    assert InboundMessage.objects.count() == 0


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
    assert answer.issue["expression"] == ["Bundle.entry[1]"] or answer.issue["expression"]
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
