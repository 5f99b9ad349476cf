"""What is forwarded of exams that no modality told the end of: complete MPPS, in each detail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.exchange import Protocol, Subscription
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Origin,
    PerformedDetails,
    StartPerformedStep,
)
from ris.domain.values import Code, PersonName
from ris.models import Delivery, Order
from ris.services import execute, outbox
from tests import make, people
from worklist.elements import vr_of
from worklist.mpps_attributes import PERFORMED
from worklist.raw import StoredRequest

pytestmark = pytest.mark.django_db

NOON = make.NOON


@pytest.fixture(autouse=True)
def _ground() -> None:
    make.site()
    make.device("CT1", "CT")


def endpoint(**overrides: Any) -> None:
    fields: dict[str, Any] = {
        "protocol": Protocol.DICOM,
        "protocol_name": "PACS",
        "version": "",
        "sends": (Subscription.MPPS,),
        "settings": {"manual": True},
    }
    make.endpoint("PACS", **{**fields, **overrides})


def begin(order: Order) -> StartPerformedStep:
    """A technologist's click."""
    command = StartPerformedStep(
        sop_instance_uid="2.25.4711",
        station_ae_title="CT1",
        station_name="CT 1",
        location="Room 1",
        modality="CT",
        started_at=NOON,
        steps=tuple(str(step.public_id) for p in order.procedures.all() for step in p.steps.all()),
        origin=Origin.MANUAL,
    )
    execute(command, actor=people.technologist)
    return command


def forwarded() -> list[Dataset]:
    from io import BytesIO

    from pydicom import dcmread

    outbox.fan_out()
    rows = Delivery.objects.order_by("id")
    assert [row.state for row in rows] == ["PENDING"] * len(rows)
    return [dcmread(BytesIO(bytes(row.payload))) for row in rows]


def lacking(dataset: Dataset, needs: Callable[[Any], str], within: str = "") -> list[str]:
    """The keywords of type 1 without value and of type 2 that are not there."""
    found = []
    for row in PERFORMED:
        kind = needs(row)
        if row.within != within or kind not in {"1", "2"}:
            continue
        if row.keyword not in dataset or (kind == "1" and not dataset[row.keyword].value):
            found.append(row.keyword)
        elif row.vr == "SQ":
            for item in dataset[row.keyword].value:
                found += lacking(item, needs, row.keyword)
    return found


def test_the_n_create_of_a_click_is_complete() -> None:
    endpoint()
    order = make.booked(NOON)
    begin(order)

    (created,) = forwarded()

    step = make.step_of(order)
    item = created.ScheduledStepAttributesSequence[0]
    assert lacking(created, lambda row: row.create) == []
    assert len(created.ScheduledStepAttributesSequence) == 1
    assert item.StudyInstanceUID == step.procedure.study_instance_uid
    assert item.AccessionNumber == order.accession_number
    assert item.ScheduledProcedureStepID == step.step_id
    assert created.PerformedProcedureStepStatus == "IN PROGRESS"
    assert created.PatientName == "Berg^Anna"
    assert (created.PatientBirthDate, created.PatientSex) == ("19700503", "F")
    # Noon UTC is one in the afternoon at the site.
    assert created.PerformedProcedureStepStartDate == "20260302"
    assert created.PerformedProcedureStepStartTime == "130000"
    assert (created.PerformedStationAETitle, created.PerformedLocation) == ("CT1", "Room 1")
    assert created.PerformedProcedureStepEndDate == ""
    assert len(created.PerformedProcedureStepID) == 16
    assert "SpecificCharacterSet" not in created


def test_every_value_has_the_representation_of_its_attribute() -> None:
    endpoint()
    begin(make.booked(NOON))

    (created,) = forwarded()

    assert [e.keyword for e in created.iterall() if vr_of(e.tag) != e.VR] == []


def test_the_end_of_a_click_has_the_one_series_that_every_end_needs() -> None:
    endpoint()
    uid = begin(make.booked(NOON)).sop_instance_uid
    details = PerformedDetails(ended_at=NOON + timedelta(minutes=9))
    execute(CompletePerformedStep(sop_instance_uid=uid, details=details), actor=people.technologist)

    _, ended = forwarded()

    (series,) = ended.PerformedSeriesSequence
    assert ended.PerformedProcedureStepStatus == "COMPLETED"
    assert ended.PerformedProcedureStepEndTime == "130900"
    assert lacking(ended, lambda row: row.final) == []
    assert series.SeriesInstanceUID.startswith("2.25.")
    assert series.ProtocolName
    assert len(series.ReferencedImageSequence) == 0


def test_a_stopped_exam_says_why() -> None:
    endpoint()
    uid = begin(make.booked(NOON)).sop_instance_uid
    details = PerformedDetails(
        ended_at=NOON, discontinuation_reason=Code("110505", "DCM", "Patient refused")
    )
    execute(
        DiscontinuePerformedStep(sop_instance_uid=uid, details=details),
        actor=people.technologist,
    )

    _, ended = forwarded()

    (reason,) = ended.PerformedProcedureStepDiscontinuationReasonCodeSequence
    assert ended.PerformedProcedureStepStatus == "DISCONTINUED"
    assert (reason.CodeValue, reason.CodingSchemeDesignator) == ("110505", "DCM")


@pytest.mark.parametrize(
    ("character_set", "terms"), [("", "ISO_IR 192"), ("ISO_IR 100", "ISO_IR 100")]
)
def test_a_name_is_written_in_the_endpoints_character_set(character_set: str, terms: str) -> None:
    endpoint(character_set=character_set)
    patient = make.patient(name=PersonName.of("Müller", "Jörg"))
    begin(make.booked(NOON, patient=patient))

    (created,) = forwarded()

    assert created.SpecificCharacterSet == terms
    assert created.PatientName == "Müller^Jörg"


def test_a_name_the_endpoints_set_lacks_is_written_in_unicode() -> None:
    endpoint(character_set="ISO_IR 100")
    begin(make.booked(NOON, patient=make.patient(name=PersonName.of("Łukasz"))))

    (created,) = forwarded()

    assert created.SpecificCharacterSet == "ISO_IR 192"
    assert created.PatientName == "Łukasz"


def test_the_sender_that_is_kept_is_the_station() -> None:
    endpoint()
    begin(make.booked(NOON))
    outbox.fan_out()

    stored = StoredRequest.unpack(bytes(Delivery.objects.get().payload))

    assert (stored.operation, stored.ae_title) == ("N-CREATE", "CT1")
    assert stored.sop_instance_uid == "2.25.4711"
