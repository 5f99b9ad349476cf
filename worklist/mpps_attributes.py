"""The attributes of the Modality Performed Procedure Step (PS3.4 Table F.7.2-1), one row each.

The rows drive what an N-CREATE must hold, what an N-SET may change, what a final state needs, and
the conformance statement. Attributes without a row are kept as sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from worklist.elements import tag_of, vr_of

NOT_ALLOWED = "-"


@dataclass(frozen=True, slots=True)
class PerformedAttribute:
    """Requirement types for the SCU in N-CREATE and N-SET, and for the final state ("" if none)."""

    keyword: str
    create: str
    set: str
    final: str = ""
    within: str = ""
    use: str = ""  # what this system does with it besides keeping it
    tag: int = field(init=False)
    vr: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", tag_of(self.keyword))
        object.__setattr__(self, "vr", vr_of(self.tag))


_SCHEDULED = "ScheduledStepAttributesSequence"
_SERIES = "PerformedSeriesSequence"
A = PerformedAttribute

PERFORMED: tuple[PerformedAttribute, ...] = (
    A("SpecificCharacterSet", "1C", "1C", use="text is decoded at once and kept as Unicode"),
    A("TimezoneOffsetFromUTC", "3", "3", use="zone of the dates and times; else the site's"),
    # Relationship
    A(_SCHEDULED, "1", "-", use="finds the scheduled steps"),
    A("StudyInstanceUID", "1", "-", within=_SCHEDULED, use="finds the scheduled step"),
    A("ReferencedStudySequence", "2", "-", within=_SCHEDULED,
      use="the study ordered, where it was performed as another"),
    A("AccessionNumber", "2", "-", within=_SCHEDULED, use="finds the scheduled step"),
    A("IssuerOfAccessionNumberSequence", "3", "-", within=_SCHEDULED,
      use="tells accession numbers apart"),
    A("PlacerOrderNumberImagingServiceRequest", "3", "-", within=_SCHEDULED,
      use="finds the scheduled step"),
    A("OrderPlacerIdentifierSequence", "3", "-", within=_SCHEDULED,
      use="belongs to the placer order number"),
    A("FillerOrderNumberImagingServiceRequest", "3", "-", within=_SCHEDULED,
      use="finds the scheduled step"),
    A("OrderFillerIdentifierSequence", "3", "-", within=_SCHEDULED,
      use="belongs to the filler order number"),
    A("RequestedProcedureCodeSequence", "3", "-", within=_SCHEDULED),
    A("RequestedProcedureID", "2", "-", within=_SCHEDULED, use="finds the scheduled step"),
    A("RequestedProcedureDescription", "2", "-", within=_SCHEDULED),
    A("ScheduledProcedureStepID", "2", "-", within=_SCHEDULED, use="finds the scheduled step"),
    A("ScheduledProcedureStepDescription", "2", "-", within=_SCHEDULED),
    A("ScheduledProtocolCodeSequence", "2", "-", within=_SCHEDULED),
    A("PatientName", "2", "-", use="shown where the patient does not match"),
    A("PatientID", "2", "-", use="checked against the patient of the scheduled step"),
    A("IssuerOfPatientID", "3", "-", use="belongs to the patient ID"),
    A("IssuerOfPatientIDQualifiersSequence", "3", "-"),
    A("OtherPatientIDsSequence", "3", "-", use="checked as the patient ID is"),
    A("PatientBirthDate", "2", "-", use="shown where the patient does not match"),
    A("PatientSex", "2", "-", use="for the record of an unknown patient"),
    A("ReferencedPatientSequence", "2", "-"),
    A("AdmissionID", "3", "-"),
    A("IssuerOfAdmissionIDSequence", "3", "-"),
    A("ServiceEpisodeID", "3", "-"),
    A("IssuerOfServiceEpisodeIDSequence", "3", "-"),
    A("ServiceEpisodeDescription", "3", "-"),
    # Information
    A("PerformedProcedureStepID", "1", "-", use="shown"),
    A("PerformedStationAETitle", "1", "-", use="the station of the exam"),
    A("PerformedStationName", "2", "-", use="shown"),
    A("PerformedLocation", "2", "-", use="shown"),
    A("PerformedProcedureStepStartDate", "1", "-", use="start of the exam"),
    A("PerformedProcedureStepStartTime", "1", "-", use="start of the exam"),
    A("PerformedProcedureStepStatus", "1", "3", "1", use="moves the scheduled steps"),
    A("PerformedProcedureStepDescription", "2", "3", use="shown"),
    A("PerformedProcedureTypeDescription", "2", "3"),
    A("ProcedureCodeSequence", "2", "3", use="compared with what was ordered"),
    A("ReasonForPerformedProcedureCodeSequence", "3", "3"),
    A("CommentsOnThePerformedProcedureStep", "3", "3", use="shown"),
    A("PerformedProcedureStepDiscontinuationReasonCodeSequence", "3", "3",
      use="decides what becomes of the scheduled step"),
    A("PerformedProcedureStepEndDate", "2", "3", "1", use="end of the exam"),
    A("PerformedProcedureStepEndTime", "2", "3", "1", use="end of the exam"),
    # Image acquisition results
    A("Modality", "1", "-", use="shown"),
    A("StudyID", "2", "-", use="shown"),
    A("PerformedProtocolCodeSequence", "2", "3", use="compared with what was scheduled"),
    A(_SERIES, "2", "3", "1", use="the series of the exam"),
    A("PerformingPhysicianName", "2", "2", within=_SERIES, use="shown"),
    A("ProtocolName", "1", "1", "1", within=_SERIES, use="shown"),
    A("OperatorsName", "2", "2", within=_SERIES, use="shown"),
    A("SeriesInstanceUID", "1", "1", "1", within=_SERIES, use="shown"),
    A("SeriesDescription", "2", "2", within=_SERIES, use="shown"),
    A("RetrieveAETitle", "2", "2", within=_SERIES, use="shown"),
    A("ArchiveRequested", "3", "3", within=_SERIES),
    A("ReferencedImageSequence", "2", "2", within=_SERIES, use="counted"),
    A("ReferencedNonImageCompositeSOPInstanceSequence", "2", "2", within=_SERIES, use="counted"),
    # Radiation dose, retired in PS3.4 2017c and still sent
    A("TotalTimeOfFluoroscopy", "3", "3"),
    A("TotalNumberOfExposures", "3", "3"),
    A("ImageAndFluoroscopyAreaDoseProduct", "3", "3"),
    A("DistanceSourceToDetector", "3", "3"),
    A("EntranceDose", "3", "3"),
    A("EntranceDoseInmGy", "3", "3"),
    A("ExposedArea", "3", "3"),
    A("DistanceSourceToEntrance", "3", "3"),
    A("ExposureDoseSequence", "3", "3"),
    # Billing and material
    A("BillingProcedureStepSequence", "3", "3"),
    A("FilmConsumptionSequence", "3", "3"),
    A("BillingSuppliesAndDevicesSequence", "3", "3"),
)  # fmt: skip

# Top-level attributes that an N-SET must not touch: patient, study and scheduled step stay.
FIXED = frozenset(row.tag for row in PERFORMED if not row.within and row.set == NOT_ALLOWED)
KNOWN = frozenset(row.tag for row in PERFORMED if not row.within)
