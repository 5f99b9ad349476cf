"""Invented MPPS datasets for the tests of the DICOM edge."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

STUDY_UID = "2.25.1001"
SERIES_UID = "2.25.2001"
IMAGE_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"


def code(value: str, meaning: str = "", scheme: str = "99SITE") -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning or value
    return item


def series(uid: str = SERIES_UID, *, images: int = 2, **overrides: Any) -> Dataset:
    """An item of the Performed Series Sequence."""
    item = Dataset()
    item.PerformingPhysicianName = "Osei^Ama"
    item.ProtocolName = "Abdomen, portal venous"
    item.OperatorsName = "Tanaka^Yuki"
    item.SeriesInstanceUID = uid
    item.SeriesDescription = "axial 3 mm"
    item.RetrieveAETitle = "PACS"
    item.ReferencedImageSequence = [_image(f"{uid}.{number}") for number in range(1, images + 1)]
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    return _with(item, overrides)


def _image(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = IMAGE_SOP_CLASS
    item.ReferencedSOPInstanceUID = uid
    return item


def scheduled(**overrides: Any) -> Dataset:
    """An item of the Scheduled Step Attributes Sequence."""
    item = Dataset()
    item.StudyInstanceUID = STUDY_UID
    item.ReferencedStudySequence = []
    item.AccessionNumber = "A2600000001"
    item.RequestedProcedureID = "P000000001"
    item.RequestedProcedureDescription = "CT abdomen"
    item.ScheduledProcedureStepID = "S000000001"
    item.ScheduledProcedureStepDescription = "CT abdomen with contrast"
    item.ScheduledProtocolCodeSequence = []
    return _with(item, overrides)


def n_create(**overrides: Any) -> Dataset:
    """A complete N-CREATE (PS3.4 Table F.7.2-1); None as a value leaves the attribute out."""
    dataset = Dataset()
    dataset.ScheduledStepAttributesSequence = [scheduled()]
    dataset.PatientName = "Baker^Nora"
    dataset.PatientID = "MRN1"
    dataset.IssuerOfPatientID = "HOSP"
    dataset.PatientBirthDate = "19700503"
    dataset.PatientSex = "F"
    dataset.ReferencedPatientSequence = []
    dataset.PerformedProcedureStepID = "PPS1"
    dataset.PerformedStationAETitle = "CT1"
    dataset.PerformedStationName = "CT 1"
    dataset.PerformedLocation = "Room 1"
    dataset.PerformedProcedureStepStartDate = "20260706"
    dataset.PerformedProcedureStepStartTime = "093512"
    dataset.PerformedProcedureStepStatus = "IN PROGRESS"
    dataset.PerformedProcedureStepDescription = ""
    dataset.PerformedProcedureTypeDescription = ""
    dataset.ProcedureCodeSequence = [code("CTABD", "CT abdomen")]
    dataset.PerformedProcedureStepEndDate = ""
    dataset.PerformedProcedureStepEndTime = ""
    dataset.Modality = "CT"
    dataset.StudyID = "1"
    dataset.PerformedProtocolCodeSequence = []
    dataset.PerformedSeriesSequence = []
    return _with(dataset, overrides)


def n_set(status: str = "COMPLETED", **overrides: Any) -> Dataset:
    """A complete last N-SET."""
    dataset = Dataset()
    dataset.PerformedProcedureStepStatus = status
    dataset.PerformedProcedureStepEndDate = "20260706"
    dataset.PerformedProcedureStepEndTime = "095500"
    dataset.PerformedProcedureStepDescription = "CT abdomen"
    dataset.PerformedProtocolCodeSequence = [code("P-ABD", "Abdomen, portal venous")]
    dataset.PerformedSeriesSequence = [series()]
    return _with(dataset, overrides)


def _with(dataset: Dataset, overrides: dict[str, Any]) -> Dataset:
    for keyword, value in overrides.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset
