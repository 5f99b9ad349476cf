"""What a client sent of something the core has comes back, as far as it is still true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration.fhir.overlay import merged
from integration.fhir.reading import resources as made
from integration.fhir.reading import shown_for
from integration.fhir.resources import KINDS
from integration.fhir.systems import Systems
from ris.domain.actors import OPERATOR
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientReference,
    UpdatePatient,
)
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import FhirOverlay, Order
from ris.models import Patient as PatientRow
from ris.selectors.search import issuers
from ris.services import execute
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db

NARRATIVE = {
    "status": "generated",
    "div": '<div xmlns="http://www.w3.org/1999/xhtml">Åsa Lindqvist</div>',
}
UNKNOWN = {"url": "http://hospital.example/vip", "valueDecimal": 1}
# What a Patient may say that the core has no column for.
MORE: dict[str, Any] = {
    "meta": {
        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"],
        "tag": [{"system": "http://hospital.example/tags", "code": "pilot"}],
    },
    "text": NARRATIVE,
    "extension": [UNKNOWN],
    "_birthDate": {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "1961-11-08T04:05:06+01:00",
            }
        ]
    },
    "maritalStatus": {"text": "married"},
    "contact": [{"name": {"family": "Lindqvist", "given": ["Bo"]}, "gender": "male"}],
    "generalPractitioner": [{"display": "Dr. Nils Holm"}],
    "multipleBirthInteger": 2,
}


def text_of(api: Api, path: str) -> str:
    answer = api.client.get(f"/fhir{path}", headers={"Authorization": f"Bearer {api.token}"})
    return answer.content.decode()


def put(api: Api, resource: dict[str, Any]) -> Any:
    return api.put(f"/{resource['resourceType']}/{resource['id']}", resource)


@pytest.fixture
def patient(api: Api) -> dict[str, Any]:
    sent = {**resources.patient("P1"), **MORE}
    sent["name"] = [*sent["name"], {"use": "maiden", "family": "Ek"}]
    answer = api.post("/Patient", sent)
    assert answer.status == 201, answer.body
    return dict(answer.body)


def test_all_that_was_sent_of_a_patient_comes_back(api: Api, patient: dict[str, Any]) -> None:
    read = api.get(f"/Patient/{patient['id']}").body
    found = api.get("/Patient?identifier=P1").resources[0]

    assert read == patient == found
    assert {name: read[name] for name in MORE if name != "meta"} == {
        name: value for name, value in MORE.items() if name != "meta"
    }
    assert read["meta"].items() >= MORE["meta"].items()
    assert [each["use"] for each in read["name"]] == ["official", "maiden"]
    assert read["active"] is True  # what the core knows is beside it


def test_what_is_read_changed_in_one_place_and_written_back_keeps_the_rest(
    api: Api, patient: dict[str, Any]
) -> None:
    changed = put(api, {**patient, "maritalStatus": {"text": "widowed"}})
    again = put(api, changed.body)

    assert changed.status == 200
    assert changed.headers["ETag"] == 'W/"2"'  # the core has no place for it: counted all the same
    assert changed.body == {
        **patient,
        "maritalStatus": {"text": "widowed"},
        "meta": changed.body["meta"],
    }
    assert (again.headers["ETag"], again.body) == ('W/"2"', changed.body)
    patched = api.patch(
        f"/Patient/{patient['id']}", [{"op": "replace", "path": "/gender", "value": "other"}]
    )
    assert (patched.status, patched.body["gender"]) == (200, "other")
    assert patched.body["maritalStatus"] == {"text": "widowed"}
    assert PatientRow.objects.get().sex == "O"


def test_what_was_sent_while_it_was_read_is_not_shown_as_the_version_before(
    api: Api, patient: dict[str, Any]
) -> None:
    kind = KINDS["Patient"]
    shown = shown_for([kind], Systems(issuers()))
    before = kind.finder.load([patient["id"]])
    after = put(api, {**patient, "gender": "other", "maritalStatus": {"text": "widowed"}}).body

    [read] = made(kind, before, shown)

    assert read == after
    assert read["meta"]["versionId"] != patient["meta"]["versionId"]


def test_what_the_core_learns_stands(api: Api, patient: dict[str, Any]) -> None:
    execute(
        UpdatePatient(
            patient=PatientReference(public_id=patient["id"]),
            demographics=Demographics(
                name=PersonName.of("Berg", "Åsa"), birth_date=PartialDate("1961-11-09")
            ),
        ),
        actor=OPERATOR,
    )

    read = api.get(f"/Patient/{patient['id']}").body

    assert [each["family"] for each in read["name"]] == ["Berg"]
    assert read["birthDate"] == "1961-11-09"
    assert not {"_birthDate", "text"} & read.keys()  # they were said of another date
    assert (read["extension"], read["contact"]) == ([UNKNOWN], MORE["contact"])


def test_a_merge_shows_in_both_records(api: Api, patient: dict[str, Any]) -> None:
    other = api.post("/Patient", resources.patient("P2")).body
    execute(
        MergePatients(
            survivor=PatientReference(public_id=other["id"]),
            subsumed=PatientReference(public_id=patient["id"]),
        ),
        actor=OPERATOR,
    )

    subsumed = api.get(f"/Patient/{patient['id']}").body
    survivor = api.get(f"/Patient/{other['id']}").body

    assert subsumed["active"] is False
    assert subsumed["link"] == [
        {"other": {"reference": f"Patient/{other['id']}"}, "type": "replaced-by"}
    ]
    assert "identifier" not in subsumed
    assert [each["value"] for each in survivor["identifier"]] == ["P2", "P1"]
    assert subsumed["extension"] == [UNKNOWN]


def test_a_number_that_was_taken_away_goes_whatever_its_system_was_called(api: Api) -> None:
    named = [
        {"system": "urn:ris:issuer:1.2.3", "value": "O1"},
        {"system": "http://hospital.example/card", "value": "C1"},
        {"use": "old", "system": "http://hospital.example/card", "value": "C0"},
    ]
    sent = api.post("/Patient", resources.patient("P3", identifier=named)).body
    assert "O1" in [each["value"] for each in sent["identifier"]]

    execute(
        UpdatePatient(
            patient=PatientReference(
                public_id=sent["id"],
                identifiers=(Identifier("O2", "1.2.3"),),
            ),
            demographics=Demographics(),
            replace_identifiers=True,
        ),
        actor=OPERATOR,
    )

    read = api.get(f"/Patient/{sent['id']}").body
    assert [each["value"] for each in read["identifier"]] == ["C1", "C0", "O2"]


def test_an_order_gives_back_what_radiology_has_no_place_for(api: Api) -> None:
    more: dict[str, Any] = {
        "contained": [
            resources.patient("O1", id="p"),
            {
                "resourceType": "Practitioner",
                "id": "d",
                "identifier": [{"system": "http://hospital.example/staff", "value": "7"}],
                "name": [{"family": "Holm", "given": ["Nils"]}],
            },
        ],
        "text": NARRATIVE,
        "extension": [UNKNOWN],
        "requester": {"reference": "#d"},
        "note": [
            {
                "authorString": "Nils Holm",
                "time": "2026-03-01T08:00:00+01:00",
                "text": "afraid of narrow rooms",
            },
            {"authorString": "Eva Ek", "text": "comes by wheelchair"},
        ],
        "supportingInfo": [{"display": "creatinine 1.50 mg/dL"}],
        "insurance": [{"display": "Health fund"}],
        "quantityQuantity": {"value": 0, "unit": "series"},
        "patientInstruction": "four hours without food",
    }
    raw = json.dumps(resources.service_request("O1", **more)).replace(
        '"value": 0, "unit"', '"value": 1.50, "unit"'
    )

    created = api.post("/ServiceRequest", raw.encode())
    assert created.status == 201, created.body
    read = api.get(f"/ServiceRequest/{created.body['id']}").body
    searched = api.get("/ServiceRequest?identifier=O1").resources[0]

    assert read == created.body == searched
    for name in ("text", "extension", "requester", "note", "supportingInfo", "insurance"):
        assert read[name] == more[name], name
    assert read["patientInstruction"] == "four hours without food"
    assert '"quantityQuantity":{"value":1.50,' in text_of(api, f"/ServiceRequest/{read['id']}")
    # The core's reference says who it is, so nothing names the contained patient any more.
    assert read["subject"]["reference"] == f"Patient/{Order.objects.get().patient.public_id}"
    assert [each["id"] for each in read["contained"]] == ["d"]
    types = [each["type"]["coding"][0]["code"] for each in read["identifier"] if "type" in each]
    assert types == ["PLAC", "FILL", "ACSN"]
    comments = Order.objects.get().comments
    address = f"/ServiceRequest/{read['id']}"
    text = text_of(api, address)  # as a client has it that leaves numbers alone
    again = api.put(address, text.encode())
    changed = api.put(address, text.replace('"priority":"urgent"', '"priority":"stat"').encode())
    assert (again.status, again.body) == (200, read)
    assert changed.status == 200, changed.body
    assert changed.body == {**read, "priority": "stat", "meta": changed.body["meta"]}
    assert Order.objects.get().comments == comments


def test_the_times_of_a_search_are_one_query_for_all_that_was_sent(
    api: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        api.post("/Patient", {**resources.patient(f"Q{number}"), **MORE})
    api.get("/Patient?_count=3")

    with django_assert_max_num_queries(12) as counted:
        found = api.get("/Patient?_count=3").resources

    assert len(found) == 3
    assert sum("ris_fhiroverlay" in each["sql"] for each in counted.captured_queries) == 1


def test_a_value_the_core_did_not_take_is_not_given_back() -> None:
    core = {
        "resourceType": "ServiceRequest",
        "id": "1",
        "meta": {"versionId": "3"},
        "status": "active",
        "occurrenceDateTime": "2026-03-02T15:00:00Z",
        "priority": "routine",
    }
    same = {"status": "draft", "occurrenceDateTime": "2026-03-02T16:00:00+01:00"}
    other = {"occurrenceDateTime": "2026-03-03T16:00:00+01:00", "priority": "stat"}

    assert merged(core, same, core)["occurrenceDateTime"] == "2026-03-02T16:00:00+01:00"
    assert merged(core, same, core)["status"] == "active"
    moved = {**core, "occurrenceDateTime": "2026-03-04T09:00:00Z"}
    assert merged(moved, {**same, "text": NARRATIVE}, core) == moved
    assert merged(core, other, core) == core


def test_links_of_a_person_are_the_core_s_word() -> None:
    merge = {"other": {"reference": "Patient/2"}, "type": "replaced-by"}
    core = {"resourceType": "Patient", "id": "1", "meta": {}, "active": True}
    hint = {"other": {"reference": "Patient/3"}, "type": "seealso"}
    received = {"active": False, "link": [merge, hint]}

    assert merged(core, received, core) == {**core, "link": [hint]}
    assert merged({**core, "link": [merge]}, received, core)["link"] == [merge, hint]


def test_a_choice_has_one_type_only() -> None:
    core = {"resourceType": "Patient", "id": "1", "meta": {}, "deceasedBoolean": True}
    received = {"deceasedDateTime": "2026-02-01", "_deceasedDateTime": {"id": "x"}}

    kept = merged(core, received, core)
    later = merged({**core, "deceasedBoolean": False}, received, core)

    assert kept == {"resourceType": "Patient", "id": "1", "meta": {}, **received}
    assert later["deceasedBoolean"] is False
    assert "deceasedDateTime" not in later


def test_an_identifier_the_core_took_away_stays_away() -> None:
    first = {"system": "http://a.example", "value": "1"}
    second = {"system": "http://a.example", "value": "2", "use": "old"}
    known = {"system": "http://a.example", "value": "2"}
    core = {"resourceType": "Patient", "id": "1", "meta": {}, "identifier": [known]}
    shown = {**core, "identifier": [{"system": "http://a.example", "value": "1"}, known]}
    received = {"identifier": [first, second, {"value": "bare"}]}

    found = merged(core, received, shown)

    assert found["identifier"] == [second, {"value": "bare"}]


def test_an_overlay_is_one_row_for_each_resource(api: Api, patient: dict[str, Any]) -> None:
    put(api, {**patient, "gender": "other"})

    row = FhirOverlay.objects.get()
    assert (row.type, str(row.public_id), row.source) == ("Patient", patient["id"], "EHR")
    assert json.loads(row.received)["gender"] == "other"
    assert "versionId" not in json.loads(row.received)["meta"]
