"""The R4 element table: what it says, and that it is what the official definitions say."""

from __future__ import annotations

import gzip
import importlib.util
from types import ModuleType

import pytest

from integration.fhir import elements
from tests.programs import ROOT, demand, node_modules


def test_an_element_has_its_type_and_cardinality() -> None:
    status = elements.of("Appointment").elements["status"]
    participant = elements.of("Appointment").elements["participant"]

    assert (status.type, status.minimum, status.many, status.modifier) == ("code", 1, False, True)
    assert (participant.type, participant.minimum, participant.many) == (
        "Appointment.participant",
        1,
        True,
    )


def test_a_choice_is_one_element_for_each_type() -> None:
    observation = elements.of("Observation")

    assert [each.name for each in observation.choices["effective"]] == [
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveTiming",
        "effectiveInstant",
    ]
    assert len(elements.of("Extension").choices["value"]) == 50
    assert elements.of("Dosage.doseAndRate").elements["doseQuantity"].type == "SimpleQuantity"


def test_elements_stand_in_the_order_of_the_definition() -> None:
    names = list(elements.of("Identifier").elements)

    assert names == ["id", "extension", "use", "type", "system", "value", "period", "assigner"]


def test_required_codes_are_listed() -> None:
    gender = elements.of("Patient").elements["gender"]
    clinical = elements.of("AllergyIntolerance").elements["clinicalStatus"]

    assert elements.bare_codes(gender.binding) == {"male", "female", "other", "unknown"}
    assert elements.codes(clinical.binding) == {
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical": {
            "active",
            "inactive",
            "resolved",
        }
    }


@pytest.mark.parametrize("kind", ["Attachment", "Binary"])
def test_codes_that_nobody_can_list_are_open(kind: str) -> None:
    assert elements.of(kind).elements["contentType"].binding == ""  # BCP 13


def test_references_know_where_they_lead() -> None:
    slot = elements.of("Appointment").elements["slot"]
    anything = elements.of("Provenance").elements["target"]

    assert (slot.targets, anything.targets) == ({"Slot"}, frozenset())


def test_a_backbone_element_may_refer_to_another() -> None:
    assert elements.of("Bundle.entry").elements["link"].type == "Bundle.link"


def test_data_types_have_their_own_text_and_language() -> None:
    assert elements.of("CodeableConcept").elements["text"].type == "string"
    assert elements.of("Attachment").elements["language"].type == "code"


def test_a_summary_has_the_marked_elements_in_every_type_of_a_choice() -> None:
    summary = elements.summary("Patient")

    assert {"id", "meta", "identifier", "deceasedBoolean", "deceasedDateTime"} <= summary
    assert not {"text", "photo", "contact"} & summary
    assert elements.mandatory("Observation") == {"status", "code"}


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("ServiceRequest", 21),
        ("Task", 19),
        ("Appointment", 17),
        ("ImagingStudy", 17),
        ("DiagnosticReport", 16),
        ("Procedure", 16),
        ("Patient", 23),
    ],
)
def test_a_type_has_the_search_parameters_of_r4(kind: str, number: int) -> None:
    own = [name for name in elements.search_parameters(kind) if not name.startswith("_")]

    assert len(own) == number  # those that extensions define are not of the base


def test_a_search_parameter_says_what_it_finds() -> None:
    parameters = elements.search_parameters("ImagingStudy")

    basedon = parameters["basedon"]  # R4 writes it without a hyphen
    assert (basedon.type, basedon.expression) == ("reference", "ImagingStudy.basedOn")
    assert basedon.targets == {"CarePlan", "ServiceRequest", "Appointment", "AppointmentResponse",
                               "Task"}  # fmt: skip
    assert parameters["patient"].expression == "ImagingStudy.subject.where(resolve() is Patient)"
    assert parameters["patient"].url == "http://hl7.org/fhir/SearchParameter/clinical-patient"
    assert parameters["_lastUpdated"].type == "date"


def test_a_composite_names_its_parts() -> None:
    composite = elements.search_parameters("Observation")["code-value-quantity"]

    assert composite.components == (
        elements.Component("code", "code"),
        elements.Component("value-quantity", "value.as(Quantity)"),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ServiceRequest.occurrencePeriod.start", "ServiceRequest.occurrence.start"),
        ("Observation.component[1].valueQuantity.value", "Observation.component[1].value.value"),
        ("Patient.name[0].given[1]", "Patient.name[0].given[1]"),
        ("Patient.colour", "Patient.colour"),
        ("Nonsense.valueString", "Nonsense.valueString"),
    ],
)
def test_a_choice_has_one_name_in_fhirpath(path: str, expected: str) -> None:
    assert elements.fhirpath(path) == expected


def test_every_type_that_is_named_is_there() -> None:
    names = set(elements._table()["structures"])
    used = {each.type for name in names for each in elements.of(name).elements.values()}

    assert used - names - elements.PRIMITIVES - {"Resource"} == set()
    assert len(elements.resource_types()) == 146
    assert "SubscriptionStatus" not in elements.resource_types()  # of R4B


def test_the_table_stays_small() -> None:
    assert elements.FILE.stat().st_size < 64_000


def test_the_table_is_what_the_official_definitions_say() -> None:
    demand("hl7.fhir.r4.examples")

    made = _generator().table(node_modules() / "hl7.fhir.r4.examples")

    assert gzip.decompress(elements.FILE.read_bytes()) == made, "run `make elements`"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_elements", ROOT / "scripts/elements.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
