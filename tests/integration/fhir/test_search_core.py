"""What never came from a FHIR client is found by every parameter that its resource has a value of.

Orders by message, exams by DICOM, reports by page: what the official definitions read out of each
resource as it is shown is asked for again, and the resource must be among what is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from integration.fhir import elements, indexing
from integration.fhir.resources import KINDS
from ris.domain.facility import RegisterPractitioner
from ris.domain.fhir_index import ANY_SYSTEM, IndexEntry
from ris.domain.orders import OrderDetails
from ris.domain.patients import VisitDetails
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
)
from ris.domain.scheduling import RecordArrival
from ris.domain.values import Code, Identifier, PersonName
from ris.models import BreastAssessment
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Api
from tests.integration.fhir.readers import reader, sign, tell_all
from tests.integration.fhir.test_search_oracle import escaped

pytestmark = [pytest.mark.django_db, pytest.mark.database]

# By the clock, by the journal, or made of tables: they have tests of their own.
APART = {"Slot", "AuditEvent", "Provenance", "OperationDefinition", "SearchParameter", "CodeSystem"}
# Dose documents are summed up in words when they are shown: no column has those to compare.
SUMMED_UP = {("Observation", "value-string"), ("Observation", "code-value-string")}


@pytest.fixture
def department(api: Api) -> None:
    make.site()
    make.device()
    who = reader()
    details = OrderDetails(
        reason="Cough for six weeks",
        reason_code=Code("R05", "I10", "Cough"),
        requester=PersonName.parse("Holm^Nils"),
        requester_identifier=Identifier("7", "HOSP"),
    )
    visit = VisitDetails(
        number=Identifier("V1", "HOSP"),
        location="N2 / 105 / A",
        attending=PersonName.parse("Arends^Ida"),
        started_at=make.NOON,
    )
    exam = make.performed(visit=visit, details=details, patient=make.patient(language="ger"))
    report = make.opened_report(exam)
    day = date(2026, 3, 2)
    BreastAssessment.objects.create(
        report=report, exam="SCREENING", right="1", left="5", overall="5", examined_on=day,
        watched_until=day,
    )  # fmt: skip
    sign(exam, who)
    tell_all(exam, report, who)
    words_only = OrderDetails(reason="Fell from a ladder")
    arrived = make.booked(start_at=make.NOON + timedelta(days=1), details=words_only)
    execute(
        RecordArrival(
            appointment=str(make.appointment_of(arrived).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )
    make.order(patient=make.patient(language="Klingon"))


def values(resource: dict[str, Any], name: str) -> Iterator[tuple[str, IndexEntry]]:
    """Modifier and value, as the definitions read them."""
    for each in indexing.entries_of(resource["resourceType"], resource, frozenset({name})):
        _, _, modifier = each.parameter.partition(":")
        yield modifier, each


def question(entry: IndexEntry, modifier: str, type_: str) -> str:
    """What a client asks to find a value; empty for what no question of this type names."""
    system = "" if entry.system in {"", ANY_SYSTEM} else f"{entry.system}|"
    match modifier, type_:
        case "of-type", _:
            code, _, number = entry.code.partition("|")
            return f"{entry.system}|{code}|{escaped(number)}"
        case "text", _:
            return escaped(entry.code)
        case ("identifier", _) | (_, "token"):
            return system + escaped(entry.code)
        case _, "reference":
            return f"{entry.system}/{entry.target}" if entry.target else ""
        case _, "date":
            assert entry.low is not None
            return f"ge{entry.low:%Y-%m-%dT%H:%M:%SZ}" if entry.low.year > 1 else ""
        case _, "string" | "uri":
            return escaped(entry.code)
        case _:
            return ""


def test_everything_is_found_by_what_is_shown_of_it(api: Api, department: None) -> None:
    missed, asked = set(), set()
    for kind, served in KINDS.items():
        if kind in APART:
            continue
        shown = api.get(f"/{kind}?_count=100").resources
        for name, parameter in served.parameters.items():
            if name not in elements.search_parameters(kind) or (kind, name) in SUMMED_UP:
                continue
            for resource in shown:
                for modifier, entry in values(resource, name):
                    value = question(entry, modifier, parameter.type)
                    if not value or (modifier and modifier not in parameter.modifiers):
                        continue
                    by = f"{name}:{modifier}" if modifier else name
                    asked.add((kind, by))
                    answer = api.get(f"/{kind}?{urlencode({by: value})}")
                    assert answer.status == 200, (kind, by, value, answer.body)
                    if resource["id"] not in answer.ids:
                        missed.add(f"{kind}?{by}={value}")

    assert missed == set()
    assert {
        ("Patient", "language"),
        ("Appointment", "reason-code"),
        ("Appointment", "reason-code:text"),
        ("DiagnosticReport", "_profile"),
        ("DiagnosticReport", "conclusion"),
        ("DiagnosticReport", "results-interpreter:identifier"),
        ("ImagingStudy", "referrer:identifier"),
        ("Procedure", "location"),
        ("Observation", "code:text"),
    } <= asked


def test_what_is_shown_is_not_missing_and_what_is_not_is(api: Api, department: None) -> None:
    wrong = set()
    for kind, served in KINDS.items():
        if kind in APART:
            continue
        shown = api.get(f"/{kind}?_count=100").resources
        for name, parameter in served.parameters.items():
            known = elements.search_parameters(kind).get(name)
            if known is None or parameter.type == "composite":
                continue
            there = {each["id"] for each in shown if list(values(each, name))}
            for flag, expected in (
                ("false", there),
                ("true", {each["id"] for each in shown} - there),
            ):
                if set(api.get(f"/{kind}?{name}:missing={flag}&_count=100").ids) != expected:
                    wrong.add(f"{kind}?{name}:missing={flag}")

    assert wrong == set()


def test_people_are_found_by_every_writing_of_their_names(api: Api) -> None:
    name = PersonName.parse("Nakagiri^Emi=中桐^恵美=なかぎり^えみ")
    execute(
        RegisterPractitioner(name=name, identifier=Identifier("P9", "HOSP")), actor=people.admin
    )

    for by in (
        "family=中桐",
        "family=なかぎり",
        "family:exact=Nakagiri",
        "given=恵美",
        "given=えみ",
    ):
        assert len(api.get(f"/Practitioner?{quote(by, safe='=:')}").ids) == 1, by
    assert api.get(f"/Practitioner?family={quote('恵美')}").ids == []


@pytest.mark.parametrize("said", ["de", "DE", "deu", "ger", "German", "Deutsch", "de^German"])
def test_the_language_of_a_message_is_a_code_that_finds_it(api: Api, said: str) -> None:
    make.order(patient=make.patient(language=said))

    (shown,) = api.get("/Patient").resources

    (spoken,) = shown["communication"]
    assert spoken["language"]["coding"] == [
        {"system": "urn:ietf:bcp:47", "code": "de", "display": "German"}
    ]
    assert api.get("/Patient?language=de").ids == [shown["id"]]
    assert api.get("/Patient?language=urn:ietf:bcp:47|de").ids == [shown["id"]]
    assert api.get("/Patient?language=fr").ids == []


def test_studies_are_found_by_how_far_they_are(api: Api) -> None:
    make.device()
    made, dropped, empty, running = (
        make.booked(start_at=make.NOON + timedelta(hours=hours)) for hours in range(4)
    )
    for order in (made, dropped, empty, running):
        command = make.start(order)
        execute(command, actor=people.ct1)
        details = PerformedDetails(
            ended_at=make.NOON + timedelta(minutes=9),
            series=() if order is empty else (make.series(),),
            discontinuation_reason=None
            if order is made
            else Code("110501", "DCM", "Equipment failure"),
        )
        if order is not running:
            done = CompletePerformedStep if order is made else DiscontinuePerformedStep
            execute(
                done(sop_instance_uid=command.sop_instance_uid, details=details), actor=people.ct1
            )

    def studies(asked: str) -> set[str]:
        found = api.get(f"/ImagingStudy?{asked}").resources
        return {each["basedOn"][0]["reference"].partition("/")[2] for each in found}

    for status, orders in (
        ("available", {made, dropped}),
        ("registered", {running}),
        ("cancelled", {empty}),
        ("available,cancelled", {made, dropped, empty}),
        ("unknown", set()),
    ):
        assert studies(f"status={status}") == {str(each.public_id) for each in orders}, status
    assert studies("status:not=available") == {str(running.public_id), str(empty.public_id)}


def test_a_report_changes_when_its_patient_does(api: Api) -> None:
    make.site()
    make.device()
    report = sign(make.performed(), reader())
    before = api.get(f"/DiagnosticReport/{report.public_id}").body["meta"]["lastUpdated"]
    patient = api.get(f"/Patient/{report.order.patient.public_id}").body
    changed = {**patient, "gender": "other"}
    assert api.put(f"/Patient/{patient['id']}", changed).status == 200

    for kind in ("DiagnosticReport", "DocumentReference"):
        (told,) = api.get(f"/{kind}?_lastUpdated=gt{before}&_sort=-_lastUpdated").resources
        assert told["meta"]["lastUpdated"] > before
