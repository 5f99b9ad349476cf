"""Searching for orders, their steps, appointments, exams and reports."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from ris.domain.facility import RegisterPractitioner
from ris.domain.orders import CancelOrder, HoldOrder, OrderDetails, OrderReference, Priority
from ris.domain.patients import VisitDetails
from ris.domain.reporting import AmendReport, RetractReport, SignPreliminary, VersionKind
from ris.domain.scheduling import CancelAppointment, RecordArrival, RecordNoShow
from ris.domain.values import Code, Identifier, PersonName
from ris.models import Order
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import BASE, Api, found

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def request_id(order: Order) -> str:
    return str(order.public_id)


def test_requests_are_found_by_their_numbers(api: Api) -> None:
    order = make.order(
        placer=Identifier("PL77", "EHR"), accession=Identifier("ACC77", "1.2.276.0.76.3")
    )
    make.order()
    uid = order.procedures.get().study_instance_uid

    for value in (
        "PL77",
        "urn:ris:issuer:EHR|PL77",
        order.filler_order_number,
        f"urn:ris:filler-order-number|{order.filler_order_number}",
        "ACC77",
        "urn:oid:1.2.276.0.76.3|ACC77",
        f"urn:oid:{uid}",
        f"urn:dicom:uid|urn:oid:{uid}",
        uid,
    ):
        assert found(api, "ServiceRequest", identifier=value) == [request_id(order)], value
    assert found(api, "ServiceRequest", identifier="urn:ris:issuer:OTHER|PL77") == []


def test_requests_are_found_by_what_they_say(api: Api) -> None:
    make.device()
    plain = make.order()
    stat = make.order(
        details=OrderDetails(priority=Priority.STAT, ordered_at=make.NOON),
        group_number="G1",
        start_at=make.NOON,
    )
    patient = str(stat.patient.public_id)

    assert found(api, "ServiceRequest", priority="stat") == [request_id(stat)]
    assert found(api, "ServiceRequest", requisition="G1") == [request_id(stat)]
    assert found(api, "ServiceRequest", authored="2026-03-02") == [request_id(stat)]
    assert found(api, "ServiceRequest", occurrence="2026-03-02T12:00:00Z") == [request_id(stat)]
    assert found(api, "ServiceRequest", occurrence="gt2026-03-03") == []
    for reference in (patient, f"Patient/{patient}", f"{BASE}/Patient/{patient}"):
        assert found(api, "ServiceRequest", patient=reference) == [request_id(stat)]
        assert found(api, "ServiceRequest", subject=reference) == [request_id(stat)]
    assert found(api, "ServiceRequest", patient=f"Practitioner/{patient}") == []
    assert found(api, "ServiceRequest", patient="http://elsewhere.example/fhir/Patient/1") == []
    both = [request_id(plain), request_id(stat)]
    assert found(api, "ServiceRequest", code="CTHEAD") == both
    assert found(api, "ServiceRequest", code="urn:ris:scheme:TEST|CTHEAD") == both
    assert found(api, "ServiceRequest", code="urn:ris:scheme:OTHER|CTHEAD") == []
    assert found(api, "ServiceRequest", category="363679005") == both
    assert found(api, "ServiceRequest", category="http://snomed.info/sct|1") == []
    assert found(api, "ServiceRequest", intent="order") == both


def test_requests_are_found_through_their_patient(api: Api) -> None:
    order = make.order(patient=make.patient("4711"))
    make.order()
    number = quote("urn:ris:issuer:HOSP|4711")

    for name in ("patient.identifier", "subject.identifier", "patient:Patient.identifier",
                 "patient:identifier"):  # fmt: skip
        assert api.get(f"/ServiceRequest?{name}={number}").ids == [request_id(order)], name
    assert found(api, "ServiceRequest", **{"patient.identifier": "urn:oid:9.9|4711"}) == []


def test_requests_are_found_by_state(api: Api) -> None:
    make.device()
    active = make.order()
    held = make.order()
    execute(HoldOrder(order=OrderReference(public_id=request_id(held))), actor=people.ehr)
    gone = make.order()
    execute(CancelOrder(order=OrderReference(public_id=request_id(gone))), actor=people.ehr)

    assert found(api, "ServiceRequest", status="active") == [request_id(active)]
    assert found(api, "ServiceRequest", status="on-hold") == [request_id(held)]
    assert found(api, "ServiceRequest", status="revoked") == [request_id(gone)]
    assert found(api, "ServiceRequest", status="active,on-hold") == [
        request_id(active),
        request_id(held),
    ]
    assert found(api, "ServiceRequest", status__not="active") == [
        request_id(held),
        request_id(gone),
    ]


def test_the_requests_of_several_procedures_are_found(api: Api) -> None:
    codes = (Code("A", "TEST", "Exam A"), Code("B", "TEST", "Exam B"))
    order = make.order(procedures=tuple(make.ProcedureRequest(code=code) for code in codes))
    first, second = (str(each.public_id) for each in order.procedures.order_by("id"))

    # Ids made in the same millisecond are in no order.
    assert set(found(api, "ServiceRequest", based___on=request_id(order))) == {first, second}
    assert found(api, "ServiceRequest", code="B") == [second]
    assert set(found(api, "ServiceRequest", intent="filler-order")) == {first, second}
    assert found(api, "ServiceRequest", intent="order") == [request_id(order)]
    assert set(found(api, "ServiceRequest")) == {request_id(order), first, second}
    both = found(api, "ServiceRequest", _id=f"{first},{request_id(order)}")
    assert set(both) == {request_id(order), first}


# --- steps and appointments


def test_steps_are_found_by_request_station_and_state(api: Api) -> None:
    device = make.device()
    booked = make.booked()
    waiting = make.order()
    step = str(make.step_of(booked).public_id)
    other = str(make.step_of(waiting).public_id)
    number = booked.placer_order_number

    assert found(api, "Task", based___on=f"ServiceRequest/{request_id(booked)}") == [step]
    assert found(api, "Task", focus=request_id(booked)) == [step]
    assert found(api, "Task", **{"based-on.identifier": f"urn:ris:issuer:EHR|{number}"}) == [step]
    assert found(api, "Task", owner=f"Device/{device}") == [step]
    assert found(api, "Task", identifier=make.step_of(booked).step_id) == [step]
    assert found(api, "Task", group___identifier=booked.accession_number) == [step]
    assert found(api, "Task", patient=str(booked.patient.public_id)) == [step]
    assert found(api, "Task", status="accepted") == [step, other]
    assert found(api, "Task", business___status="PENDING") == [other]
    assert found(api, "Task", status="completed") == []
    assert found(api, "Task", period="2026-03-02") == []


def test_a_step_is_found_by_when_it_was_done(api: Api) -> None:
    make.device()
    done = make.performed()

    step = [str(make.step_of(done).public_id)]

    assert found(api, "Task", period="2026-03-02") == step
    assert found(api, "Task", period="lt2026-03-02") == []
    assert found(api, "Task", status="completed") == step


def test_appointments_are_found_by_day_place_and_patient(api: Api) -> None:
    device = make.device()
    order = make.booked()
    make.booked(start_at=make.NOON + timedelta(days=1))
    appointment = make.step_of(order).appointment
    assert appointment is not None
    expected = [str(appointment.public_id)]
    patient = str(order.patient.public_id)
    room = found(api, "Location", name="Room CT1")[0]

    assert found(api, "Appointment", date="2026-03-02") == expected
    assert found(api, "Appointment", date="2026-03-02", patient=patient) == expected
    assert found(api, "Appointment", date="2026-03-03", patient=patient) == []
    assert found(api, "Appointment", date=["ge2026-03-02T12:00:00Z", "lt2026-03-02T12:01:00Z"]) == (
        expected
    )
    assert found(api, "Appointment", based___on=request_id(order)) == expected
    assert found(api, "Appointment", actor=f"Patient/{patient}") == expected
    assert len(found(api, "Appointment", actor=f"Device/{device}")) == 2
    assert len(found(api, "Appointment", location=room)) == 2
    assert len(found(api, "Appointment", status="booked")) == 2


def test_appointments_are_found_by_state(api: Api) -> None:
    make.device()
    orders = [make.booked(start_at=make.NOON + timedelta(hours=n)) for n in range(3)]
    arrived, missed, canceled = (make.step_of(order).appointment for order in orders)
    assert arrived
    assert missed
    assert canceled
    execute(
        RecordArrival(appointment=str(arrived.public_id), unchecked_reason="known here"),
        actor=people.frontdesk,
    )
    execute(RecordNoShow(appointment=str(missed.public_id)), actor=people.frontdesk)
    execute(CancelAppointment(appointment=str(canceled.public_id)), actor=people.scheduler)

    assert found(api, "Appointment", status="arrived") == [str(arrived.public_id)]
    assert found(api, "Appointment", status="noshow") == [str(missed.public_id)]
    assert found(api, "Appointment", status="cancelled") == [str(canceled.public_id)]
    assert found(api, "Appointment", status="booked") == []


# --- exams and reports


def test_exams_are_found(api: Api) -> None:
    device = make.device()
    order = make.performed()
    make.order()
    procedure = order.procedures.get()
    performed = order.performed.get()
    uid = procedure.study_instance_uid
    study, exam = [str(procedure.public_id)], [str(performed.public_id)]

    for value in (f"urn:oid:{uid}", f"urn:dicom:uid|urn:oid:{uid}", order.accession_number):
        assert found(api, "ImagingStudy", identifier=value) == study, value
    assert found(api, "ImagingStudy", basedon=request_id(order)) == study
    assert found(api, "ImagingStudy", modality="CT") == study
    assert found(api, "ImagingStudy", modality="MR") == []
    assert found(api, "ImagingStudy", series=performed.series.get().series_instance_uid) == study
    assert found(api, "ImagingStudy", started="2026-03-02") == study
    assert found(api, "ImagingStudy", patient=str(order.patient.public_id)) == study
    assert found(api, "Procedure", identifier=performed.sop_instance_uid) == exam
    assert found(api, "Procedure", based___on=request_id(order)) == exam
    assert found(api, "Procedure", status="completed") == exam
    assert found(api, "Procedure", status="in-progress") == []
    assert found(api, "Procedure", date="2026-03-02") == exam
    assert found(api, "Procedure", code="CTHEAD") == exam
    assert found(api, "Procedure", performer=f"Device/{device}") == exam


def test_an_exam_under_way_has_no_end(api: Api) -> None:
    make.device()
    order = make.booked()
    execute(make.start(order), actor=people.ct1)
    exam = [str(order.performed.get().public_id)]

    assert found(api, "Procedure", status="in-progress") == exam
    assert found(api, "Procedure", date="ge2026-03-02") == exam
    assert found(api, "Procedure", date="2026-03-02") == []
    assert found(api, "ImagingStudy", patient=str(order.patient.public_id)) != []


def test_reports_are_found(api: Api) -> None:
    make.device()
    order = make.performed()
    report = make.final_report(order)
    expected = [str(report.public_id)]

    assert found(api, "DiagnosticReport", based___on=f"ServiceRequest/{request_id(order)}") == (
        expected
    )
    assert found(api, "DiagnosticReport", identifier=order.placer_order_number) == expected
    assert found(api, "DiagnosticReport", patient=str(order.patient.public_id)) == expected
    assert found(api, "DiagnosticReport", category="RAD") == expected
    assert found(api, "DiagnosticReport", category="http://loinc.org|LP29684-5") == expected
    assert found(api, "DiagnosticReport", category="LAB") == []
    assert found(api, "DiagnosticReport", status="final") == expected
    assert found(api, "DiagnosticReport", code="CTHEAD") == expected
    assert found(api, "DiagnosticReport", date="2026-03-02") == expected
    assert found(api, "DiagnosticReport", issued=f"ge{make.NOON:%Y-%m-%d}") == expected
    assert found(api, "DiagnosticReport", issued="lt2000") == []


def test_reports_are_found_by_the_state_of_their_newest_version(api: Api) -> None:
    make.device()
    orders = [make.performed(start_at=make.NOON + timedelta(hours=n)) for n in range(5)]
    draft, preliminary = (make.opened_report(order) for order in orders[:2])
    execute(
        SignPreliminary(report=str(preliminary.public_id), sections=dict(make.TEXT)),
        actor=people.radiologist,
    )
    added, corrected, withdrawn = (make.final_report(order) for order in orders[2:])
    for report, kind in ((added, VersionKind.ADDENDUM), (corrected, VersionKind.CORRECTION)):
        execute(
            AmendReport(
                report=str(report.public_id),
                kind=kind,
                sections={**make.TEXT, "addendum": "Compared with 2025."},
                reason="compared",
            ),
            actor=people.radiologist,
        )
    execute(
        RetractReport(report=str(withdrawn.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    for status, report in (
        ("registered", draft),
        ("preliminary", preliminary),
        ("appended", added),
        ("corrected", corrected),
        ("entered-in-error", withdrawn),
    ):
        assert found(api, "DiagnosticReport", status=status) == [str(report.public_id)], status
        assert api.get(f"/DiagnosticReport/{report.public_id}").body["status"] == status


# --- what they refer to


def test_the_directory_is_found(api: Api) -> None:
    make.site()
    device = make.device()
    visit = VisitDetails(number=Identifier("V1", "HOSP"))
    order = make.order(visit=visit)
    execute(
        RegisterPractitioner(
            name=PersonName.of("Ordonez", "Olga"), identifier=Identifier("17", "HOSP")
        ),
        actor=people.admin,
    )

    assert found(api, "Device", identifier="CT1") == [device]
    assert found(api, "Device", identifier="urn:ris:ae-title|CT1") == [device]
    assert found(api, "Device", identifier="urn:other|CT1") == []
    assert found(api, "Device", type="CT", status="active") == [device]
    assert len(found(api, "Organization", name="test")) == 1
    assert len(found(api, "Practitioner", name="ordonez")) == 1
    assert len(found(api, "Practitioner", identifier="urn:ris:issuer:HOSP|17")) == 1
    encounters = found(api, "Encounter", identifier="urn:ris:issuer:HOSP|V1")
    assert len(encounters) == 1
    assert found(api, "ServiceRequest", encounter=encounters[0]) == [request_id(order)]
    assert found(api, "Encounter", patient=str(order.patient.public_id)) == encounters
