"""Entries that refer to each other, are looked up, or change the same (FHIR R4 3.1.0.11.2)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ris.models import Document, Order, Patient
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api
from tests.integration.fhir.bundles import URN, bundle, entry, order_of, statuses

pytestmark = pytest.mark.django_db


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


def letter(order: str, **elements: Any) -> dict[str, Any]:
    """A referral letter that is about an order."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "SGFsbG8="}}],
        "context": {"related": [{"reference": order}]},
        **elements,
    }


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("asked", [{}, {"ifNoneExist": "identifier=urn:letters|1"}])
def test_an_order_and_its_letter_may_name_each_other(
    api: Api, places: tuple[int, ...], asked: dict[str, str]
) -> None:
    own = letter(f"{URN}2", identifier=[{"system": "urn:letters", "value": "1"}])
    order = order_of(f"{URN}1", "4711", supportingInfo=[{"reference": f"{URN}3"}])
    entries = (
        entry("POST", "ServiceRequest", order, f"{URN}2"),
        entry("POST", "DocumentReference", own, f"{URN}3", **asked),
        entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
    )

    answer = api.post(
        "", bundle(*(entries[place] for place in places)), Prefer="return=representation"
    )

    assert statuses(answer) == ["201 Created"] * 3, answer.body
    shown = {each["resource"]["resourceType"]: each["resource"] for each in answer.body["entry"]}
    request, document = shown["ServiceRequest"], shown["DocumentReference"]
    assert request["supportingInfo"] == [{"reference": f"DocumentReference/{document['id']}"}]
    assert document["context"]["related"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    assert request["meta"]["versionId"] == document["meta"]["versionId"] == "1"
    assert api.get(f"/ServiceRequest/{request['id']}").body == request
    assert str(Document.objects.get().order.public_id) == request["id"]


def test_an_order_changed_by_condition_may_name_a_letter_that_names_it(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body["id"]
    order = order_of(f"Patient/{patient}", "4711")
    known = api.post("/ServiceRequest", order).body
    number = known["identifier"][0]
    search = f"ServiceRequest?identifier={number['system']}|{number['value']}"
    changed = {**order, "supportingInfo": [{"reference": f"{URN}3"}]}

    answer = api.post(
        "",
        bundle(
            entry("PUT", search, changed, f"{URN}2"),
            entry("POST", "DocumentReference", letter(f"{URN}2"), f"{URN}3"),
        ),
        Prefer="return=representation",
    )

    assert statuses(answer) == ["200 OK", "201 Created"], answer.body
    request, document = (each["resource"] for each in answer.body["entry"])
    assert (request["id"], request["meta"]["versionId"]) == (known["id"], "2")
    assert request["supportingInfo"] == [{"reference": f"DocumentReference/{document['id']}"}]
    assert document["context"]["related"] == [{"reference": f"ServiceRequest/{known['id']}"}]


def test_a_visit_and_its_order_may_name_each_other(api: Api) -> None:
    """Encounter.basedOn is the order that the visit is for; of itself the core keeps no such."""
    visit = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"code": "AMB"},
        "identifier": [{"system": "urn:visits", "value": "V1"}],
        "subject": {"reference": f"{URN}1"},
        "basedOn": [{"reference": f"{URN}2"}],
    }
    order = order_of(f"{URN}1", "4711", encounter={"reference": f"{URN}3"})
    answer = api.post(
        "",
        bundle(
            entry("POST", "Encounter", visit, f"{URN}3"),
            entry("POST", "ServiceRequest", order, f"{URN}2"),
            entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
        ),
        Prefer="return=representation",
    )

    assert statuses(answer) == ["201 Created"] * 3, answer.body
    encounter, request = (each["resource"] for each in answer.body["entry"][:2])
    assert encounter["basedOn"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    assert request["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert Order.objects.get().visit.number == "V1"


def test_two_that_are_made_once_may_name_each_other(api: Api) -> None:
    def observation(number: int, other: int) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "identifier": [{"system": "urn:x", "value": str(number)}],
            "hasMember": [{"reference": f"{URN}{other}"}],
        }

    body = bundle(
        *(
            entry("POST", "Observation", observation(one, other), f"{URN}{one}",
                  ifNoneExist=f"identifier=urn:x|{one}")
            for one, other in ((1, 2), (2, 1))
        )
    )  # fmt: skip
    first, again = api.post("", body), api.post("", body)

    assert statuses(first) == ["201 Created"] * 2, first.body
    assert statuses(again) == ["200 OK"] * 2, again.body
    ids = [each["fullUrl"].split("/")[-1] for each in first.body["entry"]]
    assert [each["fullUrl"].split("/")[-1] for each in again.body["entry"]] == ids
    for own, other in (ids, ids[::-1]):
        kept = api.get(f"/Observation/{own}").body
        assert kept["hasMember"] == [{"reference": f"Observation/{other}"}]


def test_what_a_circle_promised_to_another_is_refused_as_a_whole(api: Api) -> None:
    """The second of two with one number comes to the first, so nobody can be told its own id."""
    member = {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
              "identifier": [{"system": "urn:x", "value": "1"}]}  # fmt: skip
    search = "identifier=urn:x|1"
    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", {**member, "hasMember": [{"reference": f"{URN}2"}]},
                  f"{URN}1", ifNoneExist=search),
            entry("POST", "Observation", {**member, "hasMember": [{"reference": f"{URN}1"}]},
                  f"{URN}2", ifNoneExist=search),
        ),
    )  # fmt: skip

    assert (answer.status, answer.issue["code"]) == (412, "conflict"), answer.body
    assert "refer to each other" in answer.issue["diagnostics"]
    assert api.get("/Observation").ids == []


def test_two_that_each_must_be_first_are_refused_and_leave_nothing(api: Api) -> None:
    """The order needs the institution that asks for it, which here says it was made for it."""
    sender = {
        "resourceType": "Organization",
        "name": "Clinic",
        "extension": [{"url": "urn:x", "valueReference": {"reference": f"{URN}2"}}],
    }
    order = order_of(f"{URN}1", "4711", requester={"reference": f"{URN}3"})
    answers = [
        api.post(
            "",
            bundle(
                *entries,
                entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
            ),
        )
        for entries in (
            (
                entry("POST", "Organization", sender, f"{URN}3"),
                entry("POST", "ServiceRequest", order, f"{URN}2"),
            ),
            (
                entry("POST", "ServiceRequest", order, f"{URN}2"),
                entry("POST", "Organization", sender, f"{URN}3"),
            ),
        )
    ]

    assert [(each.status, each.issue["code"]) for each in answers] == [(422, "processing")] * 2
    assert all("neither can be first" in each.issue["diagnostics"] for each in answers)
    assert (Order.objects.count(), Patient.objects.count()) == (0, 0)


def test_an_entry_may_name_itself(api: Api) -> None:
    order = order_of(f"{URN}1", "4711", supportingInfo=[{"reference": f"{URN}2"}])
    patient = entry("POST", "Patient", resources.patient("1"), f"{URN}1")
    together = api.post("", bundle(entry("POST", "ServiceRequest", order, f"{URN}2"), patient))
    known = api.get("/Patient").ids[0]
    other = order_of(f"Patient/{known}", "4712", supportingInfo=[{"reference": f"{URN}2"}])
    alone = api.post("", bundle(entry("POST", "ServiceRequest", other, f"{URN}2"), kind="batch"))

    assert statuses(together) == ["201 Created"] * 2, together.body
    assert statuses(alone) == ["201 Created"], alone.body
    for answer in (together, alone):
        address = "/ServiceRequest/" + answer.body["entry"][0]["fullUrl"].split("/")[-1]
        shown = api.get(address).body
        assert shown["supportingInfo"] == [{"reference": address.strip("/")}]
        assert shown["meta"]["versionId"] == "1"


def test_an_institution_that_is_there_already_may_say_it_needs_the_order(api: Api) -> None:
    """Its condition finds it, so the order can ask for it before the entry is done."""
    sender = {
        "resourceType": "Organization",
        "name": "Clinic",
        "identifier": [{"system": "urn:x", "value": "1"}],
    }
    known = api.post("/Organization", sender).body["id"]
    told = {**sender, "extension": [{"url": "urn:x", "valueReference": {"reference": f"{URN}2"}}]}
    order = order_of(f"{URN}1", "4711", requester={"reference": f"{URN}3"})

    answer = api.post(
        "",
        bundle(
            entry("POST", "Organization", told, f"{URN}3", ifNoneExist="identifier=urn:x|1"),
            entry("POST", "ServiceRequest", order, f"{URN}2"),
            entry("POST", "Patient", resources.patient("1"), f"{URN}1"),
        ),
    )

    assert statuses(answer) == ["200 OK", "201 Created", "201 Created"], answer.body
    assert answer.body["entry"][0]["fullUrl"].endswith(known)
    assert Order.objects.get().requesting_service == "Clinic"
