"""Searching: patients, parameters, modifiers, prefixes, forms."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from ris.domain.actors import OPERATOR
from ris.domain.catalog import MapCode
from ris.domain.values import Code, PartialDate
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, found

pytestmark = [pytest.mark.django_db, pytest.mark.database]


# --- patients


@pytest.fixture
def cast(api: Api) -> dict[str, str]:
    """Patients by family name."""
    people_ = {
        "Berg": {"birthDate": "1970-05-03", "name": [{"family": "Berg", "given": ["Anna", "Eva"]}]},
        "Bergström": {"birthDate": "1970-05", "gender": "male"},
        "Łukasz": {"birthDate": "1970"},
        "Oberg": {"deceasedBoolean": True, "telecom": [{"system": "phone", "value": "4711"}]},
    }
    ids = {}
    for family, elements in people_.items():
        name = [{"family": family, "given": ["Kim"]}]
        body = resources.patient(family, **{"name": name, "birthDate": None, **elements})
        ids[family] = api.post(
            "/Patient", {key: value for key, value in body.items() if value is not None}
        ).body["id"]
    return ids


def names(cast: dict[str, str], ids: list[str]) -> list[str]:
    """Family names instead of ids."""
    return sorted(family for family, public_id in cast.items() if public_id in ids)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"family": "berg"}, ["Berg", "Bergström"]),
        ({"family": "BERGSTRO"}, ["Bergström"]),
        ({"family": "lukasz"}, ["Łukasz"]),
        ({"family__exact": "Berg"}, ["Berg"]),
        ({"family__exact": "berg"}, []),
        ({"family__contains": "berg"}, ["Berg", "Bergström", "Oberg"]),
        ({"given": "ann"}, ["Berg"]),
        ({"given": "eva"}, ["Berg"]),
        ({"given__exact": "Eva"}, ["Berg"]),
        ({"name": "anna"}, ["Berg"]),
        ({"name": "ober"}, ["Oberg"]),
        ({"family": "berg,lukasz"}, ["Berg", "Bergström", "Łukasz"]),
        ({"family": ["berg"], "given": "anna"}, ["Berg"]),
        ({"name": ["berg", "kim"]}, ["Bergström"]),
        ({"family": "b%"}, []),
        ({"family": "_erg"}, []),
        ({"gender": "male"}, ["Bergström"]),
        ({"gender__not": "male"}, ["Berg", "Oberg", "Łukasz"]),
        ({"gender": "male,female", "family": "berg"}, ["Berg", "Bergström"]),
        ({"gender": "nonsense"}, []),
        ({"deceased": "true"}, ["Oberg"]),
        ({"active": "true", "family": "ober"}, ["Oberg"]),
        ({"active": "false"}, []),
        ({"phone": "47"}, ["Oberg"]),
        ({"birthdate": "1970-05-03"}, ["Berg"]),
        ({"birthdate": "1970-05"}, ["Berg", "Bergström"]),
        ({"birthdate": "1970"}, ["Berg", "Bergström", "Łukasz"]),
        ({"birthdate": "lt1970-05"}, ["Łukasz"]),
        ({"birthdate": "gt1970-05-03"}, ["Bergström", "Łukasz"]),
        ({"birthdate": ["ge1970-05-01", "le1970-05-31"]}, ["Berg", "Bergström", "Łukasz"]),
        ({"birthdate": "sa1969"}, ["Berg", "Bergström", "Łukasz"]),
        ({"birthdate": "eb1971"}, ["Berg", "Bergström", "Łukasz"]),
        ({"birthdate": "ne1970-05-03"}, ["Bergström", "Łukasz"]),
        ({"birthdate": "ap1970-05-20"}, ["Berg", "Bergström"]),
        ({"identifier": "Berg"}, ["Berg"]),
        ({"identifier": f"{resources.MRN}|Berg"}, ["Berg"]),
        ({"identifier": f"{resources.MRN}|"}, ["Berg", "Bergström", "Oberg", "Łukasz"]),
        ({"identifier": "|Berg"}, []),
        ({"identifier": "urn:oid:1.2.3|Berg"}, []),
        ({"identifier": f"{resources.MRN}|Berg,{resources.MRN}|Oberg"}, ["Berg", "Oberg"]),
    ],
)
def test_patients_are_found(api: Api, cast: dict[str, str], parameters, expected) -> None:
    assert names(cast, found(api, "Patient", **parameters)) == expected


def test_patients_are_found_by_id(api: Api, cast: dict[str, str]) -> None:
    assert found(api, "Patient", _id=cast["Berg"]) == [cast["Berg"]]
    assert found(api, "Patient", _id=f"{cast['Berg']},{cast['Oberg']}") == [
        cast["Berg"],
        cast["Oberg"],
    ]
    assert found(api, "Patient", _id="no-id-of-ours") == []


def test_a_backslash_takes_the_meaning_of_a_comma(api: Api) -> None:
    body = resources.patient(name=[{"family": "Comma, with"}])
    public_id = api.post("/Patient", body).body["id"]

    assert found(api, "Patient", family="Comma\\, w") == [public_id]
    assert found(api, "Patient", family="Comma\\, w", given="kim") == []


def test_a_patient_is_found_in_any_writing(api: Api) -> None:
    representation = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
    written = [
        {"use": "official", "family": "Yamada", "given": ["Tarou"]},
        {
            "use": "official",
            "family": "山田",
            "given": ["太郎"],
            "extension": [{"url": representation, "valueCode": "IDE"}],
        },
    ]
    public_id = api.post("/Patient", resources.patient(name=written)).body["id"]

    for parameters in ({"family": "yama"}, {"family": "山"}, {"given": "太"}, {"name": "tarou"}):
        assert found(api, "Patient", **parameters) == [public_id]


def test_a_site_names_its_issuers_by_uri(api: Api) -> None:
    order = make.order()
    number = order.patient.identifiers.get().value
    source, target = Code("http://hospital.example/mrn"), Code("HOSP")
    execute(MapCode(table="issuer", source=source, target=target), actor=OPERATOR)

    patient = found(api, "Patient", identifier=f"http://hospital.example/mrn|{number}")

    assert patient == [str(order.patient.public_id)]
    shown = api.get(f"/Patient/{patient[0]}").body["identifier"][0]
    assert shown["system"] == "http://hospital.example/mrn"


# --- times


def test_changes_are_found_by_time(api: Api) -> None:
    make.device()
    order = make.booked()
    at = api.get(f"/ServiceRequest/{order.public_id}").body["meta"]["lastUpdated"]
    later = "2099-01-01"

    for kind in ("ServiceRequest", "Task", "Appointment", "Patient", "Device", "Location"):
        assert found(api, kind, _lastUpdated=f"lt{later}") != [], kind
        assert found(api, kind, _lastUpdated=f"gt{later}") == [], kind
    assert found(api, "ServiceRequest", _lastUpdated=f"ge{at}") == [str(order.public_id)]
    assert found(api, "ServiceRequest", _lastUpdated=f"lt{at}") == []


def test_a_day_is_the_day_of_the_site(api: Api, settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    timezone.get_default_timezone.cache_clear()
    try:
        make.device()
        make.booked()  # noon in UTC is the next day in Auckland

        assert found(api, "Appointment", date="2026-03-02") == []
        assert len(found(api, "Appointment", date="2026-03-03")) == 1
        assert len(found(api, "Appointment", date="2026-03-02T12:00:00Z")) == 1
    finally:
        timezone.get_default_timezone.cache_clear()


# --- what is not understood


def test_the_ends_of_the_calendar_are_days_like_others(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))
    count = {
        when: len(found(api, "Patient", _lastUpdated=when))
        for when in ("le9999-12-31", "lt9999", "ge9999-12-31T23:59:59Z", "ap9999-12-31", "ge0001")
    }

    assert count == {
        "le9999-12-31": 1,
        "lt9999": 1,
        "ge9999-12-31T23:59:59Z": 0,
        "ap9999-12-31": 0,
        "ge0001": 1,
    }
    assert found(api, "Patient", _lastUpdated="ap0001-01-02") == []


@pytest.mark.parametrize(
    "query",
    [
        "family:phonetic=berg",
        "identifier:of-type=a|b",
        "birthdate=yesterday",
        "birthdate=1970-13",
        "birthdate=1970-02-30",
        "birthdate=zz1970",
        "family=a,,b",
        "family=" + "x" * 201,
        "_count=many",
        "_sort=colour",
        "_total=roughly",
        "_cursor=nonsense",
        "birthdate.given=berg",
        "family=%00",
        "&".join(["family=x"] * 65),
    ],
)
def test_what_is_malformed_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"/Patient?{query}")

    assert answer.status == 400
    assert answer.body["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "query", ["patient.colour=x", "based-on:Task=1", "patient:Practitioner.identifier=1"]
)
def test_chains_and_types_that_do_not_exist_are_refused(api: Api, query: str) -> None:
    assert api.get(f"/Task?{query}").status == 400


def test_an_unknown_parameter_is_ignored_and_reported(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body["id"]

    answer = api.get("/Patient?colour=red&identifier=1&_text=x")

    assert (answer.status, answer.ids) == (200, [patient])
    outcome = answer.of("outcome")[0]
    assert [issue["diagnostics"] for issue in outcome["issue"]] == [
        "ignored: colour",
        "ignored: _text (there is no full text index)",
    ]
    assert answer.link("self") == f"{BASE}/Patient?identifier=1"


@pytest.mark.parametrize("said", ["handling=strict", 'Handling="strict"'])
def test_a_strict_client_hears_of_unknown_parameters(api: Api, said: str) -> None:
    answer = api.get("/Patient?colour=red", Prefer=said)

    assert (answer.status, answer.issue["code"]) == (400, "not-supported")
    assert answer.issue["diagnostics"] == "not supported: colour"


def test_a_parameter_without_value_asks_nothing(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body["id"]

    assert found(api, "Patient", family="", identifier="1") == [patient]


def test_birth_dates_that_are_not_known_match_no_date(api: Api) -> None:
    make.order(patient=make.patient(birth_date=PartialDate("")))

    assert found(api, "Patient", birthdate="ne1970") == []
    assert found(api, "Patient", birthdate="lt2030") == []


# --- forms


def test_a_search_may_be_posted_as_a_form(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body["id"]
    api.post("/Patient", resources.patient("2"))

    answer = api.request(
        "POST",
        "/Patient/_search?family=lindqvist",
        b"identifier=1&_count=5",
        Content_Type="application/x-www-form-urlencoded",
    )

    assert (answer.status, answer.ids) == (200, [patient])
    assert answer.link("self") == f"{BASE}/Patient?family=lindqvist&identifier=1&_count=5"


def test_a_posted_search_without_body_is_a_search(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))

    answer = api.request(
        "POST", "/Patient/_search?identifier=1", Content_Type="application/x-www-form-urlencoded"
    )

    assert (answer.status, len(answer.ids)) == (200, 1)


def test_a_search_posted_as_json_is_not_read(api: Api) -> None:
    assert api.post("/Patient/_search", {"family": "x"}).status == 415
