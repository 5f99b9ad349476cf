"""Invented worklist entries and queries for the tests of the DICOM edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from ris.domain.orders import Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.selectors.views import PatientView, ProcedureView, StepView, VisitView, WorklistEntry
from worklist.elements import tag_of, vr_of
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

SYNTAXES = {
    "implicit": IMPLICIT_VR_LITTLE_ENDIAN,
    "explicit": EXPLICIT_VR_LITTLE_ENDIAN,
    "big": EXPLICIT_VR_BIG_ENDIAN,
}

STEP = StepView(
    public_id="0190c0de-0000-7000-8000-000000000001",
    step_id="S000000001",
    modality="CT",
    status=StepStatus.SCHEDULED,
    station_ae_title="CT1",
    station_name="CT 1",
    location="Room 1",
    start_at=datetime(2026, 7, 6, 7, 30, tzinfo=UTC),
    duration_minutes=30,
    description="CT abdomen with contrast",
    protocol_codes=(Code("P-ABD", "99SITE", "Abdomen, portal venous"),),
    performing_physician=PersonName.of("Osei", "Ama"),
)
PROCEDURE = ProcedureView(
    public_id="0190c0de-0000-7000-8000-000000000002",
    procedure_id="P000000001",
    study_instance_uid="2.25.1001",
    code=Code("CTABD", "99SITE", "CT abdomen"),
    description="CT abdomen",
    laterality="",
    stage=Stage.SCHEDULED,
)
PATIENT = PatientView(
    public_id="0190c0de-0000-7000-8000-000000000003",
    name=PersonName.of("Baker", "Nora"),
    identifiers=(Identifier("MRN1", "HOSP", "MR"),),
    birth_date=PartialDate("1970-05-03"),
    sex=Sex.FEMALE,
)
VISIT = VisitView(
    public_id="0190c0de-0000-7000-8000-000000000004",
    number=Identifier("V77", "HOSP"),
    patient_class=PatientClass.INPATIENT,
    location="Ward 4",
    attending=PersonName.of("Lind"),
    referring=PersonName.of("Ruiz", "Eva"),
)
ENTRY = WorklistEntry(
    step=STEP,
    procedure=PROCEDURE,
    patient=PATIENT,
    visit=VISIT,
    order_public_id="0190c0de-0000-7000-8000-000000000005",
    placer=Identifier("PL-1", "EHR"),
    filler=Identifier("F000000001", "RIS"),
    accession=Identifier("A2600000001", "RIS"),
    priority=Priority.STAT,
    reason="Abdominal pain, ruling out appendicitis",
    reason_code=Code("R10.4", "I10", "Abdominal pain"),
    comments="Patient is anxious",
    requester=PersonName.of("Novak", "Petra"),
    referring=PersonName.of("Ruiz", "Eva"),
    requesting_service="Surgery",
    transport="Wheelchair",
    institution="Invented General Hospital",
)


def make_entry(
    *,
    step: dict[str, Any] | None = None,
    procedure: dict[str, Any] | None = None,
    patient: dict[str, Any] | None = None,
    **overrides: Any,
) -> WorklistEntry:
    """``ENTRY`` with other values; nested views by their own keyword."""
    return replace(
        ENTRY,
        step=replace(STEP, **(step or {})),
        procedure=replace(PROCEDURE, **(procedure or {})),
        patient=replace(PATIENT, **(patient or {})),
        **overrides,
    )


def named(name: str, **overrides: Any) -> WorklistEntry:
    """An entry of a patient with this DICOM name."""
    return make_entry(patient={"name": PersonName.parse(name)}, **overrides)


def identifier(*, step: dict[str, Any] | None = None, **keys: Any) -> Dataset:
    """A query: root keys as keywords; ``step`` makes the one item of the sequence."""
    dataset = _item(keys)
    if step is not None:
        dataset.ScheduledProcedureStepSequence = [_item(step)]
    return dataset


def _item(keys: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in keys.items():
        # Keys are not values: ranges and wildcards do not fit the representation.
        dataset.add(
            DataElement(tag_of(keyword), vr_of(tag_of(keyword)), value, validation_mode=IGNORE)
        )
    return dataset


def encoded(dataset: Dataset, syntax: str = "explicit") -> bytes:
    """The dataset as pydicom writes it."""
    data = encode(dataset, syntax == "implicit", syntax != "big")
    assert data is not None
    return data
