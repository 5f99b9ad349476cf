"""Errors as HTTP status and OperationOutcome."""

from __future__ import annotations

import pytest

from integration.fhir.outcome import (
    MAX_ISSUES,
    TABLE,
    HttpError,
    Issue,
    expression,
    outcome,
    refusal,
)
from ris.domain.errors import (
    BusyError,
    DuplicateKeyError,
    ErrorCode,
    InternalError,
    InvalidValueError,
    MissingValueError,
    SeveralErrors,
    UnknownKeyError,
)
from ris.domain.places import Place
from tests.integration.fhir.api import valid

# The value set issue-type of R4.
ISSUE_TYPES = {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown",
    "expired", "forbidden", "suppressed", "processing", "not-supported", "duplicate",
    "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension",
    "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store",
    "exception", "timeout", "incomplete", "throttled", "informational",
}  # fmt: skip


def test_every_error_code_has_a_status_and_an_issue_of_r4() -> None:
    assert set(TABLE) == set(ErrorCode)
    assert {issue for _, issue in TABLE.values()} <= ISSUE_TYPES


@pytest.mark.parametrize(
    ("error", "status", "issue"),
    [
        (MissingValueError("x"), 422, "required"),
        (InvalidValueError("x"), 422, "value"),
        (UnknownKeyError("x"), 404, "not-found"),
        (DuplicateKeyError("x"), 409, "duplicate"),
        (HttpError(412, "conflict", "x"), 412, "conflict"),
        (InvalidValueError("x", details={"issue": "not-found"}), 422, "not-found"),
    ],
)
def test_an_error_is_told_by_its_code(error, status, issue) -> None:
    found = refusal(error)

    assert (found.status, found.body["issue"][0]["code"]) == (status, issue)
    assert found.body["issue"][0]["diagnostics"] == "x"
    valid(found.body)


def test_several_errors_are_told_together() -> None:
    faults = [
        InvalidValueError("first", path="Patient.gender"),
        MissingValueError("second", path="Patient.name"),
    ]

    found = refusal(SeveralErrors(faults))

    assert found.status == 422
    assert found.body["issue"] == [
        {
            "severity": "error",
            "code": "value",
            "diagnostics": "first",
            "expression": ["Patient.gender"],
        },
        {
            "severity": "error",
            "code": "required",
            "diagnostics": "second",
            "expression": ["Patient.name"],
        },
    ]


def test_an_internal_error_is_told_by_its_id_only() -> None:
    found = refusal(InternalError("secret text", details={"error_id": "abc123"}))

    assert found.status == 500
    assert found.body["issue"] == [
        {"severity": "fatal", "code": "exception", "diagnostics": "internal error abc123"}
    ]


def test_a_busy_server_says_when_to_come_again() -> None:
    found = refusal(BusyError("locked"))

    assert (found.status, found.headers) == (503, {"Retry-After": "2"})


def test_a_duplicate_names_the_other_order() -> None:
    found = refusal(DuplicateKeyError("known", path=Place.PLACER, details={"order": "7"}))

    assert found.body["issue"][0]["diagnostics"] == "known: ServiceRequest/7"
    assert found.body["issue"][0]["expression"] == ["ServiceRequest.identifier"]


def test_the_number_of_issues_is_capped() -> None:
    found = outcome([Issue("error", "value", str(number)) for number in range(100)])

    assert len(found["issue"]) == MAX_ISSUES + 1
    assert found["issue"][-1]["diagnostics"] == "80 more issues are not shown"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (Place.PATIENT, "Patient.identifier"),
        (Place.PRIOR_PATIENT, ""),
        ("PID-3", ""),
        ("ServiceRequest.identifier[0].value", "ServiceRequest.identifier[0].value"),
        ("OBX-5", ""),
        ("expected_version", ""),
        ("", ""),
    ],
)
def test_places_are_named_in_the_words_of_fhir(path, expected) -> None:
    assert expression(path) == expected
