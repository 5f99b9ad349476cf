"""A version says one thing: what changes in a resource changes its versionId, upwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integration.fhir.touched import rendered
from ris.domain.actors import OPERATOR, Actor
from ris.domain.orders import HoldOrder, OrderReference, ReleaseOrder
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientReference,
    UnmergePatients,
    UpdatePatient,
)
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import (
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    SignPreliminary,
    VersionKind,
)
from ris.domain.scheduling import BookAppointment, PrepareStep, RecordArrival, RescheduleAppointment
from ris.domain.values import PersonName
from ris.models import Order
from ris.selectors import touched as selected
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


Seen = dict[tuple[str, str], list[tuple[str, Any]]]


def test_what_changes_has_another_version() -> None:
    make.site()
    make.device()
    order = make.order()
    survivor = PatientReference(public_id=str(make.order().patient.public_id))
    subsumed = str(order.patient.public_id)
    reference = OrderReference(public_id=str(order.public_id))
    seen: Seen = {}

    def then(name: str, command: Any, actor: Actor = people.scheduler) -> Any:
        result = execute(command, actor=actor)
        _look(order, name, seen)
        return result

    def appointment() -> str:
        found = make.step_of(order).appointment
        assert found is not None
        return str(found.public_id)

    step = str(make.step_of(order).public_id)
    _look(order, "placed", seen)
    then("booked", BookAppointment(step=step, device="CT1", start_at=make.NOON))
    later = make.NOON + timedelta(hours=1)
    then("moved", RescheduleAppointment(appointment=appointment(), start_at=later))
    then("held", HoldOrder(order=reference))
    then("released", ReleaseOrder(order=reference))
    then(
        "arrived",
        RecordArrival(appointment=appointment(), unchecked_reason="known here"),
        people.frontdesk,
    )
    then("prepared", PrepareStep(step=step), people.technologist)
    started = make.start(order)
    then("started", started, people.ct1)
    details = PerformedDetails(ended_at=make.NOON + timedelta(minutes=15), series=(make.series(),))
    done = CompletePerformedStep(sop_instance_uid=started.sop_instance_uid, details=details)
    then("completed", done, people.ct1)
    draft = OpenReport(procedures=(str(order.procedures.get().public_id),))
    discarded = then("drafted", draft, people.radiologist)
    then("discarded", DiscardDraft(report=discarded), people.radiologist)
    opened = OpenReport(procedures=(str(order.procedures.get().public_id),))
    report = then("opened", opened, people.radiologist)
    text = dict(make.TEXT)
    then("preliminary", SignPreliminary(report=report, sections=text), people.radiologist)
    then("final", FinalizeReport(report=report, sections=text), people.radiologist)
    told = CommunicateCriticalResult(report=report, finding="bleeding", told="Dr. Ek")
    then("told", told, people.radiologist)
    added = AmendReport(
        report=report, kind=VersionKind.ADDENDUM, sections={"addendum": "Seen again."}
    )
    then("amended", added, people.radiologist)
    merge = MergePatients(survivor=survivor, subsumed=PatientReference(public_id=subsumed))
    then("merged", merge, OPERATOR)
    then("parted", UnmergePatients(subsumed_id=subsumed, reason="another person"), OPERATOR)
    rename = UpdatePatient(
        patient=PatientReference(public_id=subsumed),
        demographics=Demographics(name=PersonName.of("Berg", "Åsa")),
    )
    then("renamed", rename, OPERATOR)

    assert {kind for kind, _ in seen} == {
        "Appointment", "DiagnosticReport", "DocumentReference", "ImagingStudy", "Patient",
        "Procedure", "ServiceRequest", "Task",
    }  # fmt: skip
    assert max(len(versions) for versions in seen.values()) >= 8


def _look(order: Order, name: str, seen: Seen) -> None:
    """Each resource of the order: the version it had with the same words, or a higher one."""
    order.refresh_from_db()
    parts = selected.parts_of([str(order.public_id)])
    names = [
        *(("ServiceRequest", each) for each in parts.requests),
        *(("Task", each) for each in parts.steps),
        *(("Appointment", each) for each in parts.appointments),
        *(("Procedure", each) for each in parts.performed),
        *(("ImagingStudy", each) for each in parts.procedures),
        *(("DiagnosticReport", each) for each in parts.procedures),
        *(("DiagnosticReport", each) for each in parts.reports),
        *(("DocumentReference", each) for each in parts.versions),
        ("Patient", str(order.patient.public_id)),
    ]
    for resource in rendered(names):
        key = (resource["resourceType"], resource["id"])
        version = resource["meta"]["versionId"]
        said = {each: value for each, value in resource.items() if each != "meta"}
        before = seen.setdefault(key, [])
        if before and before[-1][0] == version:
            assert before[-1][1] == said, (name, key, version)
            continue
        assert not before or int(version) > int(before[-1][0]), (name, key, version)
        before.append((version, said))
