"""Resources as commands: golden cases, and what is refused with which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from integration.fhir import gate
from integration.fhir.outcome import refusal
from integration.fhir.systems import Systems
from integration.fhir.to_domain import patient, servicerequest
from integration.fhir.to_domain.references import Known, Reader, Target
from integration.fhir.to_domain.servicerequest import NewOrder, Profile
from ris.domain.commands import to_json
from ris.domain.errors import RisError
from ris.domain.patients import Sex
from ris.domain.values import Identifier, PartialDate, PersonName
from tests.conftest import ROOT
from tests.integration.fhir import resources, views

BASE = "http://127.0.0.1:8000/fhir"
FOLDER = ROOT / "fixtures" / "fhir" / "ServiceRequest"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/in.json"))

KNOWN = Known(
    {
        Target("Patient", id=views.key(1)): views.patient(),
        Target("Patient", identifier=Identifier("4711", "HOSP")): views.patient(),
        Target("Patient", identifier=Identifier("4711", "HOSP", "MR")): views.patient(),
        Target("Practitioner", id=views.key(12)): views.PRACTITIONER,
        Target("Encounter", id=views.key(2)): views.VISIT,
        Target("Device", id=views.key(9)): views.STATION,
        Target("Location", id=views.key(10)): views.ROOM,
        Target("Organization", id=views.key(11)): views.SITE,
    }
)


def place(resource: dict[str, Any]) -> NewOrder:
    gate.check_value("ServiceRequest", resource)
    reader = Reader(resource, BASE, Systems())
    servicerequest.targets(reader)
    return servicerequest.place_order(reader, KNOWN, Profile(issuer="EHR"))


def said(value: Any) -> Any:
    """A command as JSON, without what it does not say."""
    if isinstance(value, dict):
        found = {name: said(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in ("", None, {}, [], False)}
    if isinstance(value, list):
        return [said(item) for item in value]
    return value


@pytest.mark.parametrize("case", CASES)
def test_a_request_is_the_order_written_down(
    case: str, golden: Callable[[Path, str], None]
) -> None:
    resource = json.loads((FOLDER / case / "in.json").read_text())

    order = place(resource)

    command = said({**to_json(asdict(order.command)), "on_hold": order.on_hold})
    golden(FOLDER / case / "command.json", json.dumps(command, indent=2, ensure_ascii=False) + "\n")


def test_there_are_cases() -> None:
    assert len(CASES) >= 6


def refused(**elements: Any) -> tuple[int, str, str]:
    """Status, issue code and element of the refusal of a request with these elements."""
    if "subject" in elements:
        elements = {"contained": None, **elements}  # nothing would refer to the patient in it
    with pytest.raises(RisError) as caught:
        place(resources.service_request(**elements))
    found = refusal(caught.value)
    issue = found.body["issue"][0]
    return found.status, issue["code"], "".join(issue.get("expression", []))


@pytest.mark.parametrize(
    ("elements", "status", "issue", "expression"),
    [
        # FHIR's structure: the gate
        ({"status": None}, 422, "required", "ServiceRequest.status"),
        ({"intent": None}, 422, "required", "ServiceRequest.intent"),
        ({"subject": None}, 422, "required", "ServiceRequest.subject"),
        ({"colour": "red"}, 400, "structure", "ServiceRequest.colour"),
        ({"identifier": [{"value": 3}]}, 400, "structure", "ServiceRequest.identifier[0].value"),
        (
            {"valueCodeableReference": {}},
            400,
            "structure",
            "ServiceRequest.valueCodeableReference",
        ),
        (
            {"contained": [{"resourceType": "Nonsense", "id": "p"}]},
            422,
            "not-supported",
            "ServiceRequest.contained[0]",
        ),
        ({"note": []}, 400, "structure", "ServiceRequest.note"),
        ({"note": [{}]}, 400, "structure", "ServiceRequest.note[0]"),
        ({"requisition": {}}, 400, "structure", "ServiceRequest.requisition"),
        ({"code": {"text": None}}, 400, "structure", "ServiceRequest.code.text"),
        # required bindings
        ({"status": "bogus"}, 422, "code-invalid", "ServiceRequest.status"),
        ({"intent": "wish"}, 422, "code-invalid", "ServiceRequest.intent"),
        ({"priority": "now"}, 422, "code-invalid", "ServiceRequest.priority"),
        # what would change the meaning
        ({"doNotPerform": True}, 422, "not-supported", "ServiceRequest.doNotPerform"),
        ({"intent": "proposal"}, 422, "not-supported", "ServiceRequest.intent"),
        ({"implicitRules": "urn:x"}, 422, "not-supported", "ServiceRequest.implicitRules"),
        (
            {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
            422,
            "not-supported",
            "ServiceRequest.modifierExtension",
        ),
        # what an order needs
        ({"status": "draft"}, 422, "value", "ServiceRequest.status"),
        ({"status": "revoked"}, 422, "value", "ServiceRequest.status"),
        ({"code": None, "orderDetail": None}, 422, "required", "ServiceRequest.code"),
        ({"code": None}, 422, "invariant", "ServiceRequest"),
        # identifiers
        (
            {"identifier": [{"type": resources.typed("ACSN"), "value": "A" * 17}]},
            422,
            "value",
            "ServiceRequest.identifier[0].value",
        ),
        ({"identifier": [{"value": "x" * 65}]}, 422, "value", "ServiceRequest.identifier[0].value"),
        (
            {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.02.3"}]},
            422,
            "value",
            "ServiceRequest.identifier[0].value",
        ),
        (
            {"identifier": [{"type": resources.typed("PLAC"), "value": v} for v in ("1", "2")]},
            422,
            "value",
            "ServiceRequest.identifier[1]",
        ),
        # references
        (
            {"subject": {"reference": "Patient/unknown"}},
            422,
            "not-found",
            "ServiceRequest.subject",
        ),
        (
            {"subject": {"identifier": {"system": "urn:ris:issuer:HOSP", "value": "none"}}},
            422,
            "not-found",
            "ServiceRequest.subject",
        ),
        (
            {"subject": {"reference": "Group/1"}},
            422,
            "value",
            "ServiceRequest.subject.reference",
        ),
        (
            {"subject": {"reference": "#other"}},
            422,
            "not-found",
            "ServiceRequest.subject.reference",
        ),
        (
            {"subject": {"reference": "http://elsewhere.example/fhir/Patient/1"}},
            422,
            "value",
            "ServiceRequest.subject.reference",
        ),
        (
            {"subject": {"reference": "Patient?name=Berg"}},
            422,
            "value",
            "ServiceRequest.subject.reference",
        ),
        (
            {"subject": {"reference": "Patient?identifier=4711"}},
            422,
            "value",
            "ServiceRequest.subject.reference",
        ),
        (
            {"requester": {"reference": "Practitioner/unknown"}},
            422,
            "not-found",
            "ServiceRequest.requester",
        ),
        (
            {"encounter": {"reference": "Encounter/unknown"}},
            422,
            "not-found",
            "ServiceRequest.encounter",
        ),
        # times
        (
            {"occurrenceDateTime": "2026-02-30"},
            400,
            "value",
            "ServiceRequest.occurrence",
        ),
        (
            {
                "occurrencePeriod": {
                    "start": "2026-03-02T12:00:00Z",
                    "end": "2026-03-02T11:00:00Z",
                }
            },
            422,
            "invariant",
            "ServiceRequest.occurrence",
        ),
        (
            {"occurrenceTiming": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}},
            422,
            "not-supported",
            "ServiceRequest.occurrence",
        ),
        # codes
        (
            {"code": {"coding": [{"code": "x" * 65}]}},
            422,
            "value",
            "ServiceRequest.code.coding[0].code",
        ),
        (
            {"code": {"coding": [{"code": "x", "system": "http://example.org/" + "x" * 64}]}},
            422,
            "value",
            "ServiceRequest.code.coding[0].system",
        ),
    ],
)
def test_a_request_that_cannot_be_an_order_is_refused(
    elements: dict[str, Any], status: int, issue: str, expression: str
) -> None:
    assert refused(**elements) == (status, issue, expression)


def test_a_primitive_of_another_type_is_refused() -> None:
    assert refused(doNotPerform="true") == (400, "value", "ServiceRequest.doNotPerform")


def test_faults_of_structure_are_told_together() -> None:
    with pytest.raises(RisError) as caught:
        place(resources.service_request(colour="red", size=4))

    expressions = [each["expression"] for each in refusal(caught.value).body["issue"]]
    assert expressions == [["ServiceRequest.colour"], ["ServiceRequest.size"]]


def test_a_body_of_another_type_is_refused() -> None:
    with pytest.raises(RisError) as caught:
        gate.check("ServiceRequest", b'{"resourceType": "Patient"}')

    assert refusal(caught.value).status == 400
    assert caught.value.message == "the body is 'Patient', the address says ServiceRequest"


@pytest.mark.parametrize(
    "body",
    [
        '{"resourceType": "ServiceRequest", "contained": 5}',
        '{"resourceType": "ServiceRequest", "contained": [5]}',
        '{"resourceType": "ServiceRequest", "subject": []}',
        '{"resourceType": "ServiceRequest", "identifier": {}}',
        '{"resourceType": "ServiceRequest", "status": {"a": 1}}',
        '{"resourceType": "ServiceRequest", "extension": [{"extension": [{}]}]}',
        '{"resourceType": ["ServiceRequest"]}',
        '{"resourceType": {"a": 1}}',
        "{}",
    ],
)
def test_whatever_is_wrong_with_a_body_is_a_refusal(body: str) -> None:
    with pytest.raises(RisError) as caught:
        gate.check("ServiceRequest", body.encode())

    assert refusal(caught.value).status in {400, 422}


def test_many_faults_do_not_make_a_long_answer() -> None:
    body = {f"unknown{number}": 1 for number in range(5000)}

    with pytest.raises(RisError) as caught:
        gate.check_value("Patient", {"resourceType": "Patient", **body})

    assert len(json.dumps(refusal(caught.value).body)) < 5000


# --- priority, times and the rest


def test_a_period_as_long_as_an_exam_is_its_time() -> None:
    period = {"start": "2026-03-02T09:00:00+01:00", "end": "2026-03-02T09:45:00+01:00"}

    step = place(resources.service_request(occurrencePeriod=period)).command.procedures[0].steps[0]

    assert step.start_at is not None
    assert (step.start_at.isoformat(), step.duration_minutes) == ("2026-03-02T09:00:00+01:00", 45)


@pytest.mark.parametrize(
    ("elements", "wish"),
    [
        ({"occurrenceDateTime": "2026-03-02"}, "Wanted on 2026-03-02"),
        ({"occurrenceDateTime": "2026-03"}, "Wanted on 2026-03"),
        (
            {"occurrencePeriod": {"start": "2026-03-02", "end": "2026-03-09"}},
            "Wanted between 2026-03-02 and 2026-03-09",
        ),
        (
            {
                "occurrencePeriod": {
                    "start": "2026-03-02T08:00:00Z",
                    "end": "2026-03-03T08:00:00Z",
                }
            },
            "Wanted between 2026-03-02T08:00+00:00 and 2026-03-03T08:00+00:00",
        ),
        ({"occurrencePeriod": {"end": "2026-03-09"}}, "Wanted by 2026-03-09"),
        ({"occurrencePeriod": {"start": "2026-03-09"}}, "Wanted from 2026-03-09"),
    ],
)
def test_what_is_no_time_of_day_is_left_to_a_scheduler(elements, wish) -> None:
    command = place(resources.service_request(note=None, **elements)).command

    assert command.details.comments == wish
    assert all(step.start_at is None for step in command.procedures[0].steps)


def test_a_request_on_hold_is_placed_and_held() -> None:
    assert place(resources.service_request(status="on-hold")).on_hold


# --- patients


def test_a_patient_is_registered_with_what_is_said() -> None:
    resource = resources.patient(
        "77",
        telecom=[
            {"system": "phone", "value": "old", "use": "old"},
            {"system": "phone", "value": "+46 8 5550100"},
            {"system": "email", "value": "asa@example.org"},
        ],
        address=[{"line": ["Storgatan 1"], "city": "Umeå", "postalCode": "90326"}],
        communication=[{"language": {"coding": [{"code": "sv"}]}}],
        deceasedDateTime="2026-01-01",
    )

    command = patient.register_patient(gate.check_value("Patient", resource), Systems())

    assert command.identifiers == (Identifier("77", resources.MRN, "MR"),)
    details = command.demographics
    assert details.name == PersonName.of("Lindqvist", "Åsa", "Maria")
    assert (details.sex, details.birth_date) == (Sex.FEMALE, PartialDate("1961-11-08"))
    assert (details.phone, details.email) == ("+46 8 5550100", "asa@example.org")
    assert details.address == "Storgatan 1, 90326 Umeå"
    assert (details.language, details.deceased) == ("sv", True)


def test_an_update_empties_what_is_left_out() -> None:
    command = patient.update_patient(resources.patient("77", gender=None), "7", 3, Systems())

    assert command.demographics.sex is Sex.UNKNOWN
    assert (command.demographics.phone, command.demographics.deceased) == ("", False)
    assert (command.expected_version, command.replace_identifiers) == (3, True)


def test_the_official_name_is_used_in_all_its_writings() -> None:
    representation = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
    names = [
        {"use": "nickname", "given": ["Taro-chan"]},
        {"use": "official", "family": "Yamada", "given": ["Tarou"]},
        {
            "use": "official",
            "family": "山田",
            "given": ["太郎"],
            "extension": [{"url": representation, "valueCode": "IDE"}],
        },
        {"use": "maiden", "family": "Suzuki"},
    ]

    command = patient.register_patient(resources.patient(name=names), Systems())

    assert str(command.demographics.name) == "Yamada^Tarou=山田^太郎"


def test_numbers_of_an_earlier_time_are_not_taken() -> None:
    old = {"use": "old", "system": resources.MRN, "value": "1"}
    now = {"use": "usual", "system": resources.MRN, "value": "2"}

    command = patient.register_patient(resources.patient(identifier=[old, now]), Systems())

    assert command.identifiers == (Identifier("2", resources.MRN),)


@pytest.mark.parametrize(
    ("elements", "status", "issue", "expression"),
    [
        ({"gender": "M"}, 422, "code-invalid", "Patient.gender"),
        ({"gender": 1}, 422, "value", "Patient.gender"),
        ({"name": None}, 422, "required", "Patient.name"),
        ({"name": [{"family": "a^b"}]}, 422, "value", "Patient.name[0]"),
        ({"name": [{"family": "x" * 65}]}, 422, "value", "Patient.name[0]"),
        ({"name": [{"family": "x" * 40, "given": ["y" * 40]}]}, 422, "value", "Patient.name[0]"),
        ({"name": [{"use": "main", "family": "x"}]}, 422, "code-invalid", "Patient.name[0].use"),
        ({"active": False}, 422, "not-supported", "Patient.active"),
        (
            {"link": [{"other": {"reference": "Patient/1"}, "type": "refer"}]},
            422,
            "not-supported",
            "Patient.link",
        ),
        ({"birthDate": "1961-13"}, 422, "value", "Patient.birthDate"),
        ({"identifier": [{"use": "main", "value": "1"}]}, 422, "code-invalid",
         "Patient.identifier[0].use"),
    ],
)  # fmt: skip
def test_a_patient_that_cannot_be_kept_is_refused(elements, status, issue, expression) -> None:
    with pytest.raises(RisError) as caught:
        patient.register_patient(resources.patient(**elements), Systems())

    found = refusal(caught.value)
    shown = found.body["issue"][0]
    assert (found.status, shown["code"], shown["expression"]) == (status, issue, [expression])
