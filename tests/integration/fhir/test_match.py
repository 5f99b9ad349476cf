"""Patient/$match: who a described person may be; deterministic, and never a link."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.patients import RegisterPatient, Sex
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import AuditEvent, DomainEvent, Patient
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Answer, Api, token

pytestmark = pytest.mark.database
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
HOSP = "urn:ris:issuer:HOSP"


@pytest.fixture
def anna(db: None) -> Patient:
    return registered("MR1")


def registered(number: str, **said: Any) -> Patient:
    key = execute(
        RegisterPatient(
            identifiers=(Identifier(number, "HOSP", "MR"),), demographics=make.demographics(**said)
        ),
        actor=people.ehr,
    )
    return Patient.objects.get(public_id=key)


def person(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "name": [{"family": "Berg", "given": ["Anna"]}],
        "birthDate": "1970-05-03",
        "gender": "female",
        **elements,
    }


def match(api: Api, patient: dict[str, Any], **parameters: Any) -> Answer:
    parts: list[dict[str, Any]] = [{"name": "resource", "resource": patient}]
    if "only" in parameters:
        parts.append({"name": "onlyCertainMatches", "valueBoolean": parameters["only"]})
    if "count" in parameters:
        parts.append({"name": "count", "valueInteger": parameters["count"]})
    return api.post("/Patient/$match", {"resourceType": "Parameters", "parameter": parts})


def graded(answer: Answer) -> list[tuple[str, str, float]]:
    assert answer.status == 200, answer.body
    return [
        (
            entry["resource"]["id"],
            entry["search"]["extension"][0]["valueCode"],
            float(entry["search"]["score"]),
        )
        for entry in answer.body.get("entry", [])
    ]


NUMBER = [{"system": HOSP, "value": "MR1"}]


@pytest.mark.parametrize(
    ("said", "grade", "score"),
    [
        (person(identifier=NUMBER), "certain", 1.0),
        ({"resourceType": "Patient", "identifier": NUMBER}, "certain", 1.0),
        (person(), "probable", 0.9),
        (person(name=[{"family": "BERG", "given": ["anna"]}]), "probable", 0.9),
        (person(gender="unknown"), "probable", 0.85),
        (person(name=[{"family": "Berg", "given": ["A."]}]), "possible", 0.6),
        ({"resourceType": "Patient", "name": person()["name"]}, "possible", 0.4),
        (person(birthDate="1970"), "possible", 0.4),
        (
            person(identifier=NUMBER, name=[{"family": "Zorn"}], birthDate="1999-01-01"),
            "possible",
            0.5,
        ),
    ],
)
def test_grade(api: Api, anna: Patient, said: dict[str, Any], grade: str, score: float) -> None:
    assert graded(match(api, said)) == [(str(anna.public_id), grade, score)]


@pytest.mark.parametrize(
    "said",
    [
        person(name=[{"family": "Zorn", "given": ["Anna"]}]),
        person(birthDate="1970-05-04"),
        person(gender="male"),
        {"resourceType": "Patient", "identifier": [{"value": "MR1"}]},  # nobody's number
        {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.3", "value": "MR1"}]},
        {"resourceType": "Patient"},
    ],
)
def test_nobody_is_an_empty_answer(api: Api, anna: Patient, said: dict[str, Any]) -> None:
    answer = match(api, said)

    assert graded(answer) == []
    assert answer.body["total"] == 0


def test_the_best_come_first_and_count_cuts(api: Api, anna: Patient) -> None:
    second = registered("MR2")
    third = registered("MR3", name=PersonName.of("Berg", "Berta"), sex=Sex.UNKNOWN)

    said = person(identifier=[{"system": HOSP, "value": "MR2"}])

    assert [key for key, _, _ in graded(match(api, said))] == [
        str(second.public_id),
        str(anna.public_id),
        str(third.public_id),
    ]
    assert [key for key, _, _ in graded(match(api, said, count=1))] == [str(second.public_id)]
    assert graded(match(api, person(), only=True)) == []
    assert graded(match(api, said, only=True)) == [(str(second.public_id), "certain", 1.0)]
    both = person(identifier=[*NUMBER, {"system": HOSP, "value": "MR2"}])
    assert graded(match(api, both, only=True)) == [], "two cannot both be certain"


def test_nothing_is_written_but_the_audit_of_whose_data_was_shown(api: Api, anna: Patient) -> None:
    events = DomainEvent.objects.count()

    match(api, person())

    assert DomainEvent.objects.count() == events
    audit = AuditEvent.objects.order_by("-id")[0]
    assert (audit.action, audit.patients) == ("FHIR $match", [str(anna.public_id)])


def test_a_caller_sees_only_its_own_rows(
    api: Api, anna: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered("MR2", birth_date=PartialDate("1970-05-03"))
    only = ((("identifier", f"{HOSP}|MR1"),),)
    monkeypatch.setattr("integration.fhir.auth.Client.filters", lambda *asked: only)

    assert [key for key, _, _ in graded(match(api, person()))] == [str(anna.public_id)]
    blind = Api(token("system/Task.rs", client="blind"))
    assert match(blind, person()).status == 403


def test_a_person_has_only_so_many_numbers(api: Api) -> None:
    numbers = [{"system": "urn:x", "value": f"V{number}"} for number in range(101)]

    answer = api.post("/Patient/$match", {"resourceType": "Patient", "identifier": numbers})

    assert (answer.status, answer.issue["code"]) == (400, "too-costly")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ({"resourceType": "Parameters"}, 422),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource"}]}, 422),
        ({"resourceType": "Parameters", "parameter": [{"name": ["resource"]}]}, 400),
        (
            {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "resource", "resource": person()},
                    {"name": "count", "valueInteger": 0},
                ],
            },
            400,
        ),
    ],
)
def test_what_cannot_be_asked_is_said(api: Api, body: Any, status: int) -> None:
    answer = api.post("/Patient/$match", body)

    assert (answer.status, answer.body["resourceType"]) == (status, "OperationOutcome")
