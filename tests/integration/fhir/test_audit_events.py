"""AuditEvent and Provenance: who read and who changed what (FHIR R4 6.4, 6.3; IHE BALP)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from ris.models import AuditEvent, DomainEvent
from ris.services import refused_calls
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, found, token

pytestmark = pytest.mark.django_db

AUDITOR = "system/AuditEvent.rs"


def test_a_read_becomes_an_event_of_a_restful_call(api: Api) -> None:
    order = make.order()
    api.get(f"/ServiceRequest/{order.public_id}")

    (event,) = api.get("/AuditEvent?subtype=read").resources

    assert event["type"] == {
        "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
        "code": "rest",
        "display": "RESTful Operation",
    }
    assert event["subtype"] == [
        {"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}
    ]
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["agent"][0]["who"] == {
        "identifier": {"system": "urn:ris:actor:client", "value": "EHR"},
        "display": "EHR",
    }
    assert event["agent"][0]["network"] == {"address": "127.0.0.1", "type": "2"}
    named = [each["what"]["reference"] for each in event["entity"] if "what" in each]
    assert named == [
        f"Patient/{order.patient.public_id}", f"ServiceRequest/{order.public_id}",
    ]  # fmt: skip


def test_a_search_keeps_its_query_and_every_patient(api: Api) -> None:
    orders = [make.order(), make.order()]
    api.get("/ServiceRequest?status=active")

    (event,) = api.get("/AuditEvent?subtype=search&entity=" + str(orders[0].patient.public_id)).of(
        "match"
    )

    query = next(each["query"] for each in event["entity"] if "query" in each)
    assert base64.b64decode(query) == b"ServiceRequest?status=active"
    shown = {e["what"]["reference"] for e in event["entity"] if "what" in e}
    assert {f"Patient/{order.patient.public_id}" for order in orders} <= shown
    assert event["action"] == "E"


def test_a_search_by_form_and_one_in_a_compartment_keep_what_was_asked(api: Api) -> None:
    patient = make.order().patient.public_id
    form = b"status=active&patient=1"
    api.request(
        "POST", "/ServiceRequest/_search", form, Content_Type="application/x-www-form-urlencoded"
    )
    api.get(f"/Patient/{patient}/ServiceRequest?status=active")

    rows = AuditEvent.objects.filter(action="FHIR search ServiceRequest").order_by("id")

    assert [(row.subject, row.detail["query"]) for row in rows] == [
        ("", "status=active&patient=1"), (f"Patient/{patient}", "status=active"),
    ]  # fmt: skip


def test_each_parameter_finds_its_events(api: Api) -> None:
    order = make.order()
    patient, other = order.patient, make.order().patient
    api.get(f"/Patient/{patient.public_id}")
    api.get(f"/Patient/{other.public_id}")
    api.post("/Patient", resources.patient("7"))
    Api(token("system/Task.rs", client="Other")).get("/Patient")
    reads = found(api, "AuditEvent", subtype="read", outcome="0")

    assert len(reads) == 2
    assert found(api, "AuditEvent", patient=str(patient.public_id), subtype="read") == reads[1:]
    assert found(api, "AuditEvent", entity=f"Patient/{other.public_id}", action="R") == reads[:1]
    assert len(found(api, "AuditEvent", outcome="4")) == 1
    assert len(found(api, "AuditEvent", agent___name="Other")) == 1
    assert len(found(api, "AuditEvent", action="C", agent___name="EHR", type="rest")) == 1
    assert found(api, "AuditEvent", type="110114") == []
    assert found(api, "AuditEvent", outcome="12") == []
    assert set(reads) < set(found(api, "AuditEvent", address="127.0.0.1", type="rest"))
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert found(api, "AuditEvent", date=f"gt{later}") == []
    assert set(reads) <= set(found(api, "AuditEvent", date=f"lt{later}"))
    assert found(api, "AuditEvent", _id=reads[0]) == reads[:1]
    assert found(api, "AuditEvent", agent=f"Device/{patient.public_id}") == []


def test_every_action_in_the_audit_has_a_code(api: Api) -> None:
    from integration.fhir.from_domain.auditevent import CODES
    from ris.selectors.search.journal import ACTIVITIES, BY_CLIENT, OTHER, activity_of

    assert CODES.keys() == {*ACTIVITIES, OTHER, *BY_CLIENT}
    assert {activity: activity_of(action) for activity, action in {
        "token": "GrantToken", "read": "FHIR read Patient", "vread": "FHIR vread Patient",
        "search": "FHIR search Task", "operation": "FHIR $match", "update": "FHIR PUT Patient",
        "create": "FHIR conditional create Patient", "new": "PlaceOrder",
        "removal": "RemoveClosure",
        "view": "ViewPatientRecord", "query": "QueryWorklist", "refused": "RefuseAssociation",
        "change": "ReviseOrder", "transaction": "FHIR batch",
    }.items()} == {name: name for name in (
        "token", "read", "vread", "search", "operation", "update", "create", "new", "removal",
        "view", "query", "refused", "change", "transaction",
    )}  # fmt: skip


def test_what_is_shown_is_what_is_found(api: Api) -> None:
    """Each event is found by the codes it shows."""
    make.order()
    api.get("/Patient")
    api.post("/Patient", resources.patient("8"))
    Api().get("/Patient")
    events = api.get("/AuditEvent?_count=100").of("match")
    assert len(events) > 4

    for event in events:
        subtype = event.get("subtype", [{}])[0].get("code")
        asked = {"type": event["type"]["code"], "action": event["action"]}
        asked["outcome"] = event["outcome"]
        if subtype:
            asked["subtype"] = subtype
        assert found(api, "AuditEvent", _id=event["id"], **asked) == [event["id"]], event


@pytest.mark.parametrize("sort", ["", "_sort=date&", "_sort=-date&", "_sort=_id&", "_sort=-_id&"])
def test_pages_of_events_hold_each_once(api: Api, sort: str) -> None:
    for number in range(5):
        make.order()
        AuditEvent.objects.create(
            at=datetime(2026, 1, 1 + number // 2, tzinfo=UTC),
            actor_kind="user", actor_name="x", action="ViewPatient",
        )  # fmt: skip

    seen: list[str] = []
    address: str | None = f"/AuditEvent?{sort}agent-name=x&_count=2"
    for _ in range(4):
        if address is None:
            break
        answer = api.get(address)
        seen += answer.ids
        address = answer.link("next")

    assert address is None
    assert len(seen) == len(set(seen)) == 5
    shown = [api.get(f"/AuditEvent/{each}").body["recorded"] for each in (seen[0], seen[-1])]
    assert shown == sorted(shown, reverse=sort in {"", "_sort=-date&", "_sort=-_id&"})


def test_only_who_has_the_scope_reads_the_audit() -> None:
    make.order()
    others = Api(token("system/Patient.cruds", "system/Task.cruds"))
    auditor = Api(token(AUDITOR))

    assert others.get("/AuditEvent").status == 403
    assert others.get("/Provenance").status == 403
    assert auditor.get("/AuditEvent").status == 200
    assert auditor.post("/AuditEvent", {"resourceType": "AuditEvent"}).status == 403
    everything = Api(token())
    assert everything.post("/AuditEvent", {"resourceType": "AuditEvent"}).status == 405


@pytest.mark.parametrize(
    "key", ["1", "00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"]
)
def test_what_is_no_event_is_not_found(api: Api, key: str) -> None:
    assert api.get(f"/AuditEvent/{key}").status == 404


# --- refused calls


def test_a_call_without_a_token_is_recorded_with_its_address() -> None:
    Api().get("/Patient")
    Api("wrong").get("/ServiceRequest/1")

    rows = AuditEvent.objects.order_by("id").values_list(
        "action", "outcome", "actor_name", "address", "detail__status"
    )

    assert list(rows) == [
        ("FHIR GET Patient", "refused", "", "127.0.0.1", 401),
        ("FHIR GET ServiceRequest", "refused", "", "127.0.0.1", 401),
    ]


def test_many_refused_calls_are_counted_and_not_kept_one_by_one() -> None:
    stranger = Client()
    for _ in range(refused_calls.ROWS_PER_ADDRESS + 15):
        assert stranger.get("/fhir/Patient").status_code == 401
    assert stranger.get("/fhir/Patient", REMOTE_ADDR="192.0.2.7").status_code == 401

    refused_calls.write_counts(now=True)

    rows = AuditEvent.objects.filter(outcome="refused")
    assert rows.filter(address="127.0.0.1", action="FHIR GET Patient").count() == 10
    assert rows.filter(address="192.0.2.7").count() == 1
    assert rows.get(action="more refused calls").detail["count"] == 15


# --- Provenance


def provenances(api: Api, **asked: Any) -> list[dict[str, Any]]:
    ids = found(api, "Provenance", **asked)
    return [api.get(f"/Provenance/{each}").body for each in ids]


def test_a_change_names_its_target_its_author_and_its_message(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("9")).body
    order = api.post(
        "/ServiceRequest", resources.service_request(contained=None, subject=_of(patient))
    ).body

    (placed,) = [
        each for each in provenances(api, target=f"ServiceRequest/{order['id']}")
        if each["activity"]["text"] == "OrderPlaced"
    ]  # fmt: skip

    event = DomainEvent.objects.get(name="OrderPlaced")
    assert placed["target"] == [
        {"reference": f"ServiceRequest/{order['id']}"}, {"reference": f"Patient/{patient['id']}"},
    ]  # fmt: skip
    assert placed["activity"]["coding"][0]["code"] == "CREATE"
    assert placed["agent"][0]["who"]["display"] == "EHR"
    assert event.message is not None
    assert placed["entity"] == [
        {
            "role": "source",
            "what": {
                "identifier": {
                    "system": "urn:ietf:rfc:3986",
                    "value": f"urn:uuid:{event.message.public_id}",
                },
                "display": "POST ServiceRequest",
            },
        }
    ]


def test_provenance_of_what_a_client_sent_is_found_by_its_target(api: Api) -> None:
    sent = {"resourceType": "Observation", "status": "final", "code": {"text": "pain"}}
    reference = f"Observation/{api.post('/Observation', sent).body['id']}"

    (change,) = api.get(f"/Provenance?target={reference}").resources
    beside = api.get("/Observation?_revinclude=Provenance:target").of("include")
    included = api.get(f"/Provenance?_id={change['id']}&_include=Provenance:target").of("include")

    assert change["target"] == [{"reference": reference}]
    assert [each["id"] for each in beside] == [change["id"]]
    assert [f"Observation/{each['id']}" for each in included] == [reference]


def test_provenance_is_found_by_patient_and_time_and_beside_its_target(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("9")).body
    other = api.post("/Patient", resources.patient("10")).body
    order = api.post(
        "/ServiceRequest", resources.service_request(contained=None, subject=_of(patient))
    ).body

    of_patient = found(api, "Provenance", patient=patient["id"])
    beside = api.get(f"/ServiceRequest?_id={order['id']}&_revinclude=Provenance:target")

    assert len(of_patient) >= 2
    assert len(found(api, "Provenance", patient=other["id"])) == 1
    assert found(api, "Provenance", recorded="lt2020-01-01") == []
    assert set(of_patient) <= set(found(api, "Provenance", recorded="gt2020-01-01"))
    included = [each for each in beside.of("include") if each["resourceType"] == "Provenance"]
    assert included
    assert all(
        {"reference": f"ServiceRequest/{order['id']}"} in each["target"] for each in included
    )


def _of(patient: dict[str, Any]) -> dict[str, str]:
    return {"reference": f"Patient/{patient['id']}"}
