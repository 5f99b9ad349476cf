"""MPPS as dcmjs-dimse speaks it."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.identifiers import new_uid
from ris.domain.orders import StepStatus
from ris.models import Order, PerformedProcedureStep
from tests import make
from tests.wire.exams import order, server, status_of, stored
from tests.wire.worklist_server import dcmjs
from worklist.server import ServerThread

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["order", "server"]

CREATED = {
    "SpecificCharacterSet": "ISO_IR 192",
    "Modality": "CT",
    "PatientName": "Berg^Anna",
    "PatientBirthDate": "19700503",
    "PatientSex": "F",
    "StudyID": "1",
    "PerformedProcedureStepID": "PPS1",
    "PerformedStationAETitle": "CT1",
    "PerformedStationName": "",
    "PerformedLocation": "",
    "PerformedProcedureStepStartDate": "20260302",
    "PerformedProcedureStepStartTime": "131000",
    "PerformedProcedureStepEndDate": "",
    "PerformedProcedureStepEndTime": "",
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "PerformedProcedureStepDescription": "",
    "PerformedSeriesSequence": [],
}
COMPLETED = {
    "PerformedProcedureStepStatus": "COMPLETED",
    "PerformedProcedureStepEndDate": "20260302",
    "PerformedProcedureStepEndTime": "133000",
    "PerformedSeriesSequence": [
        {
            "SeriesInstanceUID": "2.25.2001",
            "ProtocolName": "Head",
            "ReferencedImageSequence": [
                {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                 "ReferencedSOPInstanceUID": "2.25.3001"},
            ],
        }
    ],
}  # fmt: skip


def _created(order: Order) -> dict[str, Any]:
    step = make.step_of(order)
    item = {
        "StudyInstanceUID": step.procedure.study_instance_uid,
        "AccessionNumber": order.accession_number,
        "RequestedProcedureID": step.procedure.procedure_id,
        "ScheduledProcedureStepID": step.step_id,
    }
    number = order.patient.identifiers.get().value
    return {**CREATED, "PatientID": number, "ScheduledStepAttributesSequence": [item]}


def test_dcmjs_begins_and_completes_an_exam(server: ServerThread, order: Order) -> None:
    uid = new_uid()

    (created,) = dcmjs(server, "n-create", uid=uid, elements=_created(order))
    during = status_of(order)
    (completed,) = dcmjs(server, "n-set", uid=uid, elements=COMPLETED)
    (got,) = dcmjs(server, "n-get", uid=uid)

    assert (created["status"], completed["status"], got["status"]) == (0, 0, 0)
    assert during is StepStatus.STARTED
    assert status_of(order) is StepStatus.COMPLETED
    assert stored(uid).series.get().instance_count == 1
    assert got["dataset"]["PerformedProcedureStepStatus"] == "COMPLETED"


def test_dcmjs_hears_each_refusal(server: ServerThread, order: Order) -> None:
    uid = new_uid()
    dcmjs(server, "n-create", uid=uid, elements=_created(order))
    dcmjs(server, "n-set", uid=uid, elements=COMPLETED)

    (again,) = dcmjs(server, "n-create", uid=uid, elements=_created(order))
    (late,) = dcmjs(
        server, "n-set", uid=uid, elements={"PerformedProcedureStepStatus": "DISCONTINUED"}
    )
    (unknown,) = dcmjs(server, "n-set", uid=new_uid(), elements=COMPLETED)

    assert again["status"] == 0x0111
    assert late["status"] == 0x0110
    assert unknown["status"] == 0x0112


def test_dcmjs_is_told_which_attribute_is_wrong(server: ServerThread, order: Order) -> None:
    make.device("CT1", "CT", settings={"mpps": "strict"})
    without = {key: value for key, value in _created(order).items() if key != "Modality"}

    (missing,) = dcmjs(server, "n-create", uid=new_uid(), elements=without)
    (wrong,) = dcmjs(
        server,
        "n-create",
        uid=new_uid(),
        elements={**_created(order), "PerformedProcedureStepStatus": "COMPLETED"},
    )

    assert (missing["status"], wrong["status"]) == (0x0120, 0x0106)
    assert wrong["dataset"]["PerformedProcedureStepStatus"] == "COMPLETED"
    assert not PerformedProcedureStep.objects.exists()
