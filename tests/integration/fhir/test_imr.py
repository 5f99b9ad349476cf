"""A report with what it refers to, element by element, as the profiles of IHE RAD IMR 1.1.0 ask.

The rules are those of imr-diagnosticreport, -servicerequest, -imagingstudy, -study-endpoint and
-observation and of the response of RAD-143. A validator not written here looks at the same answer
(``heard``).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from integration.fhir.narrative import faults as narrative_faults
from ris.domain.reporting import CommunicateCriticalResult, FinalizeReport, OpenReport
from ris.models import Order
from ris.services import execute
from tests import ground, make, people
from tests.integration.fhir.api import Answer, Api
from tests.integration.fhir.readers import reader, sign

pytestmark = pytest.mark.django_db

Resource = dict[str, Any]
PROFILES = "https://profiles.ihe.net/RAD/IMR/StructureDefinition/"
IMAGING = "http://terminology.hl7.org/CodeSystem/observation-category"
SNOMED = "http://snomed.info/sct"
NUMBERS = "http://terminology.hl7.org/CodeSystem/v2-0203"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
QUERY = (
    "&_include=DiagnosticReport:subject&_include=DiagnosticReport:based-on"
    "&_include=DiagnosticReport:performer&_include=DiagnosticReport:results-interpreter"
    "&_include=DiagnosticReport:result&_include=DiagnosticReport:imagingStudy"
    "&_include:iterate=ImagingStudy:endpoint&_total=accurate"
)


def _reported() -> Order:
    make.site()
    make.device()
    exam = make.performed()
    report = sign(exam, reader())
    execute(
        CommunicateCriticalResult(
            report=str(report.public_id), finding="Bleeding", told="Dr. Ordonez"
        ),
        actor=people.radiologist,
    )
    return exam


@dataclass
class Said:
    """One answer with its resources by type, and what each reference in it leads to."""

    answer: Answer
    report: Resource = field(default_factory=dict)

    def of(self, kind: str) -> list[Resource]:
        return [each for each in self.answer.resources if each["resourceType"] == kind]

    def leads_to(self, references: list[Resource], *kinds: str) -> bool:
        """Whether all of them name one of these types, and what is named came along."""
        there = {f"{each['resourceType']}/{each['id']}" for each in self.answer.resources}
        named = [each["reference"] for each in references]
        return set(named) <= there and {each.partition("/")[0] for each in named} <= set(kinds)


@pytest.fixture
def said(api: Api, settings: Any) -> Said:
    settings.WADO_RS = "https://pacs.example/dicom-web"
    settings.VIEWER_URL = "https://viewer.example/?study={study}"
    exam, _ = ground.begin("a report as IMR has it", _reported)
    answer = api.get(f"/DiagnosticReport?based-on.identifier={exam.accession_number}{QUERY}")
    return Said(answer, answer.of("match")[0])


def codings(concepts: list[Resource]) -> list[tuple[str, str]]:
    return [(each["system"], each["code"]) for one in concepts for each in one.get("coding", [])]


def typed(resource: Resource, code: str) -> list[Resource]:
    """The identifiers of a type of table 0203."""
    return [
        each
        for each in resource["identifier"]
        if (NUMBERS, code) in codings([each.get("type", {})])
    ]


def is_instant(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def forms(said: Said, kind: str = "") -> list[Resource]:
    return [each for each in said.report["presentedForm"] if each["contentType"].startswith(kind)]


def true_of_bytes(form: Resource) -> bool:
    content = base64.b64decode(form["data"])
    digest = base64.b64encode(hashlib.sha1(content).digest()).decode()
    return (form["size"], form["hash"]) == (len(content), digest)


# Element of the profile → whether the answer is as it asks.
RULES: dict[str, Callable[[Said], bool]] = {
    "DiagnosticReport.meta.profile": lambda said: (
        said.report["meta"]["profile"] == [f"{PROFILES}imr-diagnosticreport"]
    ),
    "DiagnosticReport.contained 0..0 (RAD-141)": lambda said: "contained" not in said.report,
    "DiagnosticReport.text must support": lambda said: (
        said.report["text"]["status"] == "generated"
        and narrative_faults(said.report["text"]["div"]) == ""
        and "No bleeding." in said.report["text"]["div"]
    ),
    "DiagnosticReport.status 1..1": lambda said: said.report["status"] == "final",
    "DiagnosticReport.code 1..1": lambda said: bool(said.report["code"]["coding"]),
    "DiagnosticReport.basedOn:serviceRequest 0..*": lambda said: said.leads_to(
        said.report["basedOn"], "ServiceRequest"
    ),
    "DiagnosticReport.subject 1..1 Patient": lambda said: said.leads_to(
        [said.report["subject"]], "Patient"
    ),
    "DiagnosticReport.issued 1..1": lambda said: is_instant(said.report["issued"]),
    "DiagnosticReport.performer:organization 1..1": lambda said: (
        said.leads_to(said.report["performer"], "Organization")
        and len(said.report["performer"]) == 1
    ),
    "DiagnosticReport.resultsInterpreter 1..* Practitioner": lambda said: (
        said.leads_to(said.report["resultsInterpreter"], "Practitioner")
        and len(said.report["resultsInterpreter"]) >= 1
    ),
    "DiagnosticReport.result 0..* Observation": lambda said: said.leads_to(
        said.report["result"], "Observation"
    ),
    "DiagnosticReport.imagingStudy 1..1": lambda said: (
        said.leads_to(said.report["imagingStudy"], "ImagingStudy")
        and len(said.report["imagingStudy"]) == 1
    ),
    "DiagnosticReport.presentedForm:html 1..*": lambda said: (
        [each["contentType"] for each in forms(said, "text/html")] == ["text/html"]
    ),
    "DiagnosticReport.presentedForm:pdf 0..*": lambda said: (
        [each["contentType"] for each in forms(said, "application/pdf")] == ["application/pdf"]
    ),
    "DiagnosticReport.presentedForm: data or url": lambda said: all(
        "data" in each or "url" in each for each in forms(said)
    ),
    "DiagnosticReport.presentedForm.size 1..1 and hash 1..1": lambda said: all(
        true_of_bytes(each) for each in forms(said)
    ),
    "ServiceRequest.identifier:accession 1..1": lambda said: (
        [len(typed(each, "ACSN")) for each in said.of("ServiceRequest")] == [1]
        and all(each["value"] for each in typed(said.of("ServiceRequest")[0], "ACSN"))
    ),
    "ServiceRequest.intent": lambda said: (
        {each["intent"] for each in said.of("ServiceRequest")}
        <= {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
    ),
    "ServiceRequest.category:imaging 1..1": lambda said: (
        codings(said.of("ServiceRequest")[0]["category"]) == [(SNOMED, "363679005")]
    ),
    "ServiceRequest.subject Patient": lambda said: said.leads_to(
        [said.of("ServiceRequest")[0]["subject"]], "Patient"
    ),
    "ImagingStudy.identifier:studyUID 1..1": lambda said: (
        [
            each["value"].startswith("urn:oid:")
            for each in said.of("ImagingStudy")[0]["identifier"]
            if each["system"] == "urn:dicom:uid"
        ]
        == [True]
    ),
    "ImagingStudy.modality 1..*": lambda said: (
        [(each["system"], each["code"]) for each in said.of("ImagingStudy")[0]["modality"]]
        == [(DCM, "CT")]
    ),
    "ImagingStudy.subject Patient": lambda said: said.leads_to(
        [said.of("ImagingStudy")[0]["subject"]], "Patient"
    ),
    "ImagingStudy.started 1..1": lambda said: is_instant(said.of("ImagingStudy")[0]["started"]),
    "ImagingStudy.endpoint 1..*": lambda said: (
        said.leads_to(said.of("ImagingStudy")[0]["endpoint"], "Endpoint")
        and len(said.of("ImagingStudy")[0]["endpoint"]) == 2
    ),
    "ImagingStudy.series 1..*": lambda said: len(said.of("ImagingStudy")[0]["series"]) == 1,
    "Endpoint.connectionType": lambda said: (
        {each["connectionType"]["code"] for each in said.of("Endpoint")}
        == {"ihe-iid", "dicom-wado-rs"}
    ),
    "Endpoint.payloadType:study 1..1": lambda said: (
        [codings(each["payloadType"]) for each in said.of("Endpoint")] == [[(DCM, "113014")]] * 2
    ),
    "Observation.basedOn:serviceRequest 1..*": lambda said: said.leads_to(
        said.of("Observation")[0]["basedOn"], "ServiceRequest"
    ),
    "Observation.category:imaging 1..1": lambda said: (
        codings(said.of("Observation")[0]["category"]) == [(IMAGING, "imaging")]
    ),
    "Observation.subject 1..1 Patient": lambda said: said.leads_to(
        [said.of("Observation")[0]["subject"]], "Patient"
    ),
    "Observation.effectiveDateTime 1..1": lambda said: is_instant(
        said.of("Observation")[0]["effectiveDateTime"]
    ),
    "Observation.value 1..1": lambda said: said.of("Observation")[0]["valueString"] == "Bleeding",
    "Observation.derivedFrom:imagingStudy 0..1": lambda said: (
        said.leads_to(said.of("Observation")[0]["derivedFrom"], "ImagingStudy")
        and len(said.of("Observation")[0]["derivedFrom"]) == 1
    ),
    "Bundle.type searchset (RAD-143)": lambda said: said.answer.body["type"] == "searchset",
    "Bundle.total 1..1 (RAD-143)": lambda said: said.answer.body["total"] == 1,
    "Bundle.entry.fullUrl 1..1 (RAD-143)": lambda said: all(
        each["fullUrl"] for each in said.answer.body["entry"]
    ),
}


def test_the_answer_is_as_every_element_of_the_profiles_asks(said: Said) -> None:
    broken = [element for element, holds in RULES.items() if not holds(said)]

    assert broken == []


def test_a_report_on_several_studies_does_not_claim_the_profile(api: Api) -> None:
    make.site()
    make.device()
    patient = make.patient()
    exams = [
        make.performed(patient=patient, start_at=make.NOON + timedelta(hours=hours))
        for hours in (0, 2)
    ]
    key = execute(
        OpenReport(procedures=tuple(str(each.procedures.get().public_id) for each in exams)),
        actor=people.radiologist,
    )
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=reader())

    seen = api.get(f"/DiagnosticReport/{key}").body

    assert "profile" not in seen["meta"]
    assert len(seen["imagingStudy"]) == 2
