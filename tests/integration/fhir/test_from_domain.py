"""Read models as FHIR resources, against golden files that two independent readers accept."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from fhirclient.models import fhirelementfactory

from integration.fhir.from_domain import directory
from integration.fhir.from_domain.appointment import appointment
from integration.fhir.from_domain.diagnosticreport import diagnostic_report, html
from integration.fhir.from_domain.encounter import encounter
from integration.fhir.from_domain.imagingstudy import imaging_study
from integration.fhir.from_domain.patient import patient
from integration.fhir.from_domain.procedure import procedure
from integration.fhir.from_domain.servicerequest import procedure_request, service_request
from integration.fhir.from_domain.task import task
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.performing import Match, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Code, Identifier
from ris.selectors.search.views import (
    AppointmentHit,
    PerformedHit,
    ReportHit,
    StepHit,
    StudyHit,
)
from tests.integration.fhir import views
from tests.integration.fhir.api import valid

Resource = dict[str, Any]


def several() -> Any:
    """An order of two procedures."""
    return views.order(
        status=OrderStatus.ACTIVE, procedures=(views.procedure(), views.second_procedure())
    )


def _task() -> Resource:
    order = views.order()
    return task(StepHit(order, order.procedures[0], views.step()), views.shown())


def _report(**changes: Any) -> Resource:
    order = views.order()
    hit = ReportHit(views.report(**changes), ((order, order.procedures[0]),))
    return diagnostic_report(hit, views.shown())


def _appointment() -> Resource:
    order = views.order()
    hit = AppointmentHit(
        views.appointment(), order.patient.public_id, order, order.procedures[0], views.step()
    )
    return appointment(hit, views.shown())


def _procedure(**changes: Any) -> Resource:
    order = views.order()
    covers = tuple((order, each) for each in order.procedures)
    hit = PerformedHit(views.performed(**changes), order.patient.public_id, order, covers)
    return procedure(hit, views.shown())


def _study(**changes: Any) -> Resource:
    order = views.order()
    found = views.procedure(performed=(views.performed(**changes),))
    return imaging_study(StudyHit(order, found), views.shown())


GOLDEN: dict[str, Callable[[], Resource]] = {
    "Patient/several-writings": lambda: patient(views.patient(), views.shown()),
    "Patient/merged": lambda: patient(views.patient(merged_into=views.key(21)), views.shown()),
    "ServiceRequest/one-procedure": lambda: service_request(views.order(), views.shown()),
    "ServiceRequest/several-procedures": lambda: service_request(several(), views.shown()),
    "ServiceRequest/one-of-several": lambda: procedure_request(
        several(), several().procedures[1], views.shown()
    ),
    "Task/completed": _task,
    "Appointment/fulfilled": _appointment,
    "Procedure/completed": _procedure,
    "ImagingStudy/available": _study,
    "DiagnosticReport/final": _report,
    "Encounter/inpatient": lambda: encounter(views.VISIT, views.shown()),
    "Practitioner/requester": lambda: directory.practitioner(views.PRACTITIONER, views.shown()),
    "Location/room": lambda: directory.location(views.ROOM, views.shown()),
    "Device/modality": lambda: directory.device(views.STATION, views.shown()),
    "Organization/institution": lambda: directory.organization(views.SITE, views.shown()),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_a_resource_is_as_written_down(case: str, golden: Callable[[str, str], None]) -> None:
    resource = GOLDEN[case]()

    golden(f"fixtures/fhir/{case}.json", json.dumps(resource, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("case", GOLDEN)
def test_a_resource_is_r4_to_two_other_readers(case: str) -> None:
    resource = GOLDEN[case]()

    valid(resource)
    read = fhirelementfactory.FHIRElementFactory.instantiate(resource["resourceType"], resource)
    assert read.as_json() == resource


# --- requests


def test_the_version_of_a_request_counts_the_changes_of_its_steps() -> None:
    changed = views.procedure(steps=(views.step(version=9),))

    assert service_request(views.order(), views.shown())["meta"]["versionId"] == "8"
    assert (
        service_request(views.order(procedures=(changed,)), views.shown())["meta"]["versionId"]
        == "13"
    )


def test_what_hangs_on_one_of_several_procedures_names_its_request_and_the_order() -> None:
    order = several()

    resource = task(
        StepHit(order, order.procedures[1], order.procedures[1].steps[0]), views.shown()
    )

    assert resource["basedOn"] == [
        {"reference": f"ServiceRequest/{views.key(13)}"},
        {"reference": f"ServiceRequest/{views.key(8)}"},
    ]
    assert resource["focus"] == {"reference": f"ServiceRequest/{views.key(13)}"}


def test_a_side_is_a_body_site() -> None:
    left = views.order(procedures=(views.procedure(laterality="L"),))

    resource = service_request(left, views.shown())

    assert resource["bodySite"][0]["coding"][0]["code"] == "7771000"


def test_a_request_without_a_number_of_the_placer_has_ours_only() -> None:
    resource = service_request(views.order(placer=Identifier("", "", "PLAC")), views.shown())

    kinds = [each["type"]["coding"][0]["code"] for each in resource["identifier"] if "type" in each]
    assert kinds == ["FILL", "ACSN"]


# --- steps and appointments


def test_a_step_that_was_stopped_says_why() -> None:
    reason = Code("110501", "DCM", "Equipment failure")
    stopped = views.performed(
        status=PerformedStatus.DISCONTINUED, discontinuation_reason=reason, ended_at=None
    )
    order = views.order()
    found = views.procedure(performed=(stopped,))

    resource = task(
        StepHit(order, found, views.step(status=StepStatus.DISCONTINUED)), views.shown()
    )

    assert resource["status"] == "failed"
    assert resource["statusReason"]["coding"][0]["code"] == "110501"
    assert resource["executionPeriod"] == {"start": "2026-03-02T12:02:00Z"}


def test_an_appointment_that_was_given_back_still_names_its_patient() -> None:
    given_back = views.appointment(status=AppointmentStatus.CANCELED)

    resource = appointment(AppointmentHit(given_back, views.key(1)), views.shown())

    assert resource["status"] == "cancelled"
    assert "basedOn" not in resource
    assert resource["participant"][0]["actor"] == {"reference": f"Patient/{views.key(1)}"}
    valid(resource)


def test_a_held_time_is_tentative() -> None:
    held = views.appointment(status=AppointmentStatus.HELD)

    resource = appointment(AppointmentHit(held, views.key(1)), views.shown())

    assert resource["status"] == "pending"
    assert {each["status"] for each in resource["participant"]} == {"tentative"}


def test_a_station_outside_the_directory_is_named_by_its_ae_title() -> None:
    resource = _procedure(station_ae_title="XA9", station_name="")

    assert resource["performer"] == [
        {
            "actor": {
                "type": "Device",
                "identifier": {"system": "urn:ris:ae-title", "value": "XA9"},
                "display": "XA9",
            }
        }
    ]


# --- what was performed


def test_an_exam_done_without_an_order_is_based_on_nothing() -> None:
    resource = procedure(
        PerformedHit(views.performed(match=Match.UNSCHEDULED), views.key(1)), views.shown()
    )

    assert "basedOn" not in resource
    assert resource["code"] == {"text": "CT head native"}
    valid(resource)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "available"),
        ({"status": PerformedStatus.IN_PROGRESS, "series": (), "ended_at": None}, "registered"),
        ({"status": PerformedStatus.DISCONTINUED}, "available"),
        ({"status": PerformedStatus.DISCONTINUED, "series": ()}, "cancelled"),
    ],
)
def test_a_study_is_there_when_images_are(changes, status) -> None:
    assert _study(**changes)["status"] == status


def test_a_study_names_the_uid_a_modality_made_up_as_well() -> None:
    resource = _study(study_instance_uid="2.25.99")

    uids = [each["value"] for each in resource["identifier"] if "type" not in each]
    assert uids == ["urn:oid:2.25.30", "urn:oid:2.25.99"]


# --- reports


def test_a_report_is_given_as_text_and_page_with_size_and_hash() -> None:
    page, text = _report()["presentedForm"]

    content = base64.b64decode(text["data"])
    assert (
        content.decode()
        == "FINDINGS\nNo bleeding.\nNo fracture <skull>.\n\nIMPRESSION\nNormal CT of the head."
    )
    assert text["size"] == len(content)
    assert text["hash"] == base64.b64encode(hashlib.sha1(content).digest()).decode()
    assert page["contentType"] == "text/html"
    assert page["size"] == len(base64.b64decode(page["data"]))


def test_a_report_page_escapes_what_was_written() -> None:
    page = html({"findings": "<script>alert(1)</script>\nsecond line"}, "CT & more")

    assert page == (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><title>CT &amp; more</title></head>'
        '<body><h2>Findings</h2><div dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;</div>'
        '<div dir="auto">second line</div></body></html>'
    )


def test_a_reason_on_a_report_page_is_kept_apart_from_the_words_before_it() -> None:
    page = html({"impression": "Normal."}, "CT", "CORRECTED REPORT: خطأ 8 mm")

    assert "<body><p><strong>CORRECTED REPORT: <bdi>خطأ 8 mm</bdi></strong></p>" in page


def test_each_line_of_a_report_page_has_the_direction_of_its_own_letters() -> None:
    page = html({"findings": "Comparison: none\n\nكتلة 8 mm"}, "CT")

    assert page.partition("<body>")[2] == (
        '<h2>Findings</h2><div dir="auto">Comparison: none</div><div dir="auto"><br></div>'
        '<div dir="auto">كتلة 8 mm</div></body></html>'
    )


@pytest.mark.parametrize(
    ("status", "versions"),
    [
        (ReportStatus.DRAFT, ()),
        (ReportStatus.RETRACTED, (views.version(), views.version(VersionKind.RETRACTION))),
    ],
)
def test_what_nobody_signed_and_what_was_withdrawn_is_not_handed_out(status, versions) -> None:
    resource = _report(status=status, versions=versions)

    assert "presentedForm" not in resource
    assert "conclusion" not in resource
    valid(resource)


def test_a_report_on_two_procedures_names_both() -> None:
    order = several()
    covers = tuple((order, each) for each in order.procedures)

    resource = diagnostic_report(ReportHit(views.report(), covers), views.shown())

    assert resource["code"]["coding"][0]["code"] == "18748-4"
    assert resource["code"]["text"] == "CT head without contrast + CT neck"
    assert [each["reference"] for each in resource["basedOn"]] == [
        f"ServiceRequest/{views.key(3)}",
        f"ServiceRequest/{views.key(8)}",
        f"ServiceRequest/{views.key(13)}",
    ]
    valid(resource)
