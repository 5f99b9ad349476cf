"""The official examples of R4 (hl7.fhir.r4.examples): they pass the gate, and XML loses nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

from integration.fhir import structure, xml
from integration.fhir.resources import KINDS
from tests.integration.fhir.validator import opinions
from tests.programs import demand, node_modules

# Definitions of definitions: by the thousand, and nothing a clinical client sends.
CONFORMANCE = ("CodeSystem", "SearchParameter", "StructureDefinition", "ValueSet", "ig")
LARGEST = 300_000

# What HL7 published although it breaks R4; the words are those of the first fault.
WRONG = {
    "ActivityDefinition-blood-tubes-supply": "txt-2: the narrative shows nothing",
    "ActivityDefinition-heart-valve-replacement": "txt-2: the narrative shows nothing",
    "EventDefinition-example": "txt-2: the narrative shows nothing",
    "Questionnaire-zika-virus-exposure-assessment": "txt-2: the narrative shows nothing",
    "DeviceMetric-example": "DeviceDefinition is none of the types this refers",
    "DeviceUseStatement-example": "Procedure is none of the types this refers",
    "MedicationRequest-medrx0301": "Practitioner is none of the types this refers",
    "Observation-clinical-gender": "Encounter is none of the types this refers",
    "PlanDefinition-example-cardiology-os": "ref-1: no contained resource has this id",
    "Questionnaire-qs1": "this is required",
}

# What the other validator says wrongly: a reference to a version is one to its type, and an
# address need not end in a type.
MISTAKES = ("Patient/45/_history/2", "www.optdocs.com", "www.BenefitsInc.com")
UNREADABLE = {"Observation-decimal"}  # 1E-245 with all its digits


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Name → resource; decimals with their digits."""
    demand("hl7.fhir.r4.examples")
    found = {}
    for file in sorted((node_modules() / "hl7.fhir.r4.examples").glob("*-*.json")):
        if file.stem.split("-")[0] not in CONFORMANCE and file.stat().st_size < LARGEST:
            found[file.stem] = json.loads(file.read_bytes(), parse_float=Decimal)
    return found


def of_served_types() -> dict[str, dict[str, Any]]:
    served = {*KINDS, "Bundle", "Parameters", "OperationOutcome"}
    return {name: each for name, each in examples().items() if each["resourceType"] in served}


def test_every_example_passes_the_gate_but_those_that_are_wrong() -> None:
    refused = {}
    for name, resource in examples().items():
        found = structure.faults(resource["resourceType"], resource)
        if found:
            refused[name] = found[0].message.partition(" to:")[0]

    assert refused == WRONG
    assert len(examples()) > 800


def test_every_example_of_a_served_type_comes_back_from_xml_with_its_digits() -> None:
    changed = [
        name
        for name, resource in of_served_types().items()
        if as_text(xml.read(xml.write(resource), nodes=100_000)) != as_text(resource)
    ]

    assert changed == []


def test_a_codec_not_written_here_reads_the_same_from_our_xml() -> None:
    resources = of_served_types()
    small = {name: each for name, each in resources.items() if name not in {*WRONG, *UNREADABLE}}

    found = opinions([xml.write(each) for each in small.values()])

    changed, refused = [], {}
    for (name, resource), opinion in zip(small.items(), found, strict=True):
        faults = [each for each in opinion.faults if not any(word in each for word in MISTAKES)]
        if faults:
            refused[name] = faults[0]
        elif without_narrative(opinion.resource) != without_narrative(plain(resource)):
            changed.append(name)
    assert refused == {}
    assert changed == []
    assert len(small) > 200


def as_text(value: Any) -> Any:
    """Numbers as text, so that 1.0 is not 1.00; narrative without the space around it."""
    if isinstance(value, dict):
        return {
            name: item.strip() if name == "div" and isinstance(item, str) else as_text(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return str(value) if isinstance(value, Decimal) or type(value) is int else value


def plain(value: Any) -> Any:
    """Numbers as that codec has them."""
    return json.loads(json.dumps(value, default=float))


def without_narrative(value: Any) -> Any:
    """That codec leaves out spaces and escapes of narrative."""
    if isinstance(value, dict):
        return {name: without_narrative(item) for name, item in value.items() if name != "div"}
    return [without_narrative(item) for item in value] if isinstance(value, list) else value
