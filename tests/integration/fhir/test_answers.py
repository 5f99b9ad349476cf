"""Answers of every served type before readers not written here, and resources that come back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from integration.fhir import json, structure, xml
from integration.fhir.resources import KINDS
from ris.domain.actors import OPERATOR
from ris.domain.facility import RegisterPractitioner
from ris.domain.patients import VisitDetails
from ris.domain.values import Identifier, PersonName
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token
from tests.integration.fhir.test_examples import WRONG, as_text, of_served_types
from tests.integration.fhir.validator import faults

JSON, XML = "application/fhir+json", "application/fhir+xml"

# Types that are kept as they are sent; of each a few examples go in and out.
KEPT = (
    "AllergyIntolerance", "Binary", "Condition", "Coverage", "DocumentReference",
    "HealthcareService", "Media", "Observation", "PractitionerRole", "RelatedPerson", "Specimen",
)  # fmt: skip
OF_EACH = 2

# Types that nothing below makes a resource of; their own tests do.
NOT_MADE = {"AppointmentResponse", "Endpoint", "Subscription"}


@pytest.fixture
def api(db: None) -> Api:
    return Api(token())


def elsewhere(value: Any) -> Any:
    """References of an example as those to another server: what they name is not here."""
    if isinstance(value, list):
        return [elsewhere(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"http://elsewhere.example/fhir/{item}"
        if name == "reference" and re.match(r"[A-Z][A-Za-z]+/", str(item))
        else elsewhere(item)
        for name, item in value.items()
    }


def bare(resource: dict[str, Any]) -> Any:
    """Without what the server gives, numbers as text."""
    return as_text({name: resource[name] for name in resource if name not in {"id", "meta"}})


def of_type(kind: str) -> list[dict[str, Any]]:
    """The official examples of a type that are R4."""
    return [
        elsewhere(each)
        for name, each in of_served_types().items()
        if each["resourceType"] == kind and name not in WRONG
    ]


def raw(api: Api, path: str, media_type: str) -> bytes:
    found = api.client.get(
        f"/fhir{path}", headers={"Authorization": f"Bearer {api.token}", "Accept": media_type}
    )
    assert found.status_code == 200, found.content
    content: bytes = found.content
    return content


def test_examples_of_kept_types_come_back_in_the_other_format_as_they_were_sent(api: Api) -> None:
    for kind in KEPT:
        for number, example in enumerate(of_type(kind)[:OF_EACH]):
            in_xml = number % 2 == 1
            body = xml.write(example) if in_xml else json.write(example)

            sent = api.request("POST", f"/{kind}", body, Content_Type=XML if in_xml else JSON)

            assert sent.status == 201, (kind, example["id"], sent.body)
            path = f"/{kind}/{sent.body['id']}"
            back = json.read(raw(api, path, JSON)) if in_xml else xml.read(raw(api, path, XML))
            assert bare(back) == bare(example), path


def test_examples_of_what_the_core_knows_come_back_with_what_was_sent(api: Api) -> None:
    examples = [
        *(each for each in of_type("Patient") if "link" not in each and named(each)),
        *of_type("Organization")[:4],
        *of_type("Practitioner")[:4],
    ]
    for example in examples:
        kind = example["resourceType"]
        sent = api.request("POST", f"/{kind}", json.write(example))

        assert sent.status == 201, (example["id"], sent.body)
        back = bare(json.read(raw(api, f"/{kind}/{sent.body['id']}", JSON)))
        assert {name: back[name] for name in bare(example)} == bare(example)
    assert len(examples) >= 18


def named(patient: dict[str, Any]) -> bool:
    return bool(patient.get("name"))


def test_answers_of_every_type_are_valid_for_a_validator_not_written_here(api: Api) -> None:
    make.site()
    make.device()
    make.final_report(make.performed(visit=VisitDetails(number=Identifier("V1", "HOSP"))))
    execute(RegisterPractitioner(name=PersonName.of("Holm", "Nils")), actor=OPERATOR)
    for kind in KEPT:
        api.request("POST", f"/{kind}", json.write(of_type(kind)[0]))
    api.post("/ServiceRequest", resources.service_request())

    bodies: dict[str, str | bytes] = {"metadata": raw(api, "/metadata", XML)}
    own: dict[str, list[str]] = {}
    missing = set()
    for kind in KINDS:
        bundle = json.read(raw(api, f"/{kind}?_count=1", JSON))
        own[kind] = [f"{each.path}: {each.message}" for each in structure.faults("Bundle", bundle)]
        if "entry" not in bundle:
            missing.add(kind)
            continue
        shown = bundle["entry"][0]["resource"]
        bodies[f"{kind} in JSON"] = json.write(shown)
        bodies[f"{kind} in XML"] = raw(api, f"/{kind}/{shown['id']}", XML)
    bodies["a refusal in XML"] = api.client.get("/fhir/nowhere?_format=xml").content

    assert missing <= NOT_MADE
    assert {kind: wrong for kind, wrong in own.items() if wrong} == {}
    assert faults(bodies) == {}
