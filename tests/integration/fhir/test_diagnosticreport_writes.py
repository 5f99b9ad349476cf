"""Reports that a client wrote: filed as far as it is trusted, corrected, withdrawn (RAD-141)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.models import Document, InboundMessage, Order, Report, ReportVersion
from ris.services import execute
from tests import make
from tests.integration.fhir.api import Answer, Api, token
from tests.integration.fhir.readers import reader, sign
from tests.integration.fhir.resources import typed

PAGE = """<html><head><title>CT</title><style>p {color: red}</style></head><body>
<h2>Findings</h2><p>No bleeding.<br>No &lt;mass&gt;.</p>
<h2>Impression</h2><p>Normal.</p></body></html>"""
TEXT = "FINDINGS:\nNo bleeding.\nIMPRESSION: Normal CT of the head."


@pytest.fixture
def exam(api: Api) -> Order:
    make.site()
    make.device()
    return make.performed()


def trust(results: str, **settings: Any) -> None:
    execute(
        ConfigureEndpoint(
            name="EHR over FHIR",
            protocol=Protocol.FHIR,
            direction=Direction.IN,
            protocol_name="EHR",
            settings={"results": results, **settings},
        ),
        actor=OPERATOR,
    )


def form(data: str | bytes, kind: str = "text/plain; charset=utf-8") -> dict[str, Any]:
    raw = data if isinstance(data, bytes) else data.encode()
    return {"contentType": kind, "data": base64.b64encode(raw).decode()}


def report(order: Order, **elements: Any) -> dict[str, Any]:
    said = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24725-4"}]},
        "subject": {"reference": f"Patient/{order.patient.public_id}"},
        "basedOn": [{"reference": f"ServiceRequest/{order.public_id}"}],
        "issued": "2026-03-02T13:00:00Z",
        "resultsInterpreter": [{"display": "Dr. Elsa Fern"}],
        "presentedForm": [form(TEXT)],
        **elements,
    }
    return {name: value for name, value in said.items() if value is not None}


def file(api: Api, order: Order, **elements: Any) -> Answer:
    return api.post("/DiagnosticReport", report(order, **elements))


def test_without_trust_it_is_a_draft_whose_text_nobody_is_shown(api: Api, exam: Order) -> None:
    awaited = str(exam.procedures.get().public_id)

    answer = file(api, exam)

    assert answer.status == 201
    assert (answer.body["status"], answer.body["id"]) == ("partial", awaited)
    assert not answer.body.keys() & {"presentedForm", "conclusion", "issued"}
    assert Report.objects.get().draft == {
        "findings": "No bleeding.",
        "impression": "Normal CT of the head.",
    }
    assert api.get(f"/DiagnosticReport/{awaited}").body == answer.body


def test_of_a_trusted_sender_it_is_the_report(api: Api, exam: Order) -> None:
    trust("final")

    answer = file(api, exam)
    again = file(api, exam)

    assert (answer.status, answer.body["status"]) == (201, "final")
    assert answer.body["conclusion"] == "Normal CT of the head."
    (version,) = ReportVersion.objects.all()
    assert version.particulars["interpreter"] == "Dr. Elsa Fern"
    assert (version.particulars["source"], version.signer_id) == ("EHR", None)
    assert (again.status, again.body) == (200, answer.body)
    exam.refresh_from_db()
    assert exam.status == "COMPLETED"


@pytest.mark.parametrize(
    "named",
    [
        {"basedOn": [{"identifier": {"type": {"text": "accession"}, "system": "SYSTEM"}}]},
        {"basedOn": None, "identifier": [{"system": "SYSTEM"}]},
        {"basedOn": None, "imagingStudy": [{"reference": "STUDY"}]},
        {"basedOn": None, "imagingStudy": [{"identifier": {"system": "urn:dicom:uid"}}]},
    ],
    ids=["number of the request", "own number", "study", "UID"],
)
def test_the_exam_is_named_in_many_ways(api: Api, exam: Order, named: dict[str, Any]) -> None:
    trust("final")
    procedure = exam.procedures.get()
    accession = {
        "type": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]
        },
        "system": "urn:ris:accession-number",
        "value": exam.accession_number,
    }
    if named.get("basedOn"):
        named = {"basedOn": [{"identifier": accession, "type": "ServiceRequest"}]}
    elif "identifier" in named:
        named = {**named, "identifier": [accession]}
    elif "reference" in named["imagingStudy"][0]:
        named = {**named, "imagingStudy": [{"reference": f"ImagingStudy/{procedure.public_id}"}]}
    else:
        uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{procedure.study_instance_uid}"}
        named = {**named, "imagingStudy": [{"identifier": uid}]}

    answer = file(api, exam, **named)

    assert (answer.status, answer.body.get("status")) == (201, "final"), answer.body


def test_a_page_is_read_as_text_and_a_document_is_kept(api: Api, exam: Order) -> None:
    trust("final")
    pdf = form(b"%PDF-1.4 report", "application/pdf")

    answer = file(api, exam, presentedForm=[form(PAGE, "text/html"), pdf])

    assert answer.status == 201
    version = ReportVersion.objects.get()
    assert version.sections == {"findings": "No bleeding.\nNo <mass>.", "impression": "Normal."}
    document = Document.objects.get(report__isnull=False, media_type="application/pdf")
    assert bytes(document.content) == b"%PDF-1.4 report"


def test_coded_results_stand_with_the_findings(api: Api, exam: Order) -> None:
    trust("final")
    nodule = {
        "resourceType": "Observation",
        "id": "n",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "21889-1"}], "text": "Nodule"},
        "valueQuantity": {"value": 7, "unit": "mm"},
    }

    answer = file(
        api, exam, contained=[nodule], result=[{"reference": "#n"}], presentedForm=None,
        conclusion="Follow up in six months.",
    )  # fmt: skip

    assert answer.status == 201
    assert ReportVersion.objects.get().sections == {
        "findings": "Nodule: 7 mm",
        "impression": "Follow up in six months.",
    }


def test_a_preliminary_report_becomes_final_and_is_corrected(api: Api, exam: Order) -> None:
    trust("final")
    first = file(api, exam, status="preliminary")
    address = f"/DiagnosticReport/{first.body['id']}"
    sent = {**report(exam), "id": first.body["id"]}

    final = api.put(address, sent)
    silent = api.put(address, {**sent, "presentedForm": [form("Otherwise.")]})
    corrected = api.put(
        address, {**sent, "status": "corrected", "presentedForm": [form("A small bleeding.")]}
    )

    assert (first.body["status"], final.body["status"]) == ("preliminary", "final")
    assert (silent.status, silent.issue["expression"]) == (409, ["DiagnosticReport.status"])
    assert (corrected.status, corrected.body["status"]) == (200, "corrected")
    kinds = list(ReportVersion.objects.order_by("number").values_list("kind", flat=True))
    assert kinds == ["PRELIMINARY", "FINAL", "CORRECTION"]


def test_what_is_read_and_written_back_changes_nothing(api: Api, exam: Order) -> None:
    trust("final")
    found = file(api, exam).body

    answer = api.put(f"/DiagnosticReport/{found['id']}", found)

    assert (answer.status, answer.body) == (200, found)
    assert ReportVersion.objects.count() == 1


def test_what_was_signed_here_is_not_changed_from_outside(api: Api, exam: Order) -> None:
    trust("final", withdraw_results=True)
    signed = sign(exam, reader())
    address = f"/DiagnosticReport/{signed.public_id}"

    corrected = file(api, exam, status="corrected", presentedForm=[form("A bleeding.")])
    withdrawn = api.patch(
        address, [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    )

    assert (corrected.status, withdrawn.status) == (409, 409)
    assert api.get(address).body["status"] == "final"
    assert InboundMessage.objects.get(message_type="POST DiagnosticReport").state == "REJECTED"


def test_a_sender_withdraws_its_own_report_if_that_is_permitted(api: Api, exam: Order) -> None:
    trust("final")
    address = f"/DiagnosticReport/{file(api, exam).body['id']}"
    wrong = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]

    refused = api.patch(address, wrong)
    trust("final", withdraw_results=True)
    withdrawn = api.patch(address, wrong)

    assert refused.status == 403
    assert (withdrawn.status, withdrawn.body["status"]) == (200, "entered-in-error")
    assert "presentedForm" not in withdrawn.body


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"status": "registered"}, 422, "brings no text"),
    ({"status": "entered-in-error"}, 422, "brings no text"),
    ({"presentedForm": None}, 422, "no text"),
    ({"presentedForm": [form(b"\xff\xfe", "text/plain")]}, 422, "not utf-8"),
    ({"basedOn": None}, 422, "the exam it is about"),
    (
        {"basedOn": [{"reference": "ServiceRequest/00000000-0000-7000-8000-000000000001"}]},
        422,
        "no such order",
    ),
    (
        {
            "basedOn": None,
            "imagingStudy": [{"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}}],
        },
        422,
        "no such order",
    ),
    ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, 422, "not understood"),
]


def test_what_cannot_be_filed_is_refused_in_words(api: Api, exam: Order) -> None:
    trust("final")

    for elements, status, words in REFUSED:
        answer = file(api, exam, **elements)
        assert (answer.status, words in answer.issue["diagnostics"]) == (status, True), answer.body
    assert Report.objects.count() == 0


def test_an_exam_that_was_not_done_or_is_of_another_patient_has_no_report(
    api: Api, exam: Order
) -> None:
    trust("final")
    waiting = make.order()

    early = file(api, waiting)
    foreign = file(api, exam, subject={"reference": f"Patient/{waiting.patient.public_id}"})

    assert (early.status, "was not done" in early.issue["diagnostics"]) == (409, True)
    assert foreign.status in {409, 422}
    assert Report.objects.count() == 0


def test_a_sender_that_may_not_report_is_refused(api: Api, exam: Order) -> None:
    trust("no")

    answer = file(api, exam)

    assert (answer.status, answer.issue["code"]) == (403, "forbidden")
    assert api.request("DELETE", f"/DiagnosticReport/{exam.public_id}").status == 405


def test_a_report_leads_only_to_orders_that_the_scopes_reach(api: Api, exam: Order) -> None:
    trust("final")
    narrow = Api(
        token("system/DiagnosticReport.cruds", "system/ServiceRequest.rs?identifier=urn:x|1")
    )
    procedure = exam.procedures.get()
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{procedure.study_instance_uid}"}
    accession = {"type": typed("ACSN"), "value": exam.accession_number}

    for named in (
        {},
        {"basedOn": None, "identifier": [accession]},
        {"basedOn": None, "imagingStudy": [{"identifier": uid}]},
        {"basedOn": None, "imagingStudy": [{"reference": f"ImagingStudy/{procedure.public_id}"}]},
    ):
        answer = file(narrow, exam, subject=None, **named)
        assert (answer.status, answer.issue["code"]) == (422, "not-found"), answer.body
    assert Report.objects.count() == 0
