"""What the core shows in elements that clients send as well is found like what clients sent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integration.fhir.resources import KINDS
from integration.fhir.searching import references
from ris.domain.orders import OrderDetails
from ris.domain.patients import VisitDetails
from ris.domain.scheduling import Answer, AnswerAppointment, Participant
from ris.domain.values import Identifier, PersonName
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, found, token
from tests.integration.fhir.readers import reader, sign, tell_all

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def visits(api: Api) -> dict[str, str]:
    """Number → id of visits that ADT messages and orders told of, and of one that a client sent."""
    day = timedelta(days=1)
    for number, began, ended in (
        ("over", make.NOON, make.NOON + day),
        ("open", make.NOON + 2 * day, None),
        ("left", None, make.NOON + day),
        ("undated", None, None),
    ):
        details = VisitDetails(number=Identifier(number, "HOSP"), started_at=began, ended_at=ended)
        make.order(visit=details)
    period = {"start": "2026-03-03", "end": "2026-03-03"}
    sent = resources.encounter("sent", api.get("/Patient").ids[0], period=period)
    assert api.post("/Encounter", sent).status == 201
    return {each["identifier"][0]["value"]: each["id"] for each in api.get("/Encounter").resources}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("2026-03", {"over", "sent"}),
        ("2026-03-03", {"sent"}),
        ("ge2026-03-04", {"open"}),
        ("gt2026-03-03", {"open"}),
        ("lt2026-03-03", {"over", "left"}),
        ("le2026-03-03", {"over", "left", "sent"}),
        ("ne2026-03", {"open", "left"}),
        ("sa2026-03-03", {"open"}),
        ("eb2026-03-04", {"over", "left", "sent"}),
    ],
)
def test_visits_are_found_by_their_time_whoever_told_of_them(
    api: Api, visits: dict[str, str], asked: str, expected: set[str]
) -> None:
    assert set(found(api, "Encounter", date=asked)) == {visits[each] for each in expected}


def test_visits_without_any_time_are_found_as_such(api: Api, visits: dict[str, str]) -> None:
    assert found(api, "Encounter", date__missing="true") == [visits["undated"]]


def test_a_client_that_may_see_the_visits_of_a_time_sees_no_others(visits: dict[str, str]) -> None:
    limited = Api(token("system/Encounter.rs?date=ge2026-03-04", client="Ward"))

    assert limited.get("/Encounter").ids == [visits["open"]]
    assert limited.get(f"/Encounter/{visits['over']}").status == 404


def test_reports_and_studies_are_found_by_who_signed(api: Api) -> None:
    make.site()
    make.device()
    report = sign(make.performed(), reader())
    make.performed(start_at=make.NOON + timedelta(hours=1))
    shown = api.get(f"/DiagnosticReport/{report.public_id}").body
    signer = shown["resultsInterpreter"][0]["reference"]
    (study,) = (each["reference"].removeprefix("ImagingStudy/") for each in shown["imagingStudy"])

    assert signer.startswith("Practitioner/")
    assert found(api, "DiagnosticReport", results___interpreter=signer) == [shown["id"]]
    assert found(api, "ImagingStudy", interpreter=signer) == [study]
    assert found(api, "DiagnosticReport", results___interpreter__missing="false") == [shown["id"]]
    assert found(api, "ImagingStudy", interpreter__missing="false") == [study]
    other = "Practitioner/00000000-0000-7000-8000-000000000001"
    assert found(api, "DiagnosticReport", results___interpreter=other) == []
    by_name = api.get("/DiagnosticReport?results-interpreter.name=Weiss")
    assert by_name.ids == [shown["id"]]


def test_what_documents_lead_to_is_found_by_them(api: Api) -> None:
    make.site()
    make.device()
    report = sign(make.performed(), reader())
    make.order()
    patient = str(report.order.patient.public_id)
    author = api.get("/DocumentReference").resources[0]["author"][0]["reference"]

    assert found(api, "Patient", _has__DocumentReference__patient__status="current") == [patient]
    assert found(api, "Patient", _has__DocumentReference__patient__status="superseded") == []
    writers = found(api, "Practitioner", _has__DocumentReference__author__status="current")
    assert [f"Practitioner/{each}" for each in writers] == [author]


def test_orders_are_found_by_the_number_of_who_placed_them(api: Api) -> None:
    told = make.order(
        details=OrderDetails(
            requester=PersonName.parse("Holm^Nils"), requester_identifier=Identifier("7", "HOSP")
        ),
        start_at=make.NOON,
    )
    other = make.order(
        details=OrderDetails(reason="headache"), start_at=make.NOON + timedelta(hours=1)
    )
    sent = api.post("/ServiceRequest", resources.service_request()).body["id"]

    def asked(kind: str, number: str) -> set[str]:
        return set(found(api, kind, requester__identifier=number))

    assert asked("ServiceRequest", "7") == {str(told.public_id), sent}
    assert asked("ServiceRequest", "urn:ris:issuer:HOSP|7") == {str(told.public_id)}
    assert asked("ServiceRequest", "http://hospital.example/staff|7") == {sent}
    assert asked("ServiceRequest", "8") == set()
    assert asked("Task", "urn:ris:issuer:HOSP|7") == {str(make.step_of(told).public_id)}
    assert found(api, "ServiceRequest", requester__missing="true") == [str(other.public_id)]
    assert str(other.public_id) not in found(api, "ServiceRequest", requester__missing="false")


# --- the other way round


@pytest.fixture
def department(api: Api) -> None:
    """Something of everything that refers to something."""
    make.site()
    make.device()
    who = reader()
    exam = make.performed(visit=VisitDetails(number=Identifier("V1", "HOSP")))
    report = sign(exam, who)
    tell_all(exam, report, who)
    booked = make.booked(start_at=make.NOON + timedelta(days=1))
    appointment = make.step_of(booked).appointment
    assert appointment is not None
    execute(
        AnswerAppointment(
            appointment=str(appointment.public_id),
            participant=Participant.PATIENT,
            key=str(booked.patient.public_id),
            answer=Answer.ACCEPTED,
        ),
        actor=people.ehr,
    )


NOT_TABLES = {"AuditEvent", "Provenance", "Slot", "OperationDefinition", "SearchParameter"}


def test_every_reference_that_is_shown_is_followed_both_ways(api: Api, department: None) -> None:
    kinds = [each for name, each in KINDS.items() if name not in NOT_TABLES]
    shown = {kind.name: api.get(f"/{kind.name}?_count=100").resources for kind in kinds}
    there = {name: {each["id"] for each in found_} for name, found_ in shown.items()}
    always = "_lastUpdated=ge2000"
    asked = set()
    for kind in kinds:
        for parameter in kind.references:
            led: dict[str, set[str]] = {}
            leading: dict[str, set[str]] = {}
            for each in shown[kind.name]:
                for target, public_id in references(each, parameter):
                    if public_id in there.get(target, ()):
                        led.setdefault(target, set()).add(public_id)
                        leading.setdefault(target, set()).add(each["id"])
            for target, expected in led.items():
                where = f"{kind.name}.{parameter.name} → {target}"
                back = api.get(f"/{target}?_has:{kind.name}:{parameter.name}:{always}&_count=100")
                chain = api.get(f"/{kind.name}?{parameter.name}:{target}.{always}&_count=100")
                assert set(back.ids) == expected, where
                assert set(chain.ids) == leading[target], where
                asked.add((kind.name, parameter.name, target))

    assert len(asked) > 60
    assert {
        ("AppointmentResponse", "patient", "Patient"),
        ("DiagnosticReport", "performer", "Organization"),
        ("DiagnosticReport", "result", "Observation"),
        ("DiagnosticReport", "results-interpreter", "Practitioner"),
        ("DocumentReference", "authenticator", "Practitioner"),
        ("DocumentReference", "custodian", "Organization"),
        ("DocumentReference", "relatesto", "DocumentReference"),
        ("ImagingStudy", "interpreter", "Practitioner"),
        ("Observation", "device", "Device"),
        ("Procedure", "performer", "Device"),
    } <= asked
