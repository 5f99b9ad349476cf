"""What a resource is found by, read out of its JSON (FHIR R4 3.1.1.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from integration.fhir import indexing, paths
from integration.fhir.commands import reindex
from ris.domain.fhir_index import ANY_SYSTEM, BEGINNING, END, IndexEntry
from ris.models import FhirIndex
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, found

HERE = "https://here/fhir"
ID = "01890000-0000-7000-8000-000000000001"


def entries(kind: str, name: str, **elements: Any) -> list[IndexEntry]:
    return list(indexing.entries_of(kind, elements, frozenset({name}), UTC))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Observation.code", [{"text": "c"}]),
        ("Observation.code.text", ["c"]),
        ("Observation.value", [{"value": 1}]),
        ("(Observation.value as Quantity)", [{"value": 1}]),
        ("Observation.value.ofType(string)", []),
        ("Observation.component.value.as(string)", ["a", "b"]),
        ("Observation.component[1].valueString", ["b"]),
        ("Observation.code.text | Observation.status", ["c", "final"]),
        ("Observation.subject.where(resolve() is Patient)", [{"reference": "Patient/1"}]),
        ("Observation.subject.where(resolve() is Device)", []),
        ("Observation.identifier.where(system='s').value", ["1"]),
        ("Observation.identifier.exists()", [True]),
        ("Observation.device.exists()", [False]),
        ("Patient.name", []),
        ("Resource.status", ["final"]),
        ("Observation.valueSet", []),
    ],
)
def test_expressions_are_evaluated(expression: str, expected: list[Any]) -> None:
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "c"},
        "subject": {"reference": "Patient/1"},
        "identifier": [{"system": "s", "value": "1"}, {"system": "t", "value": "2"}],
        "valueQuantity": {"value": 1},
        "component": [{"valueString": "a"}, {"valueString": "b"}, {"valueInteger": 3}],
    }

    assert paths.values(resource, expression) == expected


@pytest.mark.parametrize("expression", ["A.b.first()", "A.b > 1", "A.b.where(x)", "A.", "A.b)"])
def test_other_fhirpath_is_refused(expression: str) -> None:
    with pytest.raises(paths.UnknownFormError):
        paths.compiled(expression)


def test_the_dead_are_known_by_a_flag_or_a_date() -> None:
    for elements, dead in (
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedDateTime": "2026"}, True),
    ):
        assert entries("Patient", "deceased", **elements) == [
            IndexEntry("deceased", ANY_SYSTEM, "true" if dead else "false")
        ]


def test_dates_mean_an_interval() -> None:
    def day(number: int) -> datetime:
        return datetime(2026, 3, number, tzinfo=UTC)

    for elements, low, high in (
        ({"effectiveDateTime": "2026-03-02"}, day(2), day(3)),
        ({"effectivePeriod": {"start": "2026-03-02"}}, day(2), END),
        ({"effectivePeriod": {"end": "2026-03-02"}}, BEGINNING, day(3)),
        ({"effectiveTiming": {"event": ["2026-03-04", "2026-03-02"]}}, day(2), day(5)),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2026-03-02"}}}},
            day(2),
            END,
        ),
    ):
        assert entries("Observation", "date", **elements) == [
            IndexEntry("date", low=low, high=high)
        ]


def test_a_reference_may_lead_here_or_elsewhere() -> None:
    for reference, expected in (
        (f"Patient/{ID}", [("Patient", "", ID)]),
        (f"Patient/{ID}/_history/3", [("Patient", "", ID)]),
        (f"{HERE}/Patient/{ID}", [("Patient", "", ID), ("Patient", f"{HERE}/Patient/{ID}", "")]),
        ("https://there/fhir/Patient/7", [("", "https://there/fhir/Patient/7", "")]),
        ("urn:uuid:1", [("", "urn:uuid:1", "")]),
        ("#p", []),
    ):  # fmt: skip
        found_ = entries("Observation", "subject", subject={"reference": reference})
        assert [(each.system, each.code, each.target) for each in found_] == expected


def test_a_composite_is_one_row_for_each_pair() -> None:
    code = {"coding": [{"system": "s", "code": "a"}, {"code": "b"}]}
    found_ = entries(
        "Observation",
        "code-value-quantity",
        code=code,
        valueQuantity={"value": Decimal("5.40"), "unit": "mg"},
    )

    assert found_ == [
        IndexEntry("code-value-quantity", code="mg", text="s|a", number=5.4),
        IndexEntry("code-value-quantity", code="mg", text="|b", number=5.4),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "elements"),
    [
        ("Observation", "code", {"code": "text"}),
        ("Observation", "date", {"effectiveDateTime": "soon"}),
        ("Observation", "date", {"effectiveDateTime": 7, "effectivePeriod": {"start": []}}),
        ("Observation", "value-quantity", {"valueQuantity": {"value": "much"}}),
        ("Observation", "subject", {"subject": {"reference": 4}}),
        ("Patient", "name", {"name": [None, 3, {"family": 4, "given": {}}]}),
        ("Patient", "identifier", {"identifier": [{"value": {}}, []]}),
    ],
)
def test_what_is_malformed_stops_no_write(kind: str, name: str, elements: Any) -> None:
    indexing.entries_of(kind, elements, frozenset({name}), UTC)


@pytest.mark.django_db
def test_the_index_can_be_written_again(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    patient = api.post("/Patient", resources.patient("1", meta={"tag": [{"code": "t"}]})).body["id"]
    body = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"text": "Asthma"},
    }
    kept = api.post("/Condition", body).body["id"]
    gone = api.post("/Condition", body).body["id"]
    api.request("DELETE", f"/Condition/{gone}")
    before = sorted(FhirIndex.objects.values_list("type", "parameter", "code", "text"))
    FhirIndex.objects.all().delete()
    assert found(api, "Condition", patient=patient) == []

    assert reindex([]) == 0

    assert capsys.readouterr().out == "3 resources were indexed\n"
    assert sorted(FhirIndex.objects.values_list("type", "parameter", "code", "text")) == before
    assert found(api, "Condition", patient=patient) == [kept]
    assert found(api, "Patient", _tag="t") == [patient]
