"""SMART scopes."""

from __future__ import annotations

import pytest

from integration.fhir.scopes import Scopes, granted


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
        ("system/Patient.rs?_id=7", "rs"),
        ("system/*.read?gender=male", "rs"),
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
        "patient/Patient.rs?_id=7",
        "patient/*.read",
        "system/Patient.rs?",
        "system/Patient.rs?&&",
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


def test_filters_of_several_scopes_add_up_and_an_unlimited_one_lifts_them() -> None:
    filtered = "system/Task.rs?status=ready system/Task.r?status=requested&code=fulfill"
    scopes = Scopes.parse(filtered.split())
    lifted = Scopes.parse([*filtered.split(), "system/*.s"])

    both = ((("status", "ready"),), (("status", "requested"), ("code", "fulfill")))
    assert scopes.filters("Task", "r") == both
    assert scopes.filters("Task", "s") == both[:1]
    assert scopes.filters("Patient", "r") == ()
    assert lifted.filters("Task", "s") is None
    assert lifted.filters("Task", "r") == both


@pytest.mark.parametrize(
    ("asked", "registered", "expected"),
    [
        ("system/Patient.rs", "system/*.cruds", "system/Patient.rs"),
        ("system/*.cruds", "system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.read", "system/Patient.cruds", "system/Patient.read"),
        ("system/Patient.cruds", "system/Patient.read", "system/Patient.rs"),
        ("system/Task.rs", "system/Task.rs?status=ready", "system/Task.rs?status=ready"),
        (
            "system/Task.rs?code=fulfill",
            "system/*.r?status=ready",
            "system/Task.r?code=fulfill&status=ready",
        ),
        ("system/Task.rs", "system/Task.rs?identifier=a%7Cb", "system/Task.rs?identifier=a%7Cb"),
        ("user/Task.rs", "system/Task.rs", ""),
        ("patient/Task.rs", "system/*.cruds", ""),
        ("system/Task.cu", "system/Task.rs", ""),
        ("system/mpps.*", "system/mpps.*", "system/mpps.*"),
        ("role/scheduler", "role/scheduler", "role/scheduler"),
        ("role/admin", "role/scheduler", ""),
        ("openid", "system/*.cruds openid", ""),
    ],
)
def test_granted_is_what_both_sides_name(asked: str, registered: str, expected: str) -> None:
    assert " ".join(granted(asked.split(), registered.split())) == expected


def test_included_resources_need_a_scope_to_be_read_or_searched() -> None:
    assert Scopes.parse(["system/Task.s"]).readable("Task")
    assert not Scopes.parse(["system/Task.cud"]).readable("Task")
