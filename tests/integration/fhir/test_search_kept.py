"""Types the core has no table for are searched like those it has (FHIR R4 3.1.1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import FhirIndex
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, found
from tests.integration.fhir.bundles import bundle, entry

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CREATININE = {
    "coding": [{"system": LOINC, "code": "2160-0", "display": "Creatinine [Mass/volume] in Serum"}],
    "text": "Kreatinin",
}
PRESSURE = {"coding": [{"system": LOINC, "code": "85354-9"}], "text": "Blood pressure"}


def observation(patient: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": CREATININE,
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }


def quantity(value: float, code: str = "mg/dL", unit: str = "mg per dl") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


@pytest.fixture
def cast(api: Api) -> dict[str, str]:
    """Observations by a name of our own."""
    anna = api.post("/Patient", resources.patient("A1")).body["id"]
    body = resources.patient("B1", name=[{"family": "Berg", "given": ["Bo"]}])
    bo = api.post("/Patient", body).body["id"]
    component = [
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value)}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ]
    given = {
        "low": observation(
            anna,
            valueQuantity=quantity(0.8),
            effectiveDateTime="2026-03-02",
            identifier=[
                {
                    "type": {"coding": [{"system": "urn:t", "code": "ACSN"}]},
                    "system": "urn:lab",
                    "value": "L1",
                }
            ],
            meta={"tag": [{"system": "urn:tags", "code": "safety"}], "source": "urn:lab:1"},
            performer=[{"identifier": {"system": "urn:staff", "value": "7"}}],
        ),
        "high": observation(
            bo,
            valueQuantity=quantity(5.4),
            effectivePeriod={"start": "2026-03-03T10:00:00Z", "end": "2026-03-05T10:00:00Z"},
            status="preliminary",
            meta={"profile": ["urn:profile:a|2.0"]},
        ),
        "pressure": observation(anna, code=PRESSURE, component=component),
        "word": observation(
            bo, valueString="Slightly Élevated", effectiveDateTime="2026-04", code={"text": "Note"}
        ),
    }
    ids = {name: str(api.post("/Observation", body).body["id"]) for name, body in given.items()}
    link = observation(anna, hasMember=[{"reference": f"Observation/{ids['low']}"}], code=PRESSURE)
    ids["panel"] = str(api.post("/Observation", link).body["id"])
    return {**ids, "Anna": anna, "Bo": bo}


CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({"code": "2160-0"}, {"low", "high"}),
    ({"code": f"{LOINC}|2160-0"}, {"low", "high"}),
    ({"code": f"{LOINC}|"}, {"low", "high", "pressure", "panel"}),
    ({"code": "urn:other|2160-0"}, set()),
    ({"code": "2160-0,85354-9"}, {"low", "high", "pressure", "panel"}),
    ({"code__not": "2160-0"}, {"pressure", "word", "panel"}),
    ({"code__text": "kreat"}, {"low", "high"}),
    ({"code__text": "CREATININE"}, {"low", "high"}),
    ({"code__missing": "true"}, set()),
    ({"status": "preliminary"}, {"high"}),
    ({"status": "http://hl7.org/fhir/observation-status|preliminary"}, {"high"}),
    ({"status__not": "final"}, {"high"}),
    ({"identifier": "urn:lab|L1"}, {"low"}),
    ({"identifier": "|L1"}, set()),
    ({"identifier__of-type": "urn:t|ACSN|L1"}, {"low"}),
    ({"identifier__of-type": "urn:t|PLAC|L1"}, set()),
    ({"value-quantity": "5.4"}, {"high"}),
    ({"value-quantity": "5.40"}, {"high"}),
    ({"value-quantity": "5"}, {"high"}),  # from 4.5 to 5.5, by its digits
    ({"value-quantity": "5.0"}, set()),
    ({"value-quantity": "gt0.8"}, {"high"}),
    ({"value-quantity": "ge0.8"}, {"low", "high"}),
    ({"value-quantity": "lt5.4|http://unitsofmeasure.org|mg/dL"}, {"low"}),
    ({"value-quantity": "0.8||mg/dL"}, {"low"}),
    ({"value-quantity": "0.8||mg per dl"}, {"low"}),
    ({"value-quantity": "0.8|http://unitsofmeasure.org|g/L"}, set()),
    ({"value-quantity": "ap5"}, {"high"}),
    ({"value-quantity": "ne0.8"}, {"high"}),
    ({"value-string": "slightly elev"}, {"word"}),
    ({"value-string__contains": "ELEV"}, {"word"}),
    ({"value-string__exact": "Slightly Élevated"}, {"word"}),
    ({"value-string__exact": "slightly elevated"}, set()),
    ({"date": "2026-03-02"}, {"low"}),
    ({"date": "2026-03"}, {"low", "high"}),
    ({"date": "ge2026-03-04"}, {"high", "word"}),
    ({"date": "lt2026-03-03"}, {"low"}),
    ({"date": "sa2026-03-03"}, {"word"}),
    ({"date": "eb2026-03-04"}, {"low"}),
    ({"date": "ne2026-03-02"}, {"high", "word"}),
    ({"date": ["ge2026-03-01", "le2026-03-31"]}, {"low", "high"}),
    ({"date__missing": "true"}, {"pressure", "panel"}),
    ({"performer__identifier": "urn:staff|7"}, {"low"}),
    ({"performer__identifier": "8"}, set()),
    ({"_tag": "urn:tags|safety"}, {"low"}),
    ({"_source": "urn:lab:1"}, {"low"}),
    ({"_profile": "urn:profile:a"}, {"high"}),
    ({"_profile": "urn:profile:a|2.0"}, {"high"}),
    ({"_security": "urn:x|y"}, set()),
    ({"component-code": "8480-6"}, {"pressure"}),
    ({"component-code-value-quantity": "8480-6$gt100"}, {"pressure"}),
    ({"component-code-value-quantity": f"{LOINC}|8462-4$gt100"}, set()),
    ({"combo-code-value-quantity": "2160-0$lt1"}, {"low"}),
    ({"code-value-string": "2160-0$slight"}, set()),
    ({"patient.family": "berg"}, {"high", "word"}),
    ({"subject:Patient.name:exact".replace(":", "__"): "Bo"}, {"high", "word"}),
    ({"has-member.code": "2160-0"}, {"panel"}),
    ({"has-member.patient.family": "berg"}, set()),
    ({"_has:Observation:has-member:code".replace(":", "__"): "85354-9"}, {"low"}),
]


@pytest.mark.parametrize("number", range(0, len(CASES), 14))
def test_observations_are_found(api: Api, cast: dict[str, str], number: int) -> None:
    names = {public_id: name for name, public_id in cast.items()}
    for parameters, expected in CASES[number : number + 14]:
        assert {names[each] for each in found(api, "Observation", **parameters)} == expected, (
            parameters
        )


def test_references_are_found_in_every_form(api: Api, cast: dict[str, str]) -> None:
    anna = cast["Anna"]
    own = {cast["low"], cast["pressure"], cast["panel"]}

    for value in (anna, f"Patient/{anna}", f"{BASE}/Patient/{anna}"):
        assert set(found(api, "Observation", patient=value)) == own
        assert set(found(api, "Observation", subject=value)) == own
    assert set(found(api, "Observation", subject__Patient=anna)) == own
    assert found(api, "Observation", subject=f"Device/{anna}") == []
    assert found(api, "Observation", subject__Device=anna) == []


@pytest.mark.parametrize(
    "query",
    [
        "value-quantity=much",
        "value-quantity=1|mg",
        "code:in=http://example.org/vs",
        "code:above=x",
        "_profile:below=urn:x",
        "component-code-value-quantity=8480-6",
        "date=yesterday",
        "identifier:of-type=x",
        "code.text=x",
    ],
)
def test_what_cannot_be_asked_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"/Observation?{query}")

    assert (answer.status, answer.issue["code"]) == (400, "invalid")


def test_what_was_changed_is_found_as_it_is_now(api: Api, cast: dict[str, str]) -> None:
    low = cast["low"]
    body = api.get(f"/Observation/{low}").body
    api.put(f"/Observation/{low}", {**body, "valueQuantity": quantity(1.5)})

    assert found(api, "Observation", **{"value-quantity": "0.8"}) == []
    assert found(api, "Observation", **{"value-quantity": "1.5"}) == [low]

    api.request("DELETE", f"/Observation/{low}")

    assert found(api, "Observation", code="2160-0") == [cast["high"]]
    assert not FhirIndex.objects.filter(public_id=low).exists()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("date", ["low", "high", "word", "pressure", "panel"]),
        ("-date,_id", ["word", "high", "low", "pressure", "panel"]),
        ("value-string,_id", ["word", "low", "high", "pressure", "panel"]),
        ("code,-date", ["high", "low", "pressure", "panel", "word"]),
    ],
)
def test_observations_are_sorted_over_pages(
    api: Api, cast: dict[str, str], sort: str, expected: list[str]
) -> None:
    names = {public_id: name for name, public_id in cast.items()}
    shown = []
    address: str | None = f"/Observation?_sort={sort}&_count=2"
    for _ in range(5):
        assert address is not None
        answer = api.get(address)
        shown += [names[each] for each in answer.ids]
        address = answer.link("next")
        if address is None:
            break

    assert shown == expected


def test_what_clients_sent_of_a_patient_is_searched(api: Api) -> None:
    role = {"resourceType": "PractitionerRole", "code": [{"text": "referrer"}]}
    doctor = api.post("/PractitionerRole", role).body["id"]
    body = resources.patient(
        "1",
        generalPractitioner=[{"reference": f"PractitionerRole/{doctor}"}],
        communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "sv"}]}}],
        address=[{"city": "Malmö", "country": "SE", "text": "Storgatan 1, Malmö"}],
    )
    patient = api.post("/Patient", {**body, "meta": {"tag": [{"code": "vip"}]}}).body["id"]
    api.post("/Patient", resources.patient("2"))

    for query in (
        {"general-practitioner": doctor},
        {"general-practitioner:PractitionerRole.role": "referrer"},
        {"language": "sv"},
        {"address-city": "malmo"},
        {"address": "storgatan"},
        {"_tag": "vip"},
    ):
        query = {name.replace(":", "__"): value for name, value in query.items()}
        if "general-practitioner__PractitionerRole.role" in query:
            assert found(api, "Patient", **query) == []  # a role in words has no code
        else:
            assert found(api, "Patient", **query) == [patient], query


def test_a_full_page_brings_what_refers_to_any_of_it(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body["id"]
    whole = bundle(*(entry("POST", "Observation", observation(patient)) for _ in range(500)))
    assert api.post("", whole).status == 200
    last = found(api, "Observation", _count=500)[-1]
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{patient}"},
        "evidence": [{"detail": [{"reference": f"Observation/{last}"}]}],
    }
    assert api.post("/Condition", condition).status == 201

    answer = api.get(
        "/Observation?_count=500&_revinclude=Condition:evidence-detail&_revinclude=Observation:focus"
    )

    assert (answer.status, len(answer.of("match"))) == (200, 500)
    assert [each["resourceType"] for each in answer.of("include")] == ["Condition"]


def test_a_document_is_found_by_what_it_does_to_another(api: Api) -> None:
    def document(**elements: Any) -> str:
        content = [{"attachment": {"url": "http://archive.example/1"}}]
        body = {"resourceType": "DocumentReference", "status": "current", "content": content}
        answer = api.post("/DocumentReference", {**body, **elements})
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    first, other = document(), document()
    target = {"reference": f"DocumentReference/{first}"}
    second = document(relatesTo=[{"code": "appends", "target": target}])

    # The official definition names the parts in one order and their elements in the other.
    for asked in (
        f"DocumentReference/{first}$appends",
        f"{first}$appends",
        f"appends$DocumentReference/{first}",
    ):
        assert found(api, "DocumentReference", relationship=asked) == [second], asked
    for asked in (f"DocumentReference/{first}$replaces", f"DocumentReference/{other}$appends"):
        assert found(api, "DocumentReference", relationship=asked) == []
    assert found(api, "DocumentReference", relationship__missing="false") == [second]


def test_what_is_said_in_words_or_by_number_alone_is_not_missing(api: Api) -> None:
    observation = {"resourceType": "Observation", "status": "final"}
    worded = {**observation, "code": {"text": "Headache score"}}
    by_number = {"identifier": {"system": "urn:x", "value": "7"}}
    named = {**worded, "performer": [by_number], "method": {"text": "by asking"}}
    plain, full = (api.post("/Observation", each).body["id"] for each in (worded, named))

    assert found(api, "Observation", code__missing="false") == [plain, full]
    assert found(api, "Observation", code__missing="true") == []
    assert found(api, "Observation", method__missing="false") == [full]
    assert found(api, "Observation", performer__missing="false") == [full]
    assert found(api, "Observation", performer__missing="true") == [plain]
