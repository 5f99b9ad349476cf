"""The CapabilityStatement tells the truth."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir.resources import KINDS
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def statement() -> dict[str, Any]:
    """As anybody is told, without a token."""
    found: dict[str, Any] = Api().get("/metadata").body
    return found


def rows(statement: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["type"]: each for each in statement["rest"][0]["resource"]}


def test_it_is_told_to_anybody(statement: dict[str, Any]) -> None:
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == BASE
    assert statement["format"] == ["application/fhir+json", "application/fhir+xml", "json", "xml"]
    assert statement["software"]["name"] == "RIS"


@pytest.mark.parametrize(("mode", "status"), [("full", 200), ("terminology", 400)])
def test_it_comes_in_one_mode(mode: str, status: int) -> None:
    assert Api().get(f"/metadata?mode={mode}").status == status


def test_it_names_every_type_and_no_other(api: Api, statement: dict[str, Any]) -> None:
    assert set(rows(statement)) == set(KINDS)
    for kind in (*KINDS, "Medication", "Bundle", "Observation"):
        status = api.get(f"/{kind}?_count=1").status
        assert (status == 200) == (kind in rows(statement)), kind


def test_interactions_are_served_exactly_where_they_are_named(
    api: Api, statement: dict[str, Any]
) -> None:
    calls = {
        "read": ("GET", "/none"),
        "vread": ("GET", "/none/_history/1"),
        "search-type": ("GET", "?_count=1"),
        "create": ("POST", ""),
        "update": ("PUT", "/none"),
        "patch": ("PATCH", "/none"),
        "delete": ("DELETE", "/none"),
        "history-instance": ("GET", "/none/_history"),
        "history-type": ("GET", "/_history?_count=1"),
    }
    for kind, row in rows(statement).items():
        named = {each["code"] for each in row["interaction"]}
        for code, (method, path) in calls.items():
            answer = api.request(method, f"/{kind}{path}", {} if method != "GET" else None)
            message = (kind, code, answer.status)
            if code in {"create", "update", "patch"}:
                # An empty body is refused for its content where the interaction is served.
                assert (answer.status != 405) == (code in named), message
            elif code == "delete":
                assert answer.status == (204 if code in named else 405), message
            elif code == "history-type":
                assert answer.status == (200 if code in named else 405), message
            elif code == "history-instance" and code not in named:
                assert answer.status == 405, message
            elif code in {"read", "vread", "history-instance"}:
                assert answer.issue["diagnostics"] == f"there is no {kind}/none", message
            else:
                assert answer.status == 200, message


VALUES = {
    "token": "x",
    "reference": "00000000-0000-7000-8000-000000000001",
    "date": "2026-03-02",
    "string": "x",
    "uri": "https://ehr.example/hook",
    "number": "1",
    "quantity": "1",
    "composite": "x$1",
}


def value_of(name: str, kind: str, modifier: str = "") -> str:
    """Something that can be asked for."""
    if modifier in {"missing", "of-type"}:
        return {"missing": "true", "of-type": "x|y|z"}[modifier]
    return "x$2026-03-02" if kind == "composite" and name.endswith("-date") else VALUES[kind]


AT_ONCE = 40  # parameters of one request


def test_every_parameter_named_is_understood(api: Api, statement: dict[str, Any]) -> None:
    for kind, row in rows(statement).items():
        named = row["searchParam"]
        for start in range(0, len(named), AT_ONCE):
            query = "&".join(
                f"{each['name']}={value_of(each['name'], each['type'])}"
                for each in named[start : start + AT_ONCE]
            )
            answer = api.get(f"/{kind}?{query}", Prefer="handling=strict")
            assert answer.status == 200, (kind, query, answer.body)


def test_every_modifier_named_is_understood(api: Api) -> None:
    for name, kind in KINDS.items():
        pairs = [
            f"{parameter.name}:{modifier}={value_of(parameter.name, parameter.type, modifier)}"
            for parameter in kind.parameters.values()
            for modifier in sorted(parameter.modifiers)
        ]
        for start in range(0, len(pairs), AT_ONCE):
            query = "&".join(pairs[start : start + AT_ONCE])
            answer = api.get(f"/{name}?{query}", Prefer="handling=strict")
            assert answer.status == 200, (name, query, answer.body)


def test_every_inclusion_named_is_followed(api: Api, statement: dict[str, Any]) -> None:
    make.site()
    make.device()
    make.final_report(make.performed())
    for kind, row in rows(statement).items():
        for way, names in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            every = row.get(names, [])
            for start in range(0, len(every), AT_ONCE):
                query = "&".join(f"{way}={name}" for name in every[start : start + AT_ONCE])
                answer = api.get(f"/{kind}?_count=1&{query}", Prefer="handling=strict")
                assert answer.status == 200, (kind, query, answer.body)


def test_references_in_answers_lead_to_resources_that_are_served(api: Api) -> None:
    make.site()
    make.device()
    make.final_report(make.performed())

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str):
                answer = api.get(f"/{value['reference']}")
                assert answer.status == 200, value
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for kind in KINDS:
        for resource in api.get(f"/{kind}").resources:
            walk(resource)


def test_conditional_create_is_named_where_it_works(api: Api, statement: dict[str, Any]) -> None:
    for row in rows(statement).values():
        named = {each["code"] for each in row["interaction"]}
        assert row["conditionalCreate"] == ("create" in named)
        assert row["conditionalUpdate"] == ({"create", "update"} <= named)
        assert row["conditionalDelete"] == ("single" if "delete" in named else "not-supported")
        assert row["readHistory"] == ("history-instance" in named)
    api.post("/Patient", resources.patient("1"))
    again = api.post("/Patient", resources.patient("1"), If_None_Exist="identifier=1")
    assert again.status == 200
