"""$validate: everything wrong with a resource, as an OperationOutcome with status 200."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import InboundMessage, Patient
from tests import make
from tests.integration.fhir.api import Answer, Api, token

GOOD: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "Berg", "given": ["Anna"]}],
    "birthDate": "1970-05-03",
}


def wrapped(resource: Any, **said: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"name": "resource", "resource": resource}] if resource else []
    if "mode" in said:
        parts.append({"name": "mode", "valueCode": said["mode"]})
    if "profile" in said:
        parts.append({"name": "profile", "valueUri": said["profile"]})
    return {"resourceType": "Parameters", "parameter": parts}


def errors(answer: Answer) -> list[tuple[str, list[str]]]:
    assert answer.status == 200, answer.body
    return [
        (issue["code"], issue.get("expression", []))
        for issue in answer.body["issue"]
        if issue["severity"] in {"error", "fatal"}
    ]


@pytest.mark.parametrize("body", [GOOD, wrapped(GOOD), wrapped(GOOD, mode="create")])
def test_a_good_resource_has_no_fault(api: Api, body: dict[str, Any]) -> None:
    answer = api.post("/Patient/$validate", body)

    assert errors(answer) == []
    assert answer.body["issue"][0]["severity"] == "information"
    assert not Patient.objects.exists()
    assert not InboundMessage.objects.exists()


def test_all_faults_are_told_at_once_with_their_places(api: Api) -> None:
    bad = {**GOOD, "gender": "M", "birthDate": "3.5.1970", "hair": "red"}

    places = {path for _, paths in errors(api.post("/Patient/$validate", bad)) for path in paths}

    assert {"Patient.gender", "Patient.birthDate", "Patient.hair"} <= places


@pytest.mark.parametrize(
    ("path", "body", "codes"),
    [
        ("/Patient/$validate", wrapped({**GOOD, "id": "x"}, mode="update"), []),
        ("/Patient/$validate", wrapped(GOOD, mode="update"), ["invalid"]),
        ("/Patient/$validate", wrapped(None, mode="delete"), ["not-supported", "required"]),
        ("/Patient/nobody/$validate", wrapped(GOOD), ["not-found"]),
        ("/ServiceRequest/$validate", wrapped(GOOD), ["invalid"]),
        ("/ImagingStudy/$validate?mode=create", None, None),
    ],
)
def test_mode(api: Api, path: str, body: Any, codes: list[str] | None) -> None:
    answer = api.post(path, body)

    if codes is None:
        assert (answer.status, answer.issue["code"]) == (400, "required")
    else:
        assert [code for code, _ in errors(answer)] == codes


def test_parameters_without_names_are_refused_or_what_is_looked_at(api: Api) -> None:
    broken = {"resourceType": "Parameters", "parameter": [{"name": []}]}

    refused = api.post("/Patient/$validate", broken)
    looked_at = api.post("/Parameters/$validate", broken)

    assert (refused.status, refused.issue["code"]) == (400, "structure")
    assert (looked_at.status, looked_at.issue["severity"]) == (200, "error")


def test_a_stored_resource_is_looked_at_where_none_is_sent(api: Api) -> None:
    order = make.order()

    assert errors(api.get(f"/ServiceRequest/{order.public_id}/$validate")) == []
    # Nothing is said of what the caller may not see.
    blind = Api(token("system/Patient.rs", client="blind"))
    hidden = blind.get(f"/ServiceRequest/{order.public_id}/$validate")
    assert [code for code, _ in errors(hidden)] == ["not-found"]


def test_a_profile_that_is_not_known_is_a_warning(api: Api) -> None:
    answer = api.post(
        "/Patient/$validate", wrapped(GOOD, profile="http://example.org/StructureDefinition/x")
    )

    assert errors(answer) == []
    assert [i["severity"] for i in answer.body["issue"]] == ["information", "warning"]


def test_types_that_are_not_served_are_known_all_the_same(api: Api) -> None:
    medication = {"resourceType": "Medication", "status": "bogus"}

    assert errors(api.post("/Medication/$validate", medication)) == [
        ("code-invalid", ["Medication.status"])
    ]
    assert api.post("/Medicament/$validate", medication).status == 404
