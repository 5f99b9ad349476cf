"""``Patient/[id]/$everything``: the compartment, page by page, and only what a client may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.models import Order, Patient
from tests import make
from tests.integration.fhir.api import Answer, Api, token
from tests.integration.fhir.readers import reader, sign

OPERATION = "http://hl7.org/fhir/OperationDefinition/Patient-everything"


@pytest.fixture
def exam(api: Api) -> Order:
    """A reported exam of a patient with an allergy, beside the exam of somebody else."""
    make.site()
    make.device()
    order = make.performed()
    sign(order, reader())
    api.post(
        "/AllergyIntolerance",
        {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                        "code": "active",
                    }
                ]
            },
            "patient": {"reference": f"Patient/{order.patient.public_id}"},
            "code": {"text": "Iodine"},
        },
    )
    make.performed(start_at=make.NOON + timedelta(hours=2))
    return order


def everything(api: Api, patient: Patient, query: str = "") -> Answer:
    return api.get(f"/Patient/{patient.public_id}/$everything{query}")


def kinds(resources: list[dict[str, Any]]) -> list[str]:
    return sorted(each["resourceType"] for each in resources)


def test_all_that_is_known_of_a_patient_and_of_nobody_else(api: Api, exam: Order) -> None:
    answer = everything(api, exam.patient)

    assert answer.status == 200
    assert kinds(answer.of("match")) == [
        "AllergyIntolerance", "Appointment", "DiagnosticReport", "DocumentReference",
        "ImagingStudy", "Patient", "Procedure", "ServiceRequest",
    ]  # fmt: skip
    assert kinds(answer.of("include")) == ["Device", "Location", "Organization", "Practitioner"]
    patients = {
        element["reference"]
        for each in answer.resources
        for element in (each.get("subject"), each.get("patient"))
        if element
    }
    assert patients == {f"Patient/{exam.patient.public_id}"}
    assert (
        answer.link("self")
        == f"http://testserver/fhir/Patient/{exam.patient.public_id}/$everything"
    )


def names(answer: Answer) -> list[str]:
    return [f"{each['resourceType']}/{each['id']}" for each in answer.of("match")]


def pages_of(api: Api, exam: Order, query: str) -> list[Answer]:
    pages = [everything(api, exam.patient, query)]
    while (following := pages[-1].link("next")) and len(pages) < 9:
        assert "$everything?" in following
        pages.append(api.get(following))
    return pages


def test_pages_hold_everything_once(api: Api, exam: Order) -> None:
    whole = names(everything(api, exam.patient))

    pages = pages_of(api, exam, "?_count=3")

    assert [len(page.of("match")) for page in pages] == [3, 3, 2]
    assert [name for page in pages for name in names(page)] == whole
    assert len(set(whole)) == 8


def test_a_page_may_end_between_two_that_have_one_id(api: Api, exam: Order) -> None:
    pages = pages_of(api, exam, "?_count=1&_type=DiagnosticReport,ImagingStudy")

    key = exam.procedures.get().public_id
    assert [names(page) for page in pages] == [
        [f"DiagnosticReport/{key}"],
        [f"ImagingStudy/{key}"],
    ]


def test_types_and_times_narrow_it(api: Api, exam: Order) -> None:
    def types(query: str) -> list[str]:
        answer = everything(api, exam.patient, query)
        assert answer.status == 200, answer.body
        return kinds(answer.of("match"))

    assert types("?_type=DiagnosticReport,Procedure") == ["DiagnosticReport", "Procedure"]
    assert types("?_type=Provenance") != []
    assert types("?_since=2999-01-01") == []
    assert "Procedure" not in types("?start=2026-03-03")
    assert "Patient" in types("?start=2026-03-03")
    assert types("?start=2026-03-02&end=2026-03-02&_type=Procedure,ImagingStudy") == [
        "ImagingStudy",
        "Procedure",
    ]


def test_only_what_the_scopes_reach_is_given(api: Api, exam: Order) -> None:
    scopes = ("system/Patient.r", "system/Procedure.rs", "system/Device.r")
    narrow = Api(token(*scopes, client="narrow"))

    answer = everything(narrow, exam.patient)

    assert kinds(answer.of("match")) == ["Patient", "Procedure"]
    assert kinds(answer.of("include")) == ["Device"]
    assert everything(Api(token("system/Task.rs", client="task")), exam.patient).status == 403


def test_it_can_be_asked_with_a_body(api: Api, exam: Order) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueCode": "ImagingStudy"},
            {"name": "_count", "valueInteger": 1},
        ],
    }

    answer = api.post(f"/Patient/{exam.patient.public_id}/$everything", body)

    assert kinds(answer.of("match")) == ["ImagingStudy"]


REFUSED = {
    "?_type=Dragon": "not-supported",
    "?_count=many": "invalid",
    "?start=yesterday": "invalid",
    "?_since=never": "invalid",
    "?_cursor=forged": "invalid",
    "?colour=red": "not-supported",
}


def test_what_it_does_not_understand_is_refused(api: Api) -> None:
    patient = make.order().patient

    answers = {query: everything(api, patient, query) for query in REFUSED}

    assert {query: answer.issue["code"] for query, answer in answers.items()} == REFUSED
    assert {answer.status for answer in answers.values()} == {400}
    assert answers["?_since=never"].issue["diagnostics"] == "_since: not a date"


def test_nobody_has_everything_of_a_patient_who_is_not_there(api: Api) -> None:
    address = "/Patient/00000000-0000-7000-8000-000000000001/$everything"

    assert api.get(address).status == 404


def test_the_statement_names_the_operation(api: Api) -> None:
    (rest,) = api.get("/metadata").body["rest"]
    (patient,) = [each for each in rest["resource"] if each["type"] == "Patient"]

    assert {"name": "everything", "definition": OPERATION}.items() <= next(
        each for each in patient["operation"] if each["name"] == "everything"
    ).items()
