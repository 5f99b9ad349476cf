"""What the CapabilityStatement refers to can be read here, and says what is done."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from integration.fhir.operations import OPERATIONS
from integration.fhir.resources import KINDS
from ris.domain.orders import StepStatus
from ris.models import FhirIndex, FhirResource, FhirVersion
from tests import make
from tests.integration.fhir.api import Api, found, token

pytestmark = pytest.mark.django_db

DEFINED = ("OperationDefinition", "SearchParameter", "CodeSystem")


@pytest.fixture
def rest(api: Api) -> dict[str, Any]:
    told: dict[str, Any] = api.get("/metadata").body["rest"][0]
    return told


def every(api: Api, kind: str) -> dict[str, dict[str, Any]]:
    """All of a type by canonical, page by page."""
    told: list[dict[str, Any]] = []
    following: str | None = f"/{kind}?_count=100"
    while following:
        page = api.get(following)
        told += page.resources
        following = page.link("next")
    assert len({each["id"] for each in told}) == len(told)
    return {each["url"]: each for each in told}


def test_every_operation_that_is_named_is_defined(api: Api, rest: dict[str, Any]) -> None:
    named = {each["definition"] for row in rest["resource"] for each in row.get("operation", [])}
    defined = every(api, "OperationDefinition")

    assert named == defined.keys()
    assert len(defined) == len(OPERATIONS)
    for url in named:
        assert found(api, "OperationDefinition", url=url) == [defined[url]["id"]]


def test_an_operation_is_defined_as_it_is_done(api: Api) -> None:
    hold = api.get("/OperationDefinition/Appointment-hold").body
    validate = api.get("/OperationDefinition/Resource-validate").body

    assert hold["code"] == "hold"
    assert hold["resource"] == ["Appointment"]
    assert (hold["affectsState"], hold["system"], hold["type"], hold["instance"]) == (
        True,
        False,
        True,
        False,
    )
    assert [
        (each["use"], each["name"], each["min"], each["type"]) for each in hold["parameter"]
    ] == [
        ("in", "appointment-reference", 1, "Reference"),
        ("out", "return", 1, "Appointment"),
    ]
    assert validate["resource"] == ["Resource"]


def test_every_search_parameter_that_is_named_is_defined(api: Api, rest: dict[str, Any]) -> None:
    defined = every(api, "SearchParameter")
    rows = [(row["type"], each) for row in rest["resource"] for each in row["searchParam"]]
    chained = {each["name"] for _, each in rows if "." in each["name"]}

    for kind, each in rows:
        if each["name"] in chained:
            assert "definition" not in each
            continue
        told = defined[each["definition"]]
        assert kind in told["base"], each
        assert (told["code"], told["type"]) == (each["name"], each["type"]), each
    assert {each["definition"] for _, each in rows if "definition" in each} == defined.keys()


def test_a_parameter_of_ours_is_defined_as_well(api: Api, rest: dict[str, Any]) -> None:
    url = "urn:ris:search-parameter:DiagnosticReport-imagingStudy"
    row = next(each for each in rest["resource"] if each["type"] == "DiagnosticReport")
    named = {each["name"]: each.get("definition") for each in row["searchParam"]}
    (told,) = api.get(f"/SearchParameter?url={url}").resources

    assert named["imagingStudy"] == url
    assert told["id"] == "DiagnosticReport-imagingStudy"
    assert told["expression"] == "DiagnosticReport.imagingStudy"
    assert told["target"] == ["ImagingStudy"]


def test_definitions_are_found_by_the_official_parameters(api: Api) -> None:
    by_base = {
        each["id"]
        for each in every(api, "SearchParameter").values()
        if "ImagingStudy" in each["base"]
    }
    asked = found(api, "SearchParameter", base="ImagingStudy", _count=200)

    assert set(asked) == by_base
    assert found(api, "SearchParameter", base="ImagingStudy", code="basedon") == [
        "ImagingStudy-basedon"
    ]
    assert "ImagingStudy-basedon" not in found(
        api, "SearchParameter", code__not="basedon", _count=500
    )
    assert found(api, "OperationDefinition", name="appointmentf") == ["Appointment-find"]
    assert found(api, "OperationDefinition", name__contains="FIND") == ["Appointment-find"]
    assert found(api, "OperationDefinition", name__exact="appointmentfind") == []
    assert found(api, "OperationDefinition", instance="true", type="false") == [
        "Patient-everything",
        "Subscription-events",
    ]
    assert found(api, "OperationDefinition", date="lt2026-01-01") == []
    assert found(api, "OperationDefinition", _lastUpdated="ge2026-03-01", _id="Patient-match") == [
        "Patient-match"
    ]
    assert found(api, "OperationDefinition", version__missing="false") == []
    assert found(api, "CodeSystem", code="no_show") == []
    assert found(api, "CodeSystem", code=StepStatus.NO_SHOW.value) == [
        "scheduled-procedure-step-status"
    ]


def test_definitions_are_paged_forth_and_back(api: Api) -> None:
    whole = found(api, "SearchParameter", _count=500)
    first = api.get("/SearchParameter?_count=150&_sort=-_id")
    second = api.get(first.link("next") or "")
    back = api.get(second.link("previous") or "")

    assert len(whole) > 300
    assert first.ids + second.ids == sorted(whole, reverse=True)[:300]
    assert back.ids == first.ids
    assert api.get("/SearchParameter?_summary=count").body["total"] == len(whole)


def test_the_codes_of_tasks_are_defined(api: Api) -> None:
    make.device()
    make.booked()
    status = api.get("/Task").resources[0]["businessStatus"]["coding"][0]
    (told,) = api.get(f"/CodeSystem?url={quote(status['system'])}").resources

    assert status["code"] in {each["code"] for each in told["concept"]}
    assert told["count"] == len(StepStatus)


def test_definitions_come_as_xml_and_are_not_kept(api: Api) -> None:
    told = api.get("/OperationDefinition/Appointment-find", Accept="application/fhir+xml")
    again = api.get("/OperationDefinition/Appointment-find", If_None_Match=told.headers["ETag"])
    for kind in DEFINED:
        api.get(f"/{kind}")

    assert (told.status, told.body["id"], again.status) == (200, "Appointment-find", 304)
    kept = [
        rows.objects.filter(type__in=DEFINED).count()
        for rows in (FhirResource, FhirVersion, FhirIndex)
    ]
    assert kept == [0, 0, 0]


def test_definitions_are_not_written_and_need_the_scope(api: Api) -> None:
    written = api.put("/OperationDefinition/Appointment-find", {})
    other = Api(token("system/Patient.rs", client="Other")).get("/OperationDefinition")
    one = Api(token("system/SearchParameter.rs?code=basedon", client="One"))

    assert [written.status, other.status] == [405, 403]
    assert one.get("/SearchParameter").ids == ["ImagingStudy-basedon"]
    assert one.get("/SearchParameter/Patient-name").status == 404
    assert api.get("/OperationDefinition/none").status == 404


@pytest.mark.parametrize("kind", DEFINED)
def test_no_definition_is_wrong(api: Api, kind: str) -> None:
    for each in every(api, kind).values():
        assert each["description"]
        answer = api.post(f"/{kind}/$validate", each)
        assert answer.issue["code"] == "informational", (each["id"], answer.body)
    assert KINDS[kind].interactions == ("read", "search-type")
