"""The worklist's attributes: one row each drives matching, answers and conformance statement.

Modality Worklist Information Model, PS3.4 Table K.6-1, plus the further attributes of the same
modules that scanners ask for. The attributes of MPPS are in ``mpps_attributes``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from ris.domain.coding_schemes import designator
from ris.domain.identifiers import universal_id
from ris.domain.orders import Priority, StepStatus
from ris.domain.values import Code, PersonName
from ris.selectors.views import WorklistEntry
from worklist.elements import tag_of, vr_of
from worklist.language_codes import language_code
from worklist.rules import STANDARD, Rules


class Matching(StrEnum):
    """What a key may hold (PS3.4 C.2.2.2); universal matching works for every one."""

    NONE = "-"
    SINGLE = "single value"
    WILDCARD = "single value, wildcard"
    NAME = "single value, wildcard; case and accents are ignored"
    RANGE = "single value, range"
    UID = "list of UID"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class Offer:
    """One worklist entry as seen from the site: its times are local."""

    entry: WorklistEntry
    start: datetime | None
    rules: Rules = STANDARD

    @classmethod
    def of(cls, entry: WorklistEntry, zone: tzinfo, rules: Rules = STANDARD) -> Offer:
        start = entry.step.start_at
        return cls(entry, None if start is None else start.astimezone(zone), rules)

    @property
    def stations(self) -> tuple[str, ...]:
        """Everybody who may do the step, the station it is scheduled for first."""
        station = self.entry.step.station_ae_title
        return self.rules.stations_of(station) if station else ()

    @property
    def study_start(self) -> datetime | None:
        """When the first step of the procedure began, in the zone of the answer."""
        return self._local(self.entry.procedure.started_at)

    @property
    def ordered(self) -> datetime | None:
        return self._local(self.entry.ordered_at)

    def _local(self, at: datetime | None) -> datetime | None:
        zone = self.start.tzinfo if self.start is not None else None
        return None if at is None else at.astimezone(zone or UTC)

    @property
    def end(self) -> datetime | None:
        if self.start is None or not self.entry.step.duration_minutes:
            return None
        # Through UTC, so that a step over a clock change ends when it really ends.
        return (
            self.start.astimezone(UTC) + timedelta(minutes=self.entry.step.duration_minutes)
        ).astimezone(self.start.tzinfo)


Value = str | Sequence[Any]


def not_held(_: object) -> tuple[Any, ...]:
    """The value of what this system never has."""
    return ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of the identifier.

    ``value`` makes its text from an :class:`Offer` (inside an item: from what the sequence's own
    ``value`` gave for the item). A tuple of texts is a multiple value; for a sequence it is the
    items. ``not_held``: this system never has it, so that asking for it is answered with FF01.
    ``exact`` marks what must never be cut to fit: identifiers and numbers. ``goes_on``: a text
    longer than one value takes several, because no word of it may be lost.
    """

    keyword: str
    return_type: str  # PS3.4 K.2.2.1.2: 1, 1C, 2, 2C, 3
    value: Callable[[Any], Value]
    matching: Matching = Matching.NONE
    within: str = ""  # keywords of the enclosing sequences, joined with dots
    query: str = ""  # field of WorklistQuery
    exact: bool = False
    goes_on: bool = False
    note: str = ""
    tag: int = field(init=False)
    vr: str = field(init=False)
    always_present: bool = field(init=False)  # it comes back empty rather than not at all

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", tag_of(self.keyword))
        object.__setattr__(self, "vr", vr_of(self.tag))
        object.__setattr__(self, "always_present", self.return_type in {"2", "2C"})

    @property
    def path(self) -> str:
        return f"{self.within}.{self.keyword}" if self.within else self.keyword

    @property
    def is_held(self) -> bool:
        """Whether this system may ever have a value."""
        return self.value is not not_held


SPS = "ScheduledProcedureStepSequence"

_GOES_ON = (
    "what is longer than 64 characters takes several values, broken between words, each with ... "
    "where it goes on"
)

# (0040,1003): the defined terms of PS3.3 C.4-11 know no more than these.
PRIORITIES: Mapping[Priority, str] = {
    Priority.STAT: "STAT",
    Priority.ASAP: "HIGH",
    Priority.URGENT: "HIGH",
    Priority.ROUTINE: "ROUTINE",
}
# (0040,0020), PS3.3 C.4-10. The standard has no terms for canceled, missed or planned.
STEP_STATUSES: Mapping[StepStatus, str] = {
    StepStatus.PENDING: "",
    StepStatus.SCHEDULED: "SCHEDULED",
    StepStatus.ARRIVED: "ARRIVED",
    StepStatus.READY: "READY",
    StepStatus.STARTED: "STARTED",
    StepStatus.COMPLETED: "DEPARTED",
    StepStatus.DISCONTINUED: "DEPARTED",
    StepStatus.CANCELED: "",
    StepStatus.NO_SHOW: "",
}


# --- values


def _date(at: datetime | None) -> str:
    return "" if at is None else f"{at.year:04d}{at.month:02d}{at.day:02d}"


def _time(at: datetime | None) -> str:
    # Always six digits: GE scanners read nothing else (GE DOC0500644 6.8).
    return "" if at is None else f"{at.hour:02d}{at.minute:02d}{at.second:02d}"


def _whole(text: str, limit: int) -> str:
    """What names somebody or something, of which a part would name another."""
    return text if len(text) <= limit else ""


def _offset(offer: Offer) -> str:
    delta = offer.start.utcoffset() if offer.start is not None else None
    if delta is None:
        return ""
    minutes = round(delta.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _age(offer: Offer) -> str:
    """(0010,1010) on the day of the step; VR AS."""
    born_text = offer.entry.patient.birth_date.dicom
    if not born_text or offer.start is None:
        return ""
    born = date(int(born_text[:4]), int(born_text[4:6]), int(born_text[6:]))
    day = offer.start.date()
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    if months < 0 or months >= 12_000:
        return ""
    if months >= 24:
        return f"{months // 12:03d}Y"
    return f"{months:03d}M" if months else f"{(day - born).days:03d}D"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _codes(*codes: Code) -> tuple[Code, ...]:
    return tuple(code for code in codes if code.value)


def _procedure_description(offer: Offer) -> str:
    procedure = offer.entry.procedure
    return procedure.description or procedure.code.meaning or procedure.code.value


def _step_description(offer: Offer) -> str:
    step = offer.entry.step
    meanings = (code.meaning for code in step.protocol_codes)
    return step.description or next(filter(None, meanings), "") or _procedure_description(offer)


def _procedure_codes(offer: Offer) -> tuple[Code, ...]:
    code = offer.entry.procedure.code
    if code.value and not code.meaning:
        code = Code(code.value, code.scheme, _procedure_description(offer), code.version)
    return _codes(code)


def _language(offer: Offer) -> tuple[Code, ...]:
    language = offer.entry.patient.language.strip()
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language):
        return ()
    return (language_code(language),)


def _issuers(issuer: str) -> tuple[str, ...]:
    return (issuer,) if issuer else ()


def _alerts(offer: Offer) -> tuple[str, ...]:
    """What is known of the patient, and what the order says for this exam (IHE RAD TF-2 B-1)."""
    told = offer.entry.clinical_information.strip()
    return (*offer.entry.patient.alerts, told) if told else tuple(offer.entry.patient.alerts)


def _pregnancy(offer: Offer) -> str:
    status = offer.entry.patient.pregnancy_status
    return status if status in {"1", "2", "3", "4"} else ""


def _name(name: PersonName) -> str:
    return str(name)


def _nothing(_: object) -> str:
    return ""


def _no_items(_: object) -> tuple[Any, ...]:
    return ()


# --- macros


def code_rows(within: str, query: str = "") -> tuple[Attribute, ...]:
    """Code Sequence Macro (PS3.3 Table 8.8-1); CodeMeaning always, whatever else."""
    matching = Matching.WILDCARD if query else Matching.NONE
    return (
        Attribute("CodeValue", "1C", lambda c: c.value if len(c.value) <= 16 else "",
                  matching, within, query, exact=True),
        Attribute("CodingSchemeDesignator", "1C", lambda c: designator(c.scheme),
                  matching, within, query),
        Attribute("CodingSchemeVersion", "1C", lambda c: _whole(c.version, 16), within=within),
        Attribute("CodeMeaning", "1", lambda c: c.meaning or c.value, within=within),
        Attribute("LongCodeValue", "1C", lambda c: c.value if len(c.value) > 16 else "",
                  matching, within, query, exact=True),
    )  # fmt: skip


def issuer_rows(within: str, query: str = "") -> tuple[Attribute, ...]:
    """HL7v2 Hierarchic Designator Macro (PS3.3 Table 10-17)."""
    matching = Matching.WILDCARD if query else Matching.NONE
    return (
        Attribute("LocalNamespaceEntityID", "1C",
                  lambda issuer: "" if universal_id(issuer)[0] else issuer,
                  matching, within, query),
        Attribute("UniversalEntityID", "1C", lambda issuer: universal_id(issuer)[0],
                  matching, within, query),
        Attribute("UniversalEntityIDType", "1C", lambda issuer: universal_id(issuer)[1],
                  within=within),
    )  # fmt: skip


def reference_rows(within: str) -> tuple[Attribute, ...]:
    """SOP Instance Reference Macro (PS3.3 Table 10-11); this system has no such instances."""
    return (
        Attribute("ReferencedSOPClassUID", "1", _nothing, within=within),
        Attribute("ReferencedSOPInstanceUID", "1", _nothing, within=within),
    )


# --- the table

_STEP = (
    Attribute("ScheduledStationAETitle", "1", lambda o: o.stations,
              Matching.WILDCARD, SPS, "station_ae_titles", exact=True,
              note="several values in a key are alternatives"),
    Attribute("ScheduledProcedureStepStartDate", "1", lambda o: _date(o.start),
              Matching.RANGE, SPS, "start_from"),
    Attribute("ScheduledProcedureStepStartTime", "1", lambda o: _time(o.start),
              Matching.RANGE, SPS, "time_from",
              note="two ranges of date and time are one interval (PS3.4 K.6.1.2.2)"),
    Attribute("ScheduledProcedureStepEndDate", "3", lambda o: _date(o.end), within=SPS),
    Attribute("ScheduledProcedureStepEndTime", "3", lambda o: _time(o.end), within=SPS),
    Attribute("Modality", "1", lambda o: o.entry.step.modality, Matching.WILDCARD, SPS,
              "modalities", exact=True, note="several values in a key are alternatives"),
    Attribute("ScheduledPerformingPhysicianName", "2",
              lambda o: _name(o.entry.step.performing_physician), Matching.NAME, SPS,
              "performing_physician"),
    Attribute("ScheduledProcedureStepDescription", "1C", _step_description, Matching.WILDCARD,
              SPS, "step_description"),
    Attribute("ScheduledProtocolCodeSequence", "1C", lambda o: _codes(*o.entry.step.protocol_codes),
              Matching.SEQUENCE, SPS, note="only the items that match come back"),
    *code_rows(f"{SPS}.ScheduledProtocolCodeSequence", "protocol_codes"),
    Attribute("ProtocolContextSequence", "3", not_held,
              within=f"{SPS}.ScheduledProtocolCodeSequence"),
    Attribute("ScheduledProcedureStepID", "1", lambda o: o.entry.step.step_id, Matching.WILDCARD,
              SPS, "step_id", exact=True),
    Attribute("ScheduledStationName", "2", lambda o: o.entry.step.station_name, Matching.WILDCARD,
              SPS, "station_name"),
    Attribute("ScheduledProcedureStepLocation", "2", lambda o: o.entry.step.location,
              Matching.WILDCARD, SPS, "location"),
    Attribute("PreMedication", "2C", lambda o: o.entry.step.pre_medication, within=SPS),
    Attribute("RequestedContrastAgent", "2C", lambda o: o.entry.step.contrast_agent, within=SPS),
    Attribute("ScheduledProcedureStepStatus", "3", lambda o: STEP_STATUSES[o.entry.step.status],
              Matching.WILDCARD, SPS, "statuses",
              note="a key overrides what the device is usually offered"),
    Attribute("CommentsOnTheScheduledProcedureStep", "3", lambda o: o.entry.step.comments,
              within=SPS),
    Attribute("ReferencedDefinedProtocolSequence", "3", not_held, within=SPS),
    Attribute("ReferencedPerformedProtocolSequence", "3", not_held, within=SPS),
)  # fmt: skip

_PROCEDURE = (
    Attribute("RequestedProcedureID", "1", lambda o: o.entry.procedure.procedure_id,
              Matching.WILDCARD, query="procedure_id", exact=True),
    Attribute("RequestedProcedureDescription", "1C", _procedure_description, Matching.WILDCARD,
              query="procedure_description"),
    Attribute("RequestedProcedureCodeSequence", "1C", _procedure_codes, Matching.SEQUENCE),
    *code_rows("RequestedProcedureCodeSequence", "procedure_codes"),
    Attribute("StudyInstanceUID", "1", lambda o: o.entry.procedure.study_instance_uid,
              Matching.UID, query="study_instance_uids", exact=True),
    Attribute("StudyDate", "3", lambda o: _date(o.study_start),
              note="once the first step of the procedure began"),
    Attribute("StudyTime", "3", lambda o: _time(o.study_start)),
    Attribute("ReferencedStudySequence", "2", _no_items),
    *reference_rows("ReferencedStudySequence"),
    Attribute("RequestedProcedurePriority", "2", lambda o: PRIORITIES[o.entry.priority],
              Matching.WILDCARD, query="priorities"),
    Attribute("PatientTransportArrangements", "2", lambda o: o.entry.transport),
    Attribute("ReasonForTheRequestedProcedure", "3", lambda o: o.entry.reason),
    Attribute("ReasonForRequestedProcedureCodeSequence", "3",
              lambda o: _codes(o.entry.reason_code)),
    *code_rows("ReasonForRequestedProcedureCodeSequence"),
    Attribute("RequestedProcedureComments", "3", lambda o: o.entry.comments),
    Attribute("ScheduledSpecimenSequence", "3", not_held),
    Attribute("BarcodeValue", "3", not_held),
)  # fmt: skip

_REQUEST = (
    Attribute("AccessionNumber", "2", lambda o: o.entry.accession.value, Matching.WILDCARD,
              query="accession_number", exact=True),
    Attribute("IssuerOfAccessionNumberSequence", "3",
              lambda o: _issuers(o.entry.accession.issuer), Matching.SEQUENCE),
    *issuer_rows("IssuerOfAccessionNumberSequence", "accession_issuers"),
    Attribute("RequestingPhysician", "2", lambda o: _name(o.entry.requester), Matching.NAME,
              query="requesting_physician"),
    Attribute("RequestingService", "3", lambda o: o.entry.requesting_service, Matching.WILDCARD,
              query="requesting_service"),
    Attribute("ReferringPhysicianName", "2", lambda o: _name(o.entry.referring), Matching.NAME,
              query="referring_physician"),
    Attribute("PlacerOrderNumberImagingServiceRequest", "3", lambda o: o.entry.placer.value,
              Matching.WILDCARD, query="placer_number", exact=True),
    Attribute("FillerOrderNumberImagingServiceRequest", "3", lambda o: o.entry.filler.value,
              Matching.WILDCARD, query="filler_number", exact=True),
    Attribute("OrderPlacerIdentifierSequence", "3", lambda o: _issuers(o.entry.placer.issuer)),
    *issuer_rows("OrderPlacerIdentifierSequence"),
    Attribute("OrderFillerIdentifierSequence", "3", lambda o: _issuers(o.entry.filler.issuer)),
    *issuer_rows("OrderFillerIdentifierSequence"),
    Attribute("OrderEnteredBy", "3", lambda o: o.entry.entered_by),
    Attribute("OrderEntererLocation", "3", lambda o: o.entry.entering_location),
    Attribute("RequestingServiceCodeSequence", "3",
              lambda o: _codes(o.entry.requesting_service_code)),
    *code_rows("RequestingServiceCodeSequence"),
    Attribute("OrderCallbackPhoneNumber", "3", lambda o: o.entry.callback_phone, exact=True),
    Attribute("IssueDateOfImagingServiceRequest", "3", lambda o: _date(o.ordered)),
    Attribute("IssueTimeOfImagingServiceRequest", "3", lambda o: _time(o.ordered)),
    Attribute("ImagingServiceRequestComments", "3", lambda o: o.entry.comments),
)  # fmt: skip

_VISIT = (
    Attribute("InstitutionName", "3", lambda o: o.entry.institution, Matching.WILDCARD,
              query="institution"),
    Attribute("AdmissionID", "2", lambda o: o.entry.visit.number.value if o.entry.visit else "",
              Matching.WILDCARD, query="admission_id", exact=True),
    Attribute("IssuerOfAdmissionIDSequence", "3",
              lambda o: _issuers(o.entry.visit.number.issuer) if o.entry.visit else (),
              Matching.SEQUENCE),
    *issuer_rows("IssuerOfAdmissionIDSequence", "admission_issuers"),
    Attribute("RouteOfAdmissions", "3",
              lambda o: o.entry.visit.patient_class.value if o.entry.visit else "",
              note="the patient class (HL7 table 0004)"),
    Attribute("CurrentPatientLocation", "2",
              lambda o: o.entry.visit.location if o.entry.visit else "", Matching.WILDCARD,
              query="current_location"),
    Attribute("ReferencedPatientSequence", "2", _no_items),
    *reference_rows("ReferencedPatientSequence"),
)  # fmt: skip

_PATIENT = (
    Attribute("PatientName", "1", lambda o: _name(o.entry.patient.name), Matching.NAME,
              query="patient_name"),
    Attribute("PatientID", "1", lambda o: o.entry.patient.identifier.value, Matching.WILDCARD,
              query="patient_id", exact=True),
    Attribute("IssuerOfPatientID", "3", lambda o: _whole(o.entry.patient.identifier.issuer, 64),
              Matching.WILDCARD, query="patient_id_issuer"),
    Attribute("IssuerOfPatientIDQualifiersSequence", "3",
              lambda o: _issuers(universal_id(o.entry.patient.identifier.issuer)[0])),
    Attribute("UniversalEntityID", "3", lambda issuer: universal_id(issuer)[0],
              within="IssuerOfPatientIDQualifiersSequence"),
    Attribute("UniversalEntityIDType", "1C", lambda issuer: universal_id(issuer)[1],
              within="IssuerOfPatientIDQualifiersSequence"),
    Attribute("OtherPatientIDs", "3",
              lambda o: tuple(one.value for one in o.entry.patient.identifiers[1:]), exact=True),
    Attribute("OtherPatientIDsSequence", "3", lambda o: o.entry.patient.identifiers[1:]),
    Attribute("PatientID", "1", lambda one: one.value, within="OtherPatientIDsSequence",
              exact=True),
    Attribute("IssuerOfPatientID", "3", lambda one: _whole(one.issuer, 64),
              within="OtherPatientIDsSequence"),
    Attribute("TypeOfPatientID", "1", lambda _: "TEXT", within="OtherPatientIDsSequence"),
    Attribute("PatientBirthDate", "2", lambda o: o.entry.patient.birth_date.dicom, Matching.RANGE,
              query="patient_birth_date"),
    Attribute("PatientSex", "2", lambda o: o.entry.patient.sex.value, Matching.WILDCARD,
              query="patient_sex"),
    Attribute("PatientPrimaryLanguageCodeSequence", "3", _language),
    *code_rows("PatientPrimaryLanguageCodeSequence"),
    Attribute("PatientAge", "3", _age),
    Attribute("PatientSize", "3", lambda o: _number(o.entry.patient.height_m)),
    Attribute("PatientWeight", "2", lambda o: _number(o.entry.patient.weight_kg)),
    Attribute("PatientAddress", "3", lambda o: o.entry.patient.address),
    Attribute("PatientTelephoneNumbers", "3", lambda o: o.entry.patient.phone, exact=True),
    Attribute("PatientMotherBirthName", "3", lambda o: _name(o.entry.patient.mother_birth_name)),
    Attribute("EthnicGroup", "3", lambda o: o.entry.patient.ethnic_group),
    Attribute("PatientComments", "3", lambda o: o.entry.patient.comments),
    Attribute("ConfidentialityConstraintOnPatientDataDescription", "2",
              lambda o: o.entry.patient_confidentiality),
    Attribute("ConfidentialityCode", "3", lambda o: o.entry.confidentiality),
    Attribute("PatientState", "2", lambda o: o.entry.patient_state),
    Attribute("PregnancyStatus", "2", _pregnancy),
    Attribute("MedicalAlerts", "2", _alerts, goes_on=True,
              note=f"those of the patient, then of the order; {_GOES_ON}"),
    Attribute("Allergies", "2", lambda o: o.entry.patient.allergies, goes_on=True, note=_GOES_ON),
    Attribute("SpecialNeeds", "2", lambda o: o.entry.patient.special_needs),
    Attribute("AdditionalPatientHistory", "3", lambda o: o.entry.reason),
    Attribute("PertinentDocumentsSequence", "3", not_held),
)  # fmt: skip

_SOP_COMMON = (
    Attribute("TimezoneOffsetFromUTC", "1C", _offset, exact=True,
              note="returned if requested: the offset of the times in the answer; in a query it "
              "says which zone the date and time keys are in"),
)  # fmt: skip

WORKLIST: tuple[Attribute, ...] = (
    Attribute(SPS, "1", lambda o: (o,), Matching.SEQUENCE),
    *_STEP,
    *_PROCEDURE,
    *_REQUEST,
    *_VISIT,
    *_PATIENT,
    *_SOP_COMMON,
)


@dataclass(frozen=True, slots=True)
class Node:
    """An attribute with those inside its items, by tag."""

    attribute: Attribute
    children: Mapping[int, Node]


def tree(rows: Sequence[Attribute], within: str = "") -> dict[int, Node]:
    """The table as nested dictionaries in the order of tags."""
    return {
        row.tag: Node(row, tree(rows, row.path) if row.vr == "SQ" else {})
        for row in sorted(rows, key=lambda row: row.tag)
        if row.within == within
    }


WORKLIST_TREE = tree(WORKLIST)
# What every answer must carry (PS3.4 K.2.2.1.2): an entry that lacks one of these is not served.
ESSENTIAL: tuple[Attribute, ...] = tuple(
    row for row in WORKLIST if row.return_type == "1" and row.within in {"", SPS} and row.vr != "SQ"
)
