"""Visits and people that EHRs tell of beside their orders."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import Practitioner, Visit
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, found

VISITS = "http://hospital.example/visits"
STAFF = "http://hospital.example/staff"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


@pytest.fixture
def patient(api: Api) -> str:
    key: str = api.post("/Patient", resources.patient()).body["id"]
    return key


def encounter(patient: str, **elements: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "resourceType": "Encounter",
        "identifier": [{"system": VISITS, "value": "V-77"}],
        "status": "in-progress",
        "class": {"system": ACT, "code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": "2026-03-01T08:00:00Z"},
        "participant": [
            {
                "type": [{"coding": [{"system": PARTICIPATION, "code": "ATND"}]}],
                "individual": {"display": "Dr. Eva Bauer"},
            }
        ],
        "location": [{"location": {"display": "Ward 3"}}],
    }
    return {**said, **elements}


def practitioner(**elements: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "resourceType": "Practitioner",
        "identifier": [{"system": STAFF, "value": "S-9"}],
        "name": [{"family": "Holm", "given": ["Nils"], "prefix": ["Dr."]}],
        "telecom": [{"system": "phone", "value": "+46 8 5550101"}],
    }
    return {**said, **elements}


# --- visits


def test_a_visit_is_told_and_ends(api: Api, patient: str) -> None:
    told = api.post("/Encounter", encounter(patient))
    key = told.body["id"]
    ended = encounter(
        patient,
        id=key,
        status="finished",
        period={"start": "2026-03-01T08:00:00Z", "end": "2026-03-04T10:00:00Z"},
    )

    left = api.put(f"/Encounter/{key}", ended)

    assert (told.status, told.body["status"]) == (201, "in-progress")
    assert told.body["class"]["code"] == "IMP"
    assert told.body["participant"][0]["individual"]["display"] == "Dr. Eva Bauer"
    assert told.body["location"][0]["location"]["display"] == "Ward 3"
    assert (left.status, left.body["status"]) == (200, "finished")
    assert left.body["period"] == {
        "start": "2026-03-01T08:00:00Z",
        "end": "2026-03-04T10:00:00Z",
    }
    assert Visit.objects.get().status == "FINISHED"
    assert found(api, "Encounter", status="finished") == [key]
    assert found(api, "Encounter", status="in-progress", patient=f"Patient/{patient}") == []


def test_an_order_names_the_visit_that_was_told(api: Api, patient: str) -> None:
    key = api.post("/Encounter", encounter(patient)).body["id"]
    order = resources.service_request(
        contained=None,
        subject={"reference": f"Patient/{patient}"},
        encounter={"reference": f"Encounter/{key}"},
    )

    placed = api.post("/ServiceRequest", order)

    assert placed.status == 201, placed.body
    assert placed.body["encounter"]["reference"] == f"Encounter/{key}"


def test_the_same_visit_told_twice_is_one(api: Api, patient: str) -> None:
    first = api.post("/Encounter", encounter(patient))
    again = api.post("/Encounter", encounter(patient))

    assert (first.status, again.status) == (201, 200)
    assert first.body["id"] == again.body["id"]
    assert Visit.objects.count() == 1


@pytest.mark.parametrize(
    ("elements", "status", "expression"),
    [
        ({"identifier": []}, 400, ""),
        ({"identifier": None}, 422, "Encounter.identifier"),
        ({"subject": None}, 422, "Encounter.subject"),
        ({"subject": {"reference": "Patient/none"}}, 422, "Encounter.subject"),
        ({"status": "entered-in-error"}, 422, "Encounter.status"),
    ],
)
def test_what_a_visit_lacks_is_told(
    api: Api, patient: str, elements: dict[str, Any], status: int, expression: str
) -> None:
    sent = {k: v for k, v in encounter(patient, **elements).items() if v is not None}

    answer = api.post("/Encounter", sent)

    assert answer.status == status, answer.body
    if expression:
        assert answer.issue["expression"] == [expression]
    assert Visit.objects.count() == 0


def test_a_visit_stays_with_its_patient_and_its_number(api: Api, patient: str) -> None:
    key = api.post("/Encounter", encounter(patient)).body["id"]
    other = api.post("/Patient", resources.patient("other")).body["id"]

    moved = api.put(f"/Encounter/{key}", encounter(other, id=key))
    renamed = api.put(
        f"/Encounter/{key}",
        encounter(patient, id=key, identifier=[{"system": VISITS, "value": "V-78"}]),
    )

    assert (moved.status, renamed.status) == (422, 422)
    assert Visit.objects.get().number == "V-77"


# --- people


def test_a_practitioner_is_registered_and_changed(api: Api) -> None:
    told = api.post("/Practitioner", practitioner())
    key = told.body["id"]
    married = practitioner(id=key, name=[{"family": "Lund", "given": ["Nils"]}])

    changed = api.put(f"/Practitioner/{key}", married)

    assert told.status == 201
    assert changed.status == 200, changed.body
    assert changed.body["name"][0]["family"] == "Lund"
    assert Practitioner.objects.get().name == "Lund^Nils"
    assert api.post("/Practitioner", practitioner()).status == 200
    assert Practitioner.objects.count() == 1


@pytest.mark.parametrize(
    ("elements", "status"),
    [
        ({"identifier": None}, 422),
        ({"name": None}, 422),
        ({"identifier": [{"system": "urn:ris:issuer:RIS", "value": "admin"}]}, 405),
    ],
)
def test_who_cannot_be_told_apart_is_not_registered(
    api: Api, elements: dict[str, Any], status: int
) -> None:
    sent = {k: v for k, v in practitioner(**elements).items() if v is not None}

    answer = api.post("/Practitioner", sent)

    assert answer.status == status, answer.body
    assert Practitioner.objects.count() == 0


def test_the_number_of_a_practitioner_stays(api: Api) -> None:
    key = api.post("/Practitioner", practitioner()).body["id"]
    other = practitioner(id=key, identifier=[{"system": STAFF, "value": "S-10"}])

    answer = api.put(f"/Practitioner/{key}", other)

    assert (answer.status, answer.issue["expression"]) == (422, ["Practitioner.identifier"])


# --- what a site sets up


@pytest.mark.parametrize("kind", ["Device", "Location"])
def test_what_a_site_sets_up_is_not_changed_by_clients(api: Api, kind: str) -> None:
    make.device()
    (key,) = found(api, kind)
    seen = api.get(f"/{kind}/{key}").body

    answers = [
        api.put(f"/{kind}/{key}", seen),
        api.post(f"/{kind}", {k: v for k, v in seen.items() if k not in {"id", "meta"}}),
        api.request("DELETE", f"/{kind}/{key}"),
    ]

    assert [(each.status, each.issue["code"]) for each in answers] == [(405, "not-supported")] * 3
