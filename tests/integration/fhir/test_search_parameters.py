"""Every search parameter of R4 is answered or named as not supported; none is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir import elements, paths
from integration.fhir.capability import capability_statement
from integration.fhir.compartments import COMPARTMENTS
from integration.fhir.resources import KINDS
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_official_parameter_is_searched_by_or_said_to_be_not(kind: str) -> None:
    official = elements.search_parameters(kind)
    served = KINDS[kind]

    assert official.keys() - served.parameters.keys() - served.unsupported.keys() == set()
    assert served.parameters.keys() & served.unsupported.keys() == set()


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("ServiceRequest", 22),
        ("Task", 19),
        ("Appointment", 16),  # part-status is of AppointmentResponse
        ("ImagingStudy", 17),
        ("DiagnosticReport", 17),
        ("Procedure", 16),
        ("Patient", 22),
        ("Observation", 38),
    ],
)
def test_the_types_of_an_imaging_department_know_what_r4_has(kind: str, count: int) -> None:
    own = [name for name in KINDS[kind].parameters if not name.startswith("_")]

    assert len(own) == count


def test_a_parameter_has_the_type_that_r4_gives_it() -> None:
    different = {
        (kind, name)
        for kind, served in KINDS.items()
        for name, parameter in served.parameters.items()
        if name in elements.search_parameters(kind)
        and parameter.type != elements.search_parameters(kind)[name].type
    }

    assert different == set()


def test_every_expression_can_be_evaluated() -> None:
    for kind in elements.resource_types():
        for parameter in elements.search_parameters(kind).values():
            if parameter.expression:
                assert paths.compiled(parameter.expression)


def test_the_traps_of_r4_are_known() -> None:
    assert "basedon" in KINDS["ImagingStudy"].parameters
    assert "imagingStudy" not in elements.search_parameters("DiagnosticReport")
    assert "imagingStudy" in KINDS["DiagnosticReport"].parameters
    assert "start" in KINDS["Slot"].parameters


def test_what_is_not_supported_is_in_the_capability_statement() -> None:
    statement = capability_statement(BASE)
    rows = {row["type"]: row for row in statement["rest"][0]["resource"]}

    assert "near (rooms have no coordinates)" in rows["Location"]["documentation"]
    for kind, row in rows.items():
        listed = {each["name"] for each in row["searchParam"]}
        assert set(KINDS[kind].parameters) <= listed
        for name in KINDS[kind].unsupported:
            assert f"{name} (" in row["documentation"]


def test_compartments_name_parameters_of_r4() -> None:
    for compartment, members in COMPARTMENTS.items():
        assert compartment in elements.resource_types()
        for kind, names in members.items():
            known = elements.search_parameters(kind)
            assert set(names) <= {*known, "{def}"}


# A value of each type that every parameter can read.
VALUES = {
    "token": "http://loinc.org|1",
    "string": "berg",
    "date": "ge2026-03-02",
    "reference": "01890000-0000-7000-8000-000000000001",
    "uri": "urn:x:y",
    "number": "lt5.4",
    "quantity": "5.4|http://unitsofmeasure.org|mg",
}


def value_of(kind: str, name: str) -> str:
    parameter = KINDS[kind].parameters[name]
    if parameter.type != "composite":
        return VALUES[parameter.type]
    second = elements.search_parameters(kind)[name].components[1].parameter
    return f"http://loinc.org|1${VALUES[elements.search_parameters(kind)[second].type]}"


@pytest.mark.django_db
def test_every_parameter_takes_a_value_and_missing(api: Api) -> None:
    for kind, served in KINDS.items():
        names = sorted(served.parameters)
        for start in range(0, len(names), 30):
            some = names[start : start + 30]
            for query in (
                "&".join(f"{name}={value_of(kind, name)}" for name in some),
                "&".join(f"{name}:missing=true" for name in some),
            ):
                answer = api.get(f"/{kind}?{query}")
                assert (answer.status, answer.resources) == (200, []), f"{kind}?{query}"


@pytest.mark.django_db
def test_missing_tells_who_has_no_value(api: Api) -> None:
    with_date = api.post("/Patient", resources.patient("1")).body["id"]
    body = resources.patient("2")
    del body["birthDate"]
    without = api.post("/Patient", body).body["id"]

    assert api.get("/Patient?birthdate:missing=true").ids == [without]
    assert api.get("/Patient?birthdate:missing=false").ids == [with_date]
    assert api.get("/Patient?gender:missing=true").ids == []
    assert api.get("/Patient?general-practitioner:missing=true").ids == [with_date, without]
    assert api.get("/Patient?birthdate:missing=perhaps").status == 400


@pytest.mark.django_db
def test_what_is_there_and_what_is_missing_is_everything() -> None:
    """Asked of the selectors, of what the core answers itself."""
    make.site()
    make.device()
    make.final_report(make.performed())
    for kind, served in KINDS.items():
        if not served.finder.sources:
            continue
        total = served.finder.count(served.criteria())
        for name, parameter in served.parameters.items():
            if parameter.indexed:
                continue
            found = 0
            for absent in (True, False):
                criteria: dict[str, Any] = {}
                parameter.missing(absent, criteria)
                found += served.finder.count(served.criteria(**criteria))
            assert found == total, f"{kind}.{name}"


def test_every_date_is_sorted_by() -> None:
    left_out = {
        (kind.name, each.name)
        for kind in KINDS.values()
        for each in kind.parameters.values()
        if each.type == "date" and each.name not in kind.sorts
    }

    assert left_out == set()


@pytest.mark.django_db
def test_every_sort_that_is_named_is_done(api: Api) -> None:
    for kind in KINDS.values():
        for name in kind.sorts:
            for sort in (name, f"-{name}"):
                answer = api.get(f"/{kind.name}?_sort={sort}&_count=2")
                assert answer.status == 200, (kind.name, sort, answer.body)
