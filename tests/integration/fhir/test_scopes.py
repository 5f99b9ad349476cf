"""SMART scopes."""

from __future__ import annotations

import pytest

from integration.fhir.scopes import Scopes


def letters(text: str, kind: str = "Patient") -> str:
    scopes = Scopes.parse(text.split())
    return "".join(letter for letter in "cruds" if scopes.allow(kind, letter))


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("system/Patient.cruds", "cruds"),
        ("system/Patient.rs", "rs"),
        ("system/*.r", "r"),
        ("user/Patient.cu", "cu"),
        ("system/Patient.read", "rs"),
        ("system/Patient.write", "cud"),
        ("system/*.*", "cruds"),
        ("system/Patient.r system/Patient.s", "rs"),
    ],
)
def test_a_scope_grants_what_it_says(scopes: str, expected: str) -> None:
    assert letters(scopes) == expected


@pytest.mark.parametrize(
    "scopes",
    [
        "",
        "system/Task.cruds",
        "patient/Patient.rs",
        "system/Patient.rs?_id=7",
        "system/Patient.sr",
        "system/Patient.",
        "system/Patient",
        "system/patient.rs",
        "launch openid fhirUser",
        "*/*.cruds",
    ],
)
def test_what_cannot_be_enforced_grants_nothing(scopes: str) -> None:
    assert letters(scopes) == ""


def test_included_resources_need_a_scope_to_be_read_or_searched() -> None:
    assert Scopes.parse(["system/Task.s"]).readable("Task")
    assert not Scopes.parse(["system/Task.cud"]).readable("Task")
