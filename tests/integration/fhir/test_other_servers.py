"""References to the client's own server: people by their display, patients and visits never."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.fhir import resources
from tests.integration.fhir.test_to_domain import place, refused


def test_a_requester_of_another_server_is_who_its_display_says() -> None:
    said = {"reference": "https://ehr.example/fhir/Practitioner/1", "display": "Dr. Otto Order"}

    details = place(resources.service_request(requester=said)).command.details

    assert str(details.requester) == "Dr. Otto Order"
    assert details.requester_identifier is None


def test_an_organization_of_another_server_is_a_service_and_no_person() -> None:
    said = {"reference": "https://ehr.example/fhir/Organization/1", "display": "Neurology"}

    details = place(resources.service_request(requester=said)).command.details

    assert (details.requester, details.requesting_service) == (None, "Neurology")


@pytest.mark.parametrize(
    ("elements", "issue", "expression"),
    [
        (
            {"requester": {"reference": "https://ehr.example/fhir/Practitioner/1"}},
            "value",
            "ServiceRequest.requester.reference",
        ),
        (
            {
                "requester": {
                    "reference": "https://ehr.example/fhir/Medication/1",
                    "display": "Dr. Otto Order",
                }
            },
            "value",
            "ServiceRequest.requester.reference",
        ),
        (
            {"subject": {"reference": "https://ehr.example/fhir/Patient/1", "display": "A. Berg"}},
            "not-found",
            "ServiceRequest.subject",
        ),
        (
            {
                "encounter": {
                    "reference": "https://ehr.example/fhir/Encounter/1",
                    "display": "Visit",
                }
            },
            "not-found",
            "ServiceRequest.encounter",
        ),
    ],
)
def test_no_patient_and_no_visit_is_guessed_from_a_display(
    elements: dict[str, Any], issue: str, expression: str
) -> None:
    assert refused(**elements) == (422, issue, expression)
