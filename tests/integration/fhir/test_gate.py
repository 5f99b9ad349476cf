"""The gate: every fault of structure that libraries let pass is refused, with its place."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from integration.fhir import gate, structure
from integration.fhir.outcome import MAX_ISSUES, refusal
from integration.fhir.structure import MAX_FAULTS
from ris.domain.errors import RisError
from tests.integration.fhir import resources

Faults = list[tuple[int, str, str]]


def faults(kind: str, resource: dict[str, Any] | bytes) -> Faults:
    """Status of the answer, and issue code and element of each fault."""
    raw = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    try:
        gate.check(kind, raw)
    except RisError as error:
        found = refusal(error)
        return [
            (found.status, issue["code"], "".join(issue.get("expression", [])))
            for issue in found.body["issue"]
        ]
    return []


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "creatinine"},
        **elements,
    }


def division(inner: str) -> dict[str, Any]:
    text = f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'
    return {"status": "generated", "div": text}


DICOM = "http://dicom.example"

# One line a fault of spec/fhir.md 2.3: what is sent, status, issue code, element.
CASES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    # codes
    "a code outside a required binding": (
        patient(gender="M"), 422, "code-invalid", "Patient.gender"),
    "a code outside a required binding further in": (
        patient(telecom=[{"system": "radio", "value": "1"}]),
        422, "code-invalid", "Patient.telecom[0].system"),
    "a concept outside a required binding": (
        {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"},
         "clinicalStatus": {"coding": [{"system": "http://x.example", "code": "active"}]}},
        422, "code-invalid", "AllergyIntolerance.clinicalStatus"),
    "a concept of a required binding without a code": (
        {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"},
         "clinicalStatus": {"text": "active"}},
        422, "code-invalid", "AllergyIntolerance.clinicalStatus"),
    # references
    "a reference to a type it cannot lead to": (
        observation(subject={"reference": "Practitioner/1"}),
        422, "value", "Observation.subject.reference"),
    "an absolute reference to a type it cannot lead to": (
        observation(subject={"reference": "https://ehr.example/fhir/Practitioner/1/_history/2"}),
        422, "value", "Observation.subject.reference"),
    "a reference that says a type it cannot lead to": (
        observation(subject={"type": "Practitioner", "display": "Dr. Holm"}),
        422, "value", "Observation.subject.type"),
    "a reference to a type R4 does not have": (
        {"resourceType": "Provenance", "target": [{"reference": "Nonsense/1"}],
         "recorded": "2026-01-02T10:00:00Z", "agent": [{"who": {"display": "x"}}]},
        422, "value", "Provenance.target[0].reference"),
    "a reference to nothing contained": (
        observation(subject={"reference": "#missing"}),
        422, "not-found", "Observation.subject.reference"),
    "a reference to something contained of another type": (
        observation(contained=[{"resourceType": "Slot", "id": "s"} | {
            "schedule": {"reference": "Schedule/1"}, "status": "free",
            "start": "2026-01-02T08:00:00Z", "end": "2026-01-02T09:00:00Z"}],
            subject={"reference": "#s"}),
        422, "value", "Observation.subject.reference"),
    # what is contained
    "a contained resource of a type R4 does not have": (
        observation(contained=[{"resourceType": "Nonsense", "id": "a"}],
                    subject={"reference": "#a"}),
        422, "not-supported", "Observation.contained[0]"),
    "a contained resource without a type": (
        observation(contained=[{"id": "a"}]), 400, "required", "Observation.contained[0]"),
    "a contained resource that is no object": (
        observation(contained=["a"]), 400, "structure", "Observation.contained[0]"),
    "two contained resources of one id": (
        observation(contained=[patient(id="a"), patient(id="a")], subject={"reference": "#a"}),
        400, "duplicate", "Observation.contained[1].id"),
    "a fault in a contained resource": (
        observation(contained=[patient(id="a", gender="M")], subject={"reference": "#a"}),
        422, "code-invalid", "Observation.contained[0].gender"),
    # choices and cardinality
    "two types of one choice": (
        observation(valueString="high", valueBoolean=True), 400, "structure", "Observation.value"),
    "two types of one choice, one of them as an extension": (
        observation(valueString="high", _valueBoolean={"extension": [
            {"url": "urn:x", "valueCode": "y"}]}),
        400, "structure", "Observation.value"),
    "a missing element": (
        {"resourceType": "Observation", "status": "final"}, 422, "required", "Observation.code"),
    "a missing choice": (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order",
         "subject": {"reference": "Patient/1"}},
        422, "required", "MedicationRequest.medication"),
    "a missing element further in": (
        patient(link=[{"other": {"reference": "Patient/2"}}]),
        422, "required", "Patient.link[0].type"),
    "a list where one value belongs": (
        patient(birthDate=["1961"]), 400, "structure", "Patient.birthDate"),
    "one value where a list belongs": (
        patient(name={"family": "Berg"}), 400, "structure", "Patient.name"),
    "a text where an object belongs": (
        patient(name=["Berg"]), 400, "structure", "Patient.name[0]"),
    "an object where a text belongs": (
        patient(birthDate={"value": "1961"}), 400, "structure", "Patient.birthDate"),
    "an unknown element": (patient(colour="red"), 400, "structure", "Patient.colour"),
    "an element of a later version": (
        {"resourceType": "Appointment", "status": "proposed", "cancellationReason": {"text": "x"},
         "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]},
        400, "structure", "Appointment.cancellationReason"),
    "a comment of older versions": (
        patient(fhir_comments=["x"]), 400, "structure", "Patient.fhir_comments"),
    "a resourceType within": (
        patient(name=[{"resourceType": "HumanName"}]),
        400, "structure", "Patient.name[0].resourceType"),
    # primitives
    "a boolean as text": (patient(active="true"), 400, "value", "Patient.active"),
    "a boolean as number": (patient(active=1), 400, "structure", "Patient.active"),
    "an integer as text": (
        patient(multipleBirthInteger="2"), 400, "value", "Patient.multipleBirth"),
    "an integer with a fraction": (
        patient(multipleBirthInteger=2.0), 400, "structure", "Patient.multipleBirth"),
    "an integer of more than 32 bits": (
        patient(multipleBirthInteger=2**31), 400, "structure", "Patient.multipleBirth"),
    "a positive integer of nothing": (
        patient(telecom=[{"rank": 0}]), 400, "structure", "Patient.telecom[0].rank"),
    "a decimal as text": (
        observation(valueQuantity={"value": "1.5"}), 400, "value", "Observation.value.value"),
    "a decimal as boolean": (
        observation(valueQuantity={"value": True}), 400, "structure", "Observation.value.value"),
    "a text as number": (
        patient(name=[{"family": 7}]), 400, "structure", "Patient.name[0].family"),
    "an empty text": (patient(name=[{"family": ""}]), 400, "value", "Patient.name[0].family"),
    "a date as number": (patient(birthDate=1961), 400, "structure", "Patient.birthDate"),
    "a dateTime as number": (
        observation(effectiveDateTime=2026), 400, "structure", "Observation.effective"),
    "a date with a time": (
        patient(birthDate="1961-11-08T10:00:00Z"), 400, "value", "Patient.birthDate"),
    "a date with one digit": (patient(birthDate="1961-1-8"), 400, "value", "Patient.birthDate"),
    "a day that does not exist": (
        patient(birthDate="1961-02-29"), 400, "value", "Patient.birthDate"),
    "a dateTime without a zone": (
        observation(effectiveDateTime="2026-01-02T10:00:00"),
        400, "value", "Observation.effective"),
    "a dateTime without seconds": (
        observation(effectiveDateTime="2026-01-02T10:00Z"), 400, "value", "Observation.effective"),
    "an instant of a day": (
        observation(effectiveInstant="2026-01-02"), 400, "value", "Observation.effective"),
    "an id of 65 characters": (patient(id="x" * 65), 400, "value", "Patient.id"),
    "an id with other characters": (patient(id="a_b"), 400, "value", "Patient.id"),
    "a uri with spaces": (
        patient(identifier=[{"system": "urn:a b", "value": "1"}]),
        400, "value", "Patient.identifier[0].system"),
    "a code with a space before it": (
        patient(language=" sv"), 400, "value", "Patient.language"),
    "base64 with foreign characters": (
        patient(photo=[{"contentType": "image/png", "data": "!!!!"}]),
        400, "value", "Patient.photo[0].data"),
    "base64 with foreign characters within": (
        patient(photo=[{"contentType": "image/png", "data": "JV*BER$i0x=="}]),
        400, "value", "Patient.photo[0].data"),
    "base64 with a wrong end": (
        patient(photo=[{"contentType": "image/png", "data": "AAA"}]),
        400, "value", "Patient.photo[0].data"),
    # JSON that FHIR does not have
    "an empty list": (patient(name=[]), 400, "structure", "Patient.name"),
    "an empty object": (patient(name=[{}]), 400, "structure", "Patient.name[0]"),
    "a null": (patient(birthDate=None), 400, "structure", "Patient.birthDate"),
    "a null in a list": (
        patient(name=[{"given": ["Åsa", None]}]), 400, "structure", "Patient.name[0].given[1]"),
    "a null instead of a list": (patient(name=None), 400, "structure", "Patient.name"),
    "an element with an id only": (
        patient(name=[{"id": "a"}]), 400, "invariant", "Patient.name[0]"),
    # extensions
    "an extension without url": (
        patient(extension=[{"valueCode": "x"}]), 422, "required", "Patient.extension[0].url"),
    "an extension with a value and extensions": (
        patient(extension=[{"url": "urn:x", "valueCode": "x",
                            "extension": [{"url": "a", "valueCode": "y"}]}]),
        422, "invariant", "Patient.extension[0]"),
    "an extension with neither value nor extensions": (
        patient(extension=[{"url": "urn:x"}]), 422, "invariant", "Patient.extension[0]"),
    "a value of an extension that only R4B has": (
        patient(extension=[{"url": "urn:x", "valueCodeableReference": {
            "concept": {"text": "x"}}}]),
        400, "structure", "Patient.extension[0].valueCodeableReference"),
    "another value of an extension that only R4B has": (
        patient(extension=[{"url": "urn:x", "valueRatioRange": {"denominator": {"value": 1}}}]),
        400, "structure", "Patient.extension[0].valueRatioRange"),
    "extensions of primitives out of step": (
        patient(name=[{"given": ["Åsa", "Maria"], "_given": [{"id": "a"}]}]),
        400, "structure", "Patient.name[0].given"),
    "nothing at a place of both lists": (
        patient(name=[{"given": ["Åsa", None], "_given": [{"id": "a"}, None]}]),
        400, "structure", "Patient.name[0].given[1]"),
    "extensions of a primitive as a list": (
        patient(_birthDate=[{"id": "a"}]), 400, "structure", "Patient.birthDate"),
    "more than extensions beside a primitive": (
        patient(birthDate="1961", _birthDate={"value": "x"}),
        400, "structure", "Patient.birthDate"),
    "extensions of an object": (
        patient(_name=[{"id": "a"}]), 400, "structure", "Patient._name"),
    "an extension of a primitive with a fault": (
        patient(birthDate="1961", _birthDate={"extension": [{"valueCode": "x"}]}),
        422, "required", "Patient.birthDate.extension[0].url"),
    # narrative
    "a script in the narrative": (
        patient(text=division("<script>alert(1)</script>")), 422, "invariant", "Patient.text.div"),
    "an event in the narrative": (
        patient(text=division('<p onclick="x()">a</p>')), 422, "invariant", "Patient.text.div"),
    "a link that runs something": (
        patient(text=division('<a href="java&#10;script:x()">a</a>')),
        422, "invariant", "Patient.text.div"),
    "an object in the narrative": (
        patient(text=division('<iframe src="http://x.example"/>')),
        422, "invariant", "Patient.text.div"),
    "an entity in the narrative": (
        patient(text={"status": "generated", "div":
                      '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns='
                      '"http://www.w3.org/1999/xhtml">&a;</div>'}),
        422, "invariant", "Patient.text.div"),
    "a narrative of nothing": (
        patient(text=division(" \n ")), 422, "invariant", "Patient.text.div"),
    "a narrative that is no XHTML": (
        patient(text={"status": "generated", "div": "<div>a</div>"}),
        422, "invariant", "Patient.text.div"),
    "a narrative that is not well-formed": (
        patient(text=division("<p>a")), 422, "invariant", "Patient.text.div"),
    # resources in resources
    "an unknown type in a bundle": (
        {"resourceType": "Bundle", "type": "collection",
         "entry": [{"resource": {"resourceType": "Nonsense"}}]},
        422, "not-supported", "Bundle.entry[0].resource"),
    "a fault in a bundle": (
        {"resourceType": "Bundle", "type": "collection",
         "entry": [{"resource": patient()}, {"resource": patient(gender="M")}]},
        422, "code-invalid", "Bundle.entry[1].resource.gender"),
    "a reference of a bundle into another entry's contained": (
        {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": observation(contained=[patient(id="p")], subject={"reference": "#p"})},
            {"resource": observation(subject={"reference": "#p"})}]},
        422, "not-found", "Bundle.entry[1].resource.subject.reference"),
    "a fault in parameters": (
        {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": patient(id="*")}]},
        400, "value", "Parameters.parameter[0].resource.id"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_gate_refuses(name: str) -> None:
    resource, status, issue, expression = CASES[name]

    assert faults(resource["resourceType"], resource) == [(status, issue, expression)]


# What would be refused by a reader stricter than R4.
SOUND: dict[str, dict[str, Any]] = {
    "partial dates": patient(birthDate="1961-11", deceasedDateTime="2026"),
    "the day of a leap year": patient(birthDate="2000-02-29"),
    "a leap second": observation(effectiveInstant="2016-12-31T23:59:60Z"),
    "nanoseconds and any zone": observation(issued="2026-01-02T10:00:00.123456789+14:00"),
    "base64 in lines": patient(photo=[{"contentType": "image/png", "data": "AAAA\r\nAAA="}]),
    "a value that is an extension alone": patient(
        _birthDate={"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}
    ),
    "a required element that is an extension alone": {
        **observation(),
        "status": None,
        "_status": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
    },
    "a list of values and extensions": patient(
        name=[{"given": ["Åsa", None], "_given": [None, {"id": "b", "extension": [
            {"url": "urn:absent", "valueCode": "unknown"}]}]}]
    ),
    "extensions of extensions": patient(
        extension=[{"url": "urn:x", "extension": [{"url": "a", "valueString": "1"}]}]
    ),
    "a reference by identifier alone": observation(
        subject={"identifier": {"system": DICOM, "value": "1"}, "type": "Patient"}
    ),
    "a reference by urn": observation(
        subject={"reference": "urn:uuid:5f0e7a52-5cc5-4f4e-9d0c-0a3a2ff3b8a1"}
    ),
    "a conditional reference": observation(subject={"reference": "Patient?identifier=x|1"}),
    "a reference from what is contained to what is around it": observation(
        contained=[{"resourceType": "Provenance", "id": "a", "target": [{"reference": "#"}],
                    "recorded": "2026-01-02T10:00:00Z", "agent": [{"who": {"display": "x"}}]}]
    ),
    "a type of R4 that R4B has no more": observation(
        contained=[{"resourceType": "MedicinalProductContraindication", "id": "a"}],
        focus=[{"reference": "#a"}],
    ),
    "decimals of any precision": observation(
        valueQuantity={"value": 1234567890123456789012345.678901234567890123456789}
    ),
    "narrative with tables, links and images": patient(
        text=division(
            '<table class="grid"><tr><td colspan="2" style="color:red">a &lt; b</td></tr></table>'
            '<a href="http://x.example/a?b=c&amp;d">x</a><img src="data:image/png;base64,AA=="/>'
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_the_gate_takes(name: str) -> None:
    resource = {key: value for key, value in SOUND[name].items() if value is not None}

    assert faults(resource["resourceType"], resource) == []


# --- bytes


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "stands twice"),
        (b'{"resourceType":"Patient","id":"a\\u0000"}', "control character"),
        (b'{"resourceType":"Patient","a":NaN}', "NaN"),
        (b'{"resourceType":"Patient","id":"\xff"}', "UTF-8"),
        (b'{"a":' * 3000, "levels deep"),
        (b"[]", "object"),
        (b"", "empty"),
    ],
    ids=["duplicate key", "U+0000", "NaN", "other bytes", "depth", "list", "nothing"],
)
def test_bytes_that_are_no_strict_json_are_refused(raw: bytes, words: str) -> None:
    with pytest.raises(RisError) as caught:
        gate.check("Patient", raw)

    assert refusal(caught.value).status == 400
    assert words in caught.value.message


@pytest.mark.parametrize(
    "raw", [b"{}", b'{"resourceType":"Slot"}', b'{"resourceType":["Patient"]}']
)
def test_a_body_says_the_type_of_the_address(raw: bytes) -> None:
    assert faults("Patient", raw) == [(400, "invalid", "")]


# --- many faults


def test_all_faults_are_told_at_once_and_the_status_is_that_of_the_worst() -> None:
    resource = patient(gender="M", active="true", colour="red", link=[{}], birthDate="1961-13")

    assert faults("Patient", resource) == [
        (400, "value", "Patient.active"),
        (400, "structure", "Patient.colour"),
        (400, "structure", "Patient.link[0]"),
        (400, "value", "Patient.birthDate"),
        (400, "code-invalid", "Patient.gender"),
    ]


def test_very_many_faults_are_not_all_told() -> None:
    resource = patient(**{f"unknown{number}": 1 for number in range(3000)})

    found = faults("Patient", resource)

    assert len(found) == MAX_ISSUES + 1
    assert found[-1] == (400, "incomplete", "")
    assert MAX_FAULTS < 1000


def test_a_sound_request_comes_out_as_it_went_in() -> None:
    resource = resources.service_request("4711")

    assert gate.check("ServiceRequest", json.dumps(resource).encode()) == resource


def test_no_mutation_of_a_resource_is_an_error_of_ours() -> None:
    chance = random.Random(4711)
    strange: list[Any] = [None, True, 0, -1.5, "", "#", "x" * 70, [], {}, [None], [[]], {"a": {}}]
    sound = [resources.service_request("1"), *(each for each in SOUND.values()), *(
        each for each, *_ in CASES.values())]  # fmt: skip
    for _ in range(4000):
        resource = copy.deepcopy(chance.choice(sound))
        for _ in range(chance.randint(1, 3)):
            place = resource
            while True:
                key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.7:
                    place = place[key]
                    continue
                place[key] = copy.deepcopy(chance.choice(strange))
                break
        for fault in structure.faults(resources_type(resource), resource):
            assert fault.status in {400, 422}


def resources_type(resource: dict[str, Any]) -> str:
    kind = resource.get("resourceType")
    return kind if kind in ("Patient", "ServiceRequest", "Bundle") else "Observation"
