"""Reports as IHE RAD IMR 1.1.0 wants them: found, complete with what they refer to, printable."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ris.domain.accounts import CreateUser
from ris.domain.actors import Role
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.values import PersonName
from ris.models import BreastAssessment, Order, Practitioner, Report
from ris.services import execute
from ris.services.report_documents import report_document
from tests import make, people
from tests.integration.fhir.api import Api, found
from tests.integration.fhir.readers import reader, sign

LOINC = "http://loinc.org"


@pytest.fixture
def exam(api: Api) -> Order:
    make.site()
    make.device()
    return make.performed()


@pytest.fixture
def report(exam: Order) -> Report:
    return sign(exam, reader())


def shown(api: Api, report: Report) -> dict[str, Any]:
    answer = api.get(f"/DiagnosticReport/{report.public_id}")
    assert answer.status == 200, answer.body
    return answer.body


def test_an_overall_assessment_is_a_code_of_the_conclusion(api: Api, exam: Order) -> None:
    opened = make.opened_report(exam)
    day = date(2026, 3, 2)
    BreastAssessment.objects.create(
        report=opened, exam="SCREENING", right="1", left="5", overall="5", examined_on=day,
        watched_until=day,
    )  # fmt: skip

    (code,) = shown(api, sign(exam, reader()))["conclusionCode"]

    assert code["coding"][0]["system"] == "http://snomed.info/sct"
    assert code["coding"][0]["code"] == "397145000"


def test_a_report_has_all_that_imr_asks_for(api: Api, exam: Order, report: Report) -> None:
    seen = shown(api, report)
    procedure = exam.procedures.get()

    assert "contained" not in seen
    assert seen["meta"]["profile"] == [
        "https://profiles.ihe.net/RAD/IMR/StructureDefinition/imr-diagnosticreport"
    ]
    assert seen["status"] == "final"
    codes = [each["coding"][0]["code"] for each in seen["category"]]
    assert codes == ["RAD", "LP29684-5"]
    assert seen["basedOn"] == [{"reference": f"ServiceRequest/{exam.public_id}"}]
    assert seen["imagingStudy"] == [{"reference": f"ImagingStudy/{procedure.public_id}"}]
    assert [each["reference"].split("/")[0] for each in seen["performer"]] == ["Organization"]
    assert [each["display"] for each in seen["resultsInterpreter"]] == ["Ruth Weiss"]
    assert seen["issued"]
    assert seen["conclusion"] == "Normal CT of the head."
    assert [each["contentType"] for each in seen["presentedForm"]] == [
        "text/html",
        "application/pdf",
        "text/plain; charset=utf-8",
    ]


def test_size_and_hash_are_those_of_the_bytes(api: Api, report: Report) -> None:
    for form in shown(api, report)["presentedForm"]:
        content = base64.b64decode(form["data"])

        assert form["size"] == len(content)
        assert base64.b64decode(form["hash"]) == hashlib.sha1(content).digest()
        assert form["title"] == "CT head without contrast"


def test_the_document_is_the_one_that_the_page_prints(api: Api, report: Report) -> None:
    (form,) = [
        each
        for each in shown(api, report)["presentedForm"]
        if each["contentType"] == "application/pdf"
    ]
    kept = report_document(str(report.public_id), 1)

    assert base64.b64decode(form["data"]) == kept.content
    assert shown(api, report)["presentedForm"][1] == form


def test_one_search_brings_the_report_with_all_it_refers_to(
    api: Api, exam: Order, report: Report
) -> None:
    include = "&".join(
        f"_include=DiagnosticReport:{name}"
        for name in ("subject", "based-on", "performer", "results-interpreter", "result")
    )

    answer = api.get(
        f"/DiagnosticReport?based-on.identifier={exam.accession_number}&{include}"
        "&_include=DiagnosticReport:imagingStudy"
    )

    (match,) = answer.of("match")
    brought = {f"{each['resourceType']}/{each['id']}" for each in answer.of("include")}
    named = {
        each["reference"]
        for name in ("basedOn", "imagingStudy", "performer", "resultsInterpreter")
        for each in match[name]
    } | {match["subject"]["reference"]}
    assert brought == named
    assert not answer.of("outcome")


SEARCHES = (
    "patient=Patient/{patient}",
    "patient.identifier={number}",
    "patient.given=Anna&patient.family=Berg",
    "based-on=ServiceRequest/{order}",
    "based-on.identifier={accession}",
    "imagingStudy=ImagingStudy/{study}",
    "imagingStudy.identifier=urn:oid:{uid}",
    "status=final",
    "imagingStudy.modality=CT&status=final",
    "imagingStudy.started=2026-03-02&status=final",
)


def test_the_searches_of_rad_143(api: Api, exam: Order, report: Report) -> None:
    other = make.patient("other", name=PersonName.of("Other", "Otto"))
    make.performed(start_at=make.NOON + timedelta(hours=3), patient=other)
    procedure = exam.procedures.get()
    said = {
        "patient": exam.patient.public_id,
        "number": exam.patient.identifiers.get(primary=True).value,
        "order": exam.public_id,
        "accession": exam.accession_number,
        "study": procedure.public_id,
        "uid": procedure.study_instance_uid,
    }

    for query in SEARCHES:
        asked = query.format(**said)
        got = api.get(f"/DiagnosticReport?{asked}&_elements=status")
        posted = api.request(
            "POST",
            "/DiagnosticReport/_search",
            f"{asked}&_elements=status".encode(),
            Content_Type="application/x-www-form-urlencoded",
        )
        assert got.ids == posted.ids == [str(report.public_id)], asked


def test_each_version_is_told_with_its_kind(api: Api, report: Report) -> None:
    first = shown(api, report)
    amend = AmendReport(
        report=str(report.public_id), kind=VersionKind.ADDENDUM, sections={"addendum": "Seen."}
    )
    execute(amend, actor=people.radiologist)
    second = shown(api, report)
    address = f"/DiagnosticReport/{report.public_id}/_history/{first['meta']['versionId']}"

    assert (first["status"], second["status"]) == ("final", "appended")
    assert first["presentedForm"][1]["hash"] != second["presentedForm"][1]["hash"]
    assert api.get(address).body == first


def test_what_is_not_simply_final_says_so_in_every_form(api: Api, report: Report) -> None:
    correct = AmendReport(
        report=str(report.public_id),
        kind=VersionKind.CORRECTION,
        sections={"impression": "A fracture."},
        reason="overlooked",
    )
    execute(correct, actor=people.radiologist)

    page, _, text = (base64.b64decode(each["data"]) for each in shown(api, report)["presentedForm"])

    words = b"CORRECTED REPORT - replaces the version before: "
    assert b"<p><strong>" + words + b"<bdi>overlooked</bdi></strong></p>" in page
    assert text.startswith(words + b"overlooked\n\nIMPRESSION\nA fracture.")


def test_what_is_not_signed_or_withdrawn_shows_no_text(api: Api, exam: Order) -> None:
    report = make.opened_report(exam)
    execute(
        SaveDraft(report=str(report.public_id), sections={"impression": "A fracture?"}),
        actor=people.radiologist,
    )
    draft = api.get(f"/DiagnosticReport/{report.public_id}").body
    signed = make.final_report(exam)
    retract = RetractReport(report=str(signed.public_id), reason="wrong patient")
    execute(retract, actor=people.radiologist)

    withdrawn = shown(api, signed)

    assert draft["status"] == "partial"
    assert withdrawn["status"] == "entered-in-error"
    for each in (draft, withdrawn):
        assert not {"presentedForm", "conclusion", "result"} & each.keys()
        assert "profile" not in each["meta"]  # IMR wants a report that can be read


def test_an_exam_that_waits_for_its_report_is_listed_as_registered(api: Api, exam: Order) -> None:
    (key,) = found(api, "DiagnosticReport", status="registered")
    seen = api.get(f"/DiagnosticReport/{key}").body

    assert seen["code"]["coding"][0]["code"] == "CTHEAD"
    assert seen["imagingStudy"] == [
        {"reference": f"ImagingStudy/{exam.procedures.get().public_id}"}
    ]
    assert not {"issued", "presentedForm", "resultsInterpreter"} & seen.keys()
    assert str(make.opened_report(exam).public_id) == key


def test_a_resident_made_it_and_an_attending_answers_for_it(api: Api, exam: Order) -> None:
    roles = frozenset({Role.RESIDENT})
    new = CreateUser(username="rasmus", password="", roles=roles, last_name="Ekdahl")
    resident = replace(people.resident, name="rasmus", user_id=execute(new, actor=people.admin))
    report = make.opened_report(exam)
    preliminary = SignPreliminary(report=str(report.public_id), sections=dict(make.TEXT))
    execute(preliminary, actor=resident)
    before = shown(api, report)

    execute(FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)), actor=reader())

    after = shown(api, report)
    key = Practitioner.objects.get(identifier="rasmus").public_id
    assert [each["display"] for each in before["resultsInterpreter"]] == ["Ekdahl"]
    assert len(before["performer"]) == 1
    assert [each["display"] for each in after["resultsInterpreter"]] == ["Ruth Weiss"]
    assert after["performer"][0] == before["performer"][0]
    assert after["performer"][1]["display"] == "Ekdahl"
    assert after["performer"][1]["reference"] == f"Practitioner/{key}"
    assert found(api, "DiagnosticReport", performer=f"Practitioner/{key}") == [
        str(report.public_id)
    ]
