"""Types the core has no table for: kept, given back, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir.kept import DOCUMENTATION
from ris.domain.actors import OPERATOR
from ris.domain.patients import MergePatients, PatientReference, UnmergePatients
from ris.models import AuditEvent, DomainEvent, FhirResource, FhirVersion, Order, Patient
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, token

pytestmark = pytest.mark.django_db

# The least that R4 takes of each type, about Patient/{patient}.
LEAST: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                    "code": "active",
                }
            ]
        },
        "patient": {},
        "code": {"text": "iodinated contrast medium"},
    },
    "Binary": {"contentType": "text/plain", "data": "aGVsbG8="},
    "Condition": {"subject": {}},
    "Coverage": {"status": "active", "beneficiary": {}, "payor": [{"display": "Health fund"}]},
    "DocumentReference": {
        "status": "current",
        "subject": {},
        "content": [{"attachment": {"url": "https://archive.example/1.pdf"}}],
    },
    "HealthcareService": {"name": "Radiology"},
    "Media": {
        "status": "completed",
        "subject": {},
        "content": {"url": "https://archive.example/1.png"},
    },
    "Observation": {
        "status": "final",
        "subject": {},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "valueQuantity": {"value": 1, "unit": "mg/dL"},
    },
    "Organization": {"name": "Health fund"},
    "PractitionerRole": {"code": [{"text": "radiologist"}]},
    "RelatedPerson": {"patient": {}, "name": [{"family": "Lindqvist", "given": ["Bo"]}]},
    "Specimen": {"subject": {}, "type": {"text": "blood"}},
}


def least(kind: str, patient: str) -> dict[str, Any]:
    said = {
        name: {"reference": f"Patient/{patient}"} if value == {} else value
        for name, value in LEAST[kind].items()
    }
    return {"resourceType": kind, **said}


def said(resource: dict[str, Any]) -> dict[str, Any]:
    """What a client sent, without what the server says."""
    return {name: value for name, value in resource.items() if name not in {"id", "meta"}}


@pytest.fixture
def patient(api: Api) -> str:
    return str(api.post("/Patient", resources.patient("K1")).body["id"])


def test_every_kept_type_is_created_read_changed_and_deleted(api: Api, patient: str) -> None:
    assert LEAST.keys() == DOCUMENTATION.keys()
    for kind in LEAST:
        sent = least(kind, patient)

        created = api.post(f"/{kind}", sent)
        assert created.status == 201, created.body
        address = f"/{kind}/{created.body['id']}"
        read = api.get(address, Accept="application/fhir+json")
        changed = api.put(address, {**created.body, "language": "sv"}, If_Match='W/"1"')
        stale = api.put(address, {**created.body, "language": "de"}, If_Match='W/"1"')
        patched = api.patch(address, [{"op": "replace", "path": "/language", "value": "fi"}])
        deleted = api.request("DELETE", address)
        again = api.request("DELETE", address)
        gone = api.get(address)
        past = [api.get(f"{address}/_history/{version}") for version in (1, 2, 3, 4, 5)]

        assert (created.status, created.headers["ETag"]) == (201, 'W/"1"'), created.body
        assert created.headers["Location"] == f"{BASE}{address}/_history/1"
        assert said(created.body) == sent
        assert (read.status, read.body) == (200, created.body)
        assert (changed.status, changed.headers["ETag"]) == (200, 'W/"2"'), changed.body
        assert said(changed.body) == {**sent, "language": "sv"}
        assert stale.status == 412
        assert (patched.status, patched.body["language"]) == (200, "fi"), patched.body
        assert (deleted.status, again.status) == (204, 204), deleted.body
        assert (gone.status, gone.issue["code"]) == (410, "deleted")
        assert [each.status for each in past] == [200, 200, 200, 410, 404]
        assert [each.body.get("language") for each in past[:3]] == [None, "sv", "fi"]
        assert api.get(f"/{kind}?_id={created.body['id']}").resources == []
        assert api.put(address, created.body).status == 410
        row = FhirResource.objects.get(type=kind)
        has_patient = "Patient/" in str(sent)
        assert (str(row.patient.public_id) if row.patient else "") == (
            patient if has_patient else ""
        )


def test_a_change_that_says_nothing_new_makes_no_version(api: Api, patient: str) -> None:
    created = api.post("/Condition", least("Condition", patient)).body

    answer = api.put(f"/Condition/{created['id']}", created)

    assert (answer.status, answer.body) == (200, created)
    assert FhirVersion.objects.filter(type="Condition").count() == 1


def test_each_write_is_an_event_and_in_the_audit(api: Api, patient: str) -> None:
    created = api.post("/Condition", least("Condition", patient)).body
    api.put(f"/Condition/{created['id']}", {**created, "language": "sv"})
    api.request("DELETE", f"/Condition/{created['id']}")

    events = DomainEvent.objects.filter(subject_type="FhirResource").order_by("id")
    assert [(each.name, each.payload["revision"]) for each in events] == [
        ("ResourceKept", 1),
        ("ResourceChanged", 2),
        ("ResourceDeleted", 3),
    ]
    assert {str(each.patient.public_id) for each in events if each.patient} == {patient}
    audited = AuditEvent.objects.filter(action__in=["KeepResource", "DeleteResource"])
    assert [each.patients for each in audited] == [[patient], [patient]]


def test_a_reference_must_lead_somewhere(api: Api, patient: str) -> None:
    nobody = "00000000-0000-7000-8000-000000000001"
    sent = {
        **least("Observation", nobody),
        "performer": [{"reference": f"Practitioner/{nobody}"}],
        "device": {"reference": "https://elsewhere.example/fhir/Device/1"},
        "derivedFrom": [{"reference": f"{BASE}/Observation/none"}],
    }

    answer = api.post("/Observation", sent)

    assert answer.status == 422
    assert {each["expression"][0] for each in answer.body["issue"]} == {
        "Observation.subject.reference",
        "Observation.performer[0].reference",
        "Observation.derivedFrom[0].reference",
    }
    assert FhirResource.objects.count() == 0


def test_the_patient_is_known_by_number_as_well(api: Api, patient: str) -> None:
    by_number = {"identifier": {"system": resources.MRN, "value": "K1"}}
    by_url = {"reference": f"{BASE}/Patient/{patient}"}

    nobody = {"identifier": {"system": resources.MRN}, "display": "somebody"}

    for subject in (by_number, by_url, nobody):
        sent = {"resourceType": "Condition", "subject": subject}
        assert api.post("/Condition", sent).status == 201

    rows = FhirResource.objects.filter(type="Condition").exclude(patient=None)
    assert {str(row.patient.public_id) for row in rows if row.patient} == {patient}
    assert rows.count() == 2


def test_what_is_kept_goes_with_a_merge_and_comes_back(api: Api, patient: str) -> None:
    other = api.post("/Patient", resources.patient("K2")).body["id"]
    kept = api.post("/AllergyIntolerance", least("AllergyIntolerance", patient)).body
    address = f"/AllergyIntolerance/{kept['id']}"

    execute(
        MergePatients(
            survivor=PatientReference(public_id=other),
            subsumed=PatientReference(public_id=patient),
        ),
        actor=OPERATOR,
    )
    merged = api.get(address)
    late = api.post("/Condition", least("Condition", patient))
    execute(UnmergePatients(subsumed_id=patient, reason="wrong"), actor=OPERATOR)
    parted = api.get(address)

    assert merged.body["patient"] == {"reference": f"Patient/{other}"}
    assert merged.headers["ETag"] == 'W/"2"'
    assert late.body["subject"] == {"reference": f"Patient/{other}"}
    assert (parted.headers["ETag"], parted.body["patient"]["reference"]) == (
        'W/"3"',
        f"Patient/{patient}",
    )
    versions = [api.get(f"{address}/_history/{each}").body for each in (1, 2, 3)]
    assert versions == [kept, merged.body, parted.body]


def test_who_a_coverage_names_beside_its_patient_stays_who_it_is(api: Api, patient: str) -> None:
    parent = api.post("/Patient", resources.patient("K2")).body["id"]
    beneficiaries: list[dict[str, Any]] = [
        {"identifier": {"system": resources.MRN, "value": "K1"}},
        {"reference": f"{BASE}/Patient/{patient}"},
        {"display": "a child who is not known here"},
    ]

    for beneficiary in beneficiaries:
        sent = {
            **least("Coverage", patient),
            "beneficiary": beneficiary,
            "subscriber": {"reference": f"Patient/{parent}"},
        }
        created = api.post("/Coverage", sent)

        assert created.status == 201, created.body
        assert said(created.body) == said(sent)
        assert said(api.get(f"/Coverage/{created.body['id']}").body) == said(sent)


def test_a_version_of_a_merged_patient_says_the_same_wherever_it_is_read(
    api: Api, patient: str
) -> None:
    other = api.post("/Patient", resources.patient("K2")).body["id"]
    execute(
        MergePatients(
            survivor=PatientReference(public_id=other),
            subsumed=PatientReference(public_id=patient),
        ),
        actor=OPERATOR,
    )

    created = api.post("/Condition", least("Condition", patient)).body
    address = f"/Condition/{created['id']}"
    listed = [each["resource"] for each in api.get(f"{address}/_history").body["entry"]]
    api.put(address, {**created, "code": {"text": "asthma"}})

    assert created["subject"] == {"reference": f"Patient/{other}"}
    assert listed == [created]
    assert api.get(f"{address}/_history/1").body == created


def test_digits_extensions_and_contained_resources_come_back_as_they_were(
    api: Api, patient: str
) -> None:
    raw = (
        '{"resourceType":"Observation","meta":{"profile":["http://example.org/fhir/p"],'
        '"tag":[{"system":"http://example.org/t","code":"a"}]},"language":"en",'
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">1.50'
        '</div>"},"contained":[{"resourceType":"Device","id":"d"}],"extension":[{"url":'
        '"http://example.org/x","valueDecimal":100.00}],"status":"final","code":{"text":"dose"},'
        f'"subject":{{"reference":"Patient/{patient}"}},"_effectiveDateTime":{{"extension":[{{'
        '"url":"http://example.org/y","valueString":"about noon"}]},"device":{"reference":"#d"},'
        '"valueQuantity":{"value":1.50,"unit":"mGy"},"component":[{"code":{"text":"a"},'
        '"valueQuantity":{"value":0.0000001234567890123456789}}]}'
    )
    client = api.client

    created = api.post("/Observation", raw.encode())
    answer = client.get(
        f"/fhir/Observation/{created.body['id']}", headers={"Authorization": f"Bearer {api.token}"}
    )

    text = answer.content.decode()
    body = raw.partition('"language"')[2]
    assert body in text
    assert '"profile":["http://example.org/fhir/p"]' in text
    assert '"tag":[{"system":"http://example.org/t","code":"a"}]' in text


def test_scopes_hold_for_kept_types(api: Api, patient: str) -> None:
    created = api.post("/Condition", least("Condition", patient)).body["id"]
    reader = Api(token("system/Condition.rs"))

    answers = [
        reader.get(f"/Condition/{created}"),
        reader.request("DELETE", f"/Condition/{created}"),
        reader.post("/Condition", least("Condition", patient)),
        reader.get("/Observation"),
    ]

    assert [each.status for each in answers] == [200, 403, 403, 403]


def test_the_institution_is_one_of_the_organizations(api: Api) -> None:
    make.site()
    number = {"system": "http://payers.example", "value": "77"}
    fund = {"resourceType": "Organization", "name": "Health fund", "identifier": [number]}
    created = api.post("/Organization", fund).body
    site = api.get("/Organization?name=Test").resources[0]

    every = {each["id"] for each in api.get("/Organization?_sort=name").resources}
    by_name = api.get("/Organization?name=health").ids
    by_number = api.get("/Organization?identifier=http://payers.example|77").ids
    active = api.get("/Organization?active=true").ids
    requester = {"type": "Organization", "identifier": number}
    order = api.post("/ServiceRequest", resources.service_request(requester=requester))
    refused = [
        api.put(f"/Organization/{site['id']}", site),
        api.request("DELETE", f"/Organization/{site['id']}"),
    ]

    assert every == {created["id"], site["id"]}
    assert by_name == by_number == [created["id"]]
    assert active == [site["id"]]
    assert order.status == 201, order.body
    assert Order.objects.get().requesting_service == "Health fund"
    assert [each.status for each in refused] == [405, 405]


def test_a_core_resource_is_not_deleted(api: Api, patient: str) -> None:
    order = api.post("/ServiceRequest", resources.service_request()).body["id"]

    answers = [
        api.request("DELETE", f"/Patient/{patient}"),
        api.request("DELETE", f"/ServiceRequest/{order}"),
    ]

    assert [(each.status, each.issue["code"]) for each in answers] == [(405, "not-supported")] * 2
    assert "merge" in answers[0].issue["diagnostics"]
    assert "revoke" in answers[1].issue["diagnostics"]
    assert Patient.objects.filter(public_id=patient).exists()
