"""Exams as imaging systems and EHRs look at them: studies, dose, findings, endpoints."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ris.domain.dose import DoseKind, DoseSource, RecordDose, Scope, WithdrawDose
from ris.domain.identifiers import new_uid
from ris.domain.measures import Measure, quantity
from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    CommunicateCriticalResult,
    RetractReport,
)
from ris.domain.values import Identifier
from ris.models import Order
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Api, found
from tests.integration.fhir.readers import reader, sign

UID = "urn:dicom:uid"


@pytest.fixture
def exam(api: Api) -> Order:
    make.site()
    make.device()
    return make.performed()


def dose(exam: Order, **overrides: object) -> str:
    """A CT dose report for the exam; returns its public id."""
    number = exam.patient.identifiers.get(primary=True)
    fields: dict[str, object] = {
        "source": DoseSource.RDSR,
        "source_uid": new_uid(),
        "kind": DoseKind.CT,
        "ae_title": "CT1",
        "started_at": make.NOON,
        "ended_at": make.NOON + timedelta(minutes=10),
        "scope": Scope.STUDY,
        "totals": (
            quantity(Measure.DLP, "410.2", "mGy.cm"),
            quantity(Measure.CTDI_VOL, "52", "mGy"),
        ),
        "accession_number": exam.accession_number,
        "study_instance_uid": make.step_of(exam).procedure.study_instance_uid,
        "patient_identifier": Identifier(number.value, number.issuer),
    }
    actor = people.technologist if "order" in overrides else people.ct1
    return execute(RecordDose(**{**fields, **overrides}), actor=actor)


def finding(report: str, **overrides: str) -> str:
    fields = {"finding": "Tension pneumothorax.", "told": "Dr. Holm", **overrides}
    return execute(CommunicateCriticalResult(report=report, **fields), actor=people.radiologist)


# --- dose


def test_the_dose_of_an_exam_is_an_observation_of_its_study(api: Api, exam: Order) -> None:
    uid = new_uid()
    key = dose(exam, source_uid=uid)
    study = {"reference": f"ImagingStudy/{exam.procedures.get().public_id}"}

    seen = api.get(f"/Observation/{key}").body

    assert seen["identifier"] == [{"system": UID, "value": f"urn:oid:{uid}"}]
    assert seen["status"] == "final"
    assert seen["code"]["coding"] == [{"system": "http://loinc.org", "code": "73569-6"}]
    assert seen["valueString"] == ("Dose length product (DLP): 410.2 mGy·cm; CTDIvol: 52 mGy")
    assert (seen["focus"], seen["partOf"]) == ([study], [study])
    assert seen["subject"] == {"reference": f"Patient/{exam.patient.public_id}"}
    assert seen["effectiveDateTime"] == "2026-03-02T12:00:00Z"
    assert seen["device"]["identifier"]["value"] == "CT1"


def test_a_dose_is_found_by_the_device_that_told_it_and_leads_to_what_it_is_of(
    api: Api, exam: Order
) -> None:
    make.device("CT2")
    make.order()
    key = dose(exam)
    device = api.get(f"/Observation/{key}").body["device"]["reference"]
    (other,) = set(found(api, "Device")) - {device.removeprefix("Device/")}
    code = {"_has:Observation:patient:code": "73569-6"}

    assert found(api, "Observation", device=device) == [key]
    assert found(api, "Observation", device=f"Device/{other}") == []
    assert found(api, "Observation", device__missing="false") == [key]
    assert found(api, "Patient", **code) == [str(exam.patient.public_id)]
    assert found(api, "ServiceRequest", **{"_has:Observation:based-on:code": "73569-6"}) == [
        str(exam.public_id)
    ]


def test_a_dose_that_was_taken_back_is_entered_in_error(api: Api, exam: Order) -> None:
    key = dose(
        exam,
        source=DoseSource.MANUAL,
        order=str(exam.public_id),
        totals=(quantity(Measure.DLP, "410", "mGy.cm"),),
    )
    execute(WithdrawDose(dose=key, reason="typed twice"), actor=people.technologist)

    assert api.get(f"/Observation/{key}").body["status"] == "entered-in-error"
    assert found(api, "Observation", status="entered-in-error") == [key]
    assert found(api, "Observation", status="final") == []


# --- critical findings


def test_a_critical_finding_says_who_was_told(api: Api, exam: Order) -> None:
    report = make.final_report(exam)
    key = finding(str(report.public_id))
    acknowledge = AcknowledgeCriticalResult(critical_result=key, acknowledged_by="Dr. Holm")
    execute(acknowledge, actor=people.radiologist)

    seen = api.get(f"/Observation/{key}").body

    assert seen["valueString"] == "Tension pneumothorax."
    assert seen["interpretation"][0]["coding"][0]["code"] == "AA"
    assert seen["note"][0] == {"text": "Told Dr. Holm by phone"}
    assert seen["note"][1]["text"].startswith("Acknowledged by Dr. Holm, 20")
    assert seen["derivedFrom"] == [{"reference": f"ImagingStudy/{exam.procedures.get().public_id}"}]
    listed = api.get(f"/DiagnosticReport/{report.public_id}").body["result"]
    assert listed == [{"reference": f"Observation/{key}"}]


def test_a_finding_of_a_withdrawn_report_is_entered_in_error(api: Api, exam: Order) -> None:
    report = make.final_report(exam)
    key = finding(str(report.public_id))
    before = api.get(f"/Observation/{key}").body
    retract = RetractReport(report=str(report.public_id), reason="wrong patient")
    execute(retract, actor=people.radiologist)

    after = api.get(f"/Observation/{key}").body

    assert (before["status"], after["status"]) == ("final", "entered-in-error")
    assert before["meta"]["versionId"] != after["meta"]["versionId"]
    changed = after["meta"]["lastUpdated"]
    assert found(api, "Observation", _lastUpdated=f"ge{changed[:19]}Z") == [key]
    assert "result" not in api.get(f"/DiagnosticReport/{report.public_id}").body


# --- all observations are one search


@pytest.mark.database
def test_what_clients_sent_and_what_the_core_knows_is_one_search(api: Api, exam: Order) -> None:
    patient = f"Patient/{exam.patient.public_id}"
    sent = api.post(
        "/Observation",
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
            "subject": {"reference": patient},
            "effectiveDateTime": "2026-03-01",
            "valueQuantity": {"value": Decimal("1.10").__float__(), "unit": "mg/dL"},
        },
    ).body["id"]
    measured = dose(exam)
    told = finding(str(make.final_report(exam).public_id))
    another = dose(make.performed(start_at=make.NOON + timedelta(hours=1)))
    number = exam.patient.identifiers.get(primary=True)
    study = exam.procedures.get().public_id

    def ids(**asked: str) -> set[str]:
        return set(found(api, "Observation", **asked))

    assert ids() == {sent, measured, told, another}
    assert ids(patient=patient) == {sent, measured, told}
    assert ids(subject=patient, category="imaging") == {measured, told}
    assert ids(patient=patient, code="http://loinc.org|73569-6") == {measured}
    assert ids(code="73569-6,2160-0") == {sent, measured, another}
    assert ids(patient=patient, code__not="73569-6") == {sent, told}
    assert ids(patient=patient, date="lt2026-03-02") == {sent}
    assert ids(patient=patient, date="2026-03-02") == {measured}
    assert ids(patient=patient, focus__missing="false") == {measured}
    assert ids(patient=patient, encounter__missing="true") == {sent, measured, told}
    assert ids(focus=f"ImagingStudy/{study}") == {measured}
    assert ids(part___of=f"ImagingStudy/{study}") == {measured}
    assert ids(derived___from=f"ImagingStudy/{study}") == {told}
    assert ids(based___on=f"ServiceRequest/{exam.public_id}") == {measured, told}
    assert ids(**{"patient.identifier": number.value}) == {sent, measured, told}
    assert ids(_id=f"{sent},{told}") == {sent, told}
    assert ids(value___quantity="1.1") == {sent}
    assert found(api, "Observation", patient=patient, _sort="date") == [sent, measured, told]
    answer = api.get(f"/Observation?patient={patient}&_count=2&_sort=_id")
    following = api.get(answer.link("next") or "")
    assert sorted([*answer.ids, *following.ids]) == sorted([sent, measured, told])
    assert api.get(f"/Observation?patient={patient}&_summary=count").body["total"] == 3


def test_what_the_core_knows_is_changed_elsewhere(api: Api, exam: Order) -> None:
    key = dose(exam)
    seen = api.get(f"/Observation/{key}").body

    answers = [
        api.put(f"/Observation/{key}", {**seen, "valueString": "none"}),
        api.request("DELETE", f"/Observation/{key}"),
    ]

    assert [each.status for each in answers] == [405, 405]
    assert api.get(f"/Observation/{key}").body == seen


# --- endpoints


VIEWER_URL = "https://viewer.example/?study={study}&acc={accession}&pid={patient}"


@pytest.fixture
def images(settings: Any) -> None:
    settings.WADO_RS = "https://pacs.example/dicom-web"
    settings.VIEWER_URL = VIEWER_URL


def test_a_study_says_where_its_images_can_be_had(api: Api, exam: Order, images: None) -> None:
    procedure = exam.procedures.get()
    number = exam.patient.identifiers.get(primary=True).value

    answer = api.get(f"/ImagingStudy?_id={procedure.public_id}&_include=ImagingStudy:endpoint")

    (study,) = answer.of("match")
    assert study["endpoint"] == [
        {"reference": "Endpoint/archive"},
        {"reference": f"Endpoint/viewer.{procedure.public_id}"},
    ]
    archive, viewer = answer.of("include")
    assert archive["connectionType"]["code"] == "dicom-wado-rs"
    assert archive["address"] == "https://pacs.example/dicom-web"
    assert archive["payloadMimeType"] == ["application/dicom"]
    assert viewer["connectionType"]["code"] == "ihe-iid"
    assert viewer["payloadType"][0]["coding"][0]["code"] == "113014"
    assert viewer["address"] == (
        f"https://viewer.example/?study={procedure.study_instance_uid}"
        f"&acc={exam.accession_number}&pid={number}"
    )
    assert api.get(f"/Endpoint/viewer.{procedure.public_id}").body == viewer


def test_endpoints_are_searched(api: Api, images: None) -> None:
    assert found(api, "Endpoint") == ["archive"]
    assert found(api, "Endpoint", connection___type="dicom-wado-rs", status="active") == ["archive"]
    assert found(api, "Endpoint", connection___type="ihe-iid") == []
    assert found(api, "Endpoint", name="image") == ["archive"]
    assert found(api, "Endpoint", name__exact="image") == []
    assert found(api, "Endpoint", status="off") == []
    assert api.get("/Endpoint?_summary=count").body["total"] == 1
    assert api.get("/Endpoint/viewer.none").status == 404


def test_without_settings_there_are_no_endpoints(api: Api, exam: Order) -> None:
    study = api.get(f"/ImagingStudy/{exam.procedures.get().public_id}").body

    assert "endpoint" not in study
    assert found(api, "Endpoint") == []


# --- studies


def test_a_study_names_who_reported_it_once_the_report_is_signed(api: Api, exam: Order) -> None:
    address = f"/ImagingStudy/{exam.procedures.get().public_id}"
    before = api.get(address).body
    sign(exam, reader())

    after = api.get(address).body

    assert "interpreter" not in before
    (who,) = after["interpreter"]
    assert who["reference"].startswith("Practitioner/")
    assert who["display"] == "Ruth Weiss"
    assert (after["numberOfSeries"], after["numberOfInstances"]) == (1, 42)
    assert after["started"] == "2026-03-02T12:00:00Z"
    assert after["referrer"]["display"] == "Olga Ordonez"
