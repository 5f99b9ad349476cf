"""HL7 table values ↔ domain values, and what each order control and status stands for.

Every table is total in the direction it is used (tests/integration/hl7/test_bindings.py walks the
products); a value outside of one raises InvalidValueError with the number of the table (ERR 103)
and is never guessed. The conformance statement is printed from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeVar

from ris.domain.errors import InvalidValueError
from ris.domain.orders import OrderStatus, Priority, Stage
from ris.domain.patients import PatientClass, Sex
from ris.domain.reporting import VersionKind

E = TypeVar("E", bound=Enum)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Table:
    """One HL7 table: what each of its codes means to us."""

    number: str
    name: str
    values: Mapping[str, object]


def _frozen(values: Mapping[str, V]) -> Mapping[str, V]:
    return MappingProxyType(dict(values))


def read(values: Mapping[str, V], text: str, *, table: str, path: str) -> V:
    """The domain value of a code, case and surrounding blanks aside."""
    found = values.get(text.strip().upper())
    if found is None:
        raise InvalidValueError(f"not in table {table}", path=path, details={"table": table})
    return found


# --- patient -------------------------------------------------------------------------------------

# Table 0001; DICOM (0010,0040) tells apart no more than these (spec 1.8).
SEX: Mapping[str, Sex] = _frozen(
    {
        "M": Sex.MALE,
        "F": Sex.FEMALE,
        "O": Sex.OTHER,
        "A": Sex.OTHER,  # ambiguous
        "N": Sex.OTHER,  # not applicable
        "U": Sex.UNKNOWN,
        # No codes of the table, but what passports say of who is neither, and German systems.
        "X": Sex.OTHER,
        "D": Sex.OTHER,
    }
)
SEX_OUT: Mapping[Sex, str] = MappingProxyType(
    {Sex.MALE: "M", Sex.FEMALE: "F", Sex.OTHER: "O", Sex.UNKNOWN: "U"}
)

# Table 0004, which sites extend; the second block is what is seen in the field.
PATIENT_CLASS: Mapping[str, PatientClass] = _frozen(
    {
        "E": PatientClass.EMERGENCY,
        "I": PatientClass.INPATIENT,
        "O": PatientClass.OUTPATIENT,
        "P": PatientClass.PREADMIT,
        "R": PatientClass.RECURRING,
        "B": PatientClass.OBSTETRICS,
        "C": PatientClass.UNKNOWN,  # commercial account
        "N": PatientClass.UNKNOWN,  # not applicable
        "U": PatientClass.UNKNOWN,
        "IP": PatientClass.INPATIENT,
        "IMP": PatientClass.INPATIENT,
        "OP": PatientClass.OUTPATIENT,
        "AMB": PatientClass.OUTPATIENT,
        "ED": PatientClass.EMERGENCY,
        "ER": PatientClass.EMERGENCY,
        "EMER": PatientClass.EMERGENCY,
    }
)
PATIENT_CLASS_OUT: Mapping[PatientClass, str] = MappingProxyType(
    {each: each.value for each in PatientClass}
)

# Table 0009, as words: (0038,0050) Special Needs is text. B6 is told as pregnancy status.
PREGNANT = "B6"
AMBULATORY_STATUS: Mapping[str, str] = _frozen(
    {
        "A0": "",  # no functional limitations
        "A1": "walks with assistive device",
        "A2": "wheelchair or stretcher",
        "A3": "comatose",
        "A4": "disoriented",
        "A5": "vision impaired",
        "A6": "hearing impaired",
        "A7": "speech impaired",
        "A8": "foreign language",
        "A9": "functional level unknown",
        "B1": "oxygen therapy",
        "B2": "special equipment",
        "B3": "amputee",
        "B4": "mastectomy",
        "B5": "paraplegic",
        PREGNANT: "",
    }
)

# Table 0136.
YES_NO: Mapping[str, bool] = _frozen({"Y": True, "N": False})

# --- order ---------------------------------------------------------------------------------------

# Table 0485 (TQ1-9) and the TQ.6 before it; DICOM's HIGH is our ASAP and URGENT.
PRIORITY: Mapping[str, Priority] = _frozen(
    {
        "S": Priority.STAT,
        "A": Priority.ASAP,
        "R": Priority.ROUTINE,
        "P": Priority.URGENT,  # preoperative
        "C": Priority.URGENT,  # callback
        "T": Priority.URGENT,  # timing critical
        "PRN": Priority.ROUTINE,  # as needed
        "H": Priority.URGENT,  # DICOM's high, medium, low, as letters: no code of the table
        "M": Priority.ROUTINE,
        "L": Priority.ROUTINE,
        "STAT": Priority.STAT,
        "ASAP": Priority.ASAP,
        "URGENT": Priority.URGENT,
        "ROUTINE": Priority.ROUTINE,
    }
)
PRIORITY_OUT: Mapping[Priority, str] = MappingProxyType(
    {Priority.STAT: "S", Priority.ASAP: "A", Priority.URGENT: "A", Priority.ROUTINE: "R"}
)
_TIMING_CRITICAL = re.compile(r"T[SMHDWL]?\d+|T[SMHDWL]")


def priority(text: str, path: str) -> Priority:
    """TS30, TM5 and the like are timing critical with a limit (table 0485)."""
    if _TIMING_CRITICAL.fullmatch(text.strip().upper()):
        return Priority.URGENT
    return read(PRIORITY, text, table="0485", path=path)


# Table 0124; other codes of a site pass as they are, (0040,1004) is text.
TRANSPORT: Mapping[str, str] = _frozen(
    {"CART": "Cart", "PORT": "Portable", "WALK": "Walking", "WHLC": "Wheelchair"}
)
TRANSPORT_OUT: Mapping[str, str] = MappingProxyType(
    {words: code for code, words in TRANSPORT.items()}
)

# OBR-45 (table 0340) and OBR-15.5 (table 0495 as far as it tells sides).
LATERALITY: Mapping[str, str] = _frozen(
    {"L": "L", "LT": "L", "R": "R", "RT": "R", "B": "B", "BIL": "B", "50": "B", "U": "U"}
)

# Table 0074 as far as it names modalities; DICOM's defined terms (PS3.3 C.7.3.1.1.1) stand for
# themselves. What is neither tells nothing: the catalog knows the modality of its procedures.
SECTION_MODALITY: Mapping[str, str] = _frozen(
    {
        "CUS": "US",
        "NMR": "MR",
        "NMS": "NM",
        "OUS": "US",
        "RUS": "US",
        "RX": "DX",
        "VUS": "US",
        "XRC": "RF",
    }
)
MODALITIES = frozenset(
    {
        "AR", "BI", "BMD", "CR", "CT", "DG", "DX", "EC", "ECG", "EPS", "ES", "GM", "HD", "IO",
        "IVOCT", "IVUS", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPV", "OT",
        "PA", "PT", "PX", "RF", "RG", "RTIMAGE", "SC", "SM", "SRF", "TG", "US", "VA", "XA", "XC",
    }
)  # fmt: skip


def modality(text: str) -> str:
    """OBR-24 as a DICOM modality; empty for a section that does not tell one."""
    code = text.strip().upper()
    return code if code in MODALITIES else SECTION_MODALITY.get(code, "")


# --- order control (table 0119) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Control:
    """An order control that we take, and how an ORR, ORG or ORI answers it."""

    meaning: str
    accepted: str
    refused: str


CONTROLS: Mapping[str, Control] = _frozen(
    {
        "NW": Control("new order", "OK", "UA"),
        "XO": Control("change order", "XR", "UX"),
        "CA": Control("cancel order", "CR", "UC"),
        "DC": Control("discontinue order", "DR", "UD"),
        "HD": Control("hold order", "HR", "UH"),
        "RL": Control("release previous hold", "OR", "UR"),
        "RP": Control("replace order; its RO follows", "RQ", "UM"),
        "RO": Control("replacement order", "RO", "UM"),
        "PA": Control("parent order: the requisition of its CH", "OK", "UA"),
        "CH": Control("child order, under PA or ORC-8", "OK", "UA"),
        "SS": Control("send order status", "SR", "DE"),
    }
)
# What fills orders too may say of ours, where its endpoint allows it (``other_filler``).
FILLER_CONTROLS: Mapping[str, Control] = _frozen(
    {
        "SC": Control("status changed: CA, DC and HD of ORC-5, or a time", "OK", "DE"),
        "XX": Control("order changed, unsolicited", "OK", "DE"),
        "RU": Control("replaced unsolicited; its RO follows", "OK", "DE"),
    }
)
# The order control of a fault in what cannot even be read as an order.
NOT_READ = "UA"

# What ORR, ORG and ORI tell us of an order of ours. NA brings the placer's number; the others
# answer what we told, and change nothing; what was not done is shown to people.
ANSWERS: Mapping[str, str] = _frozen(
    {
        "NA": "number assigned: ORC-2 for the order of ORC-3",
        "OK": "accepted",
        "UA": "not accepted",
        "CR": "canceled as requested",
        "UC": "not canceled",
        "DR": "discontinued as requested",
        "UD": "not discontinued",
        "HR": "put on hold",
        "UH": "not put on hold",
        "OR": "released",
        "UR": "not released",
        "XR": "changed as requested",
        "UX": "not changed",
        "RQ": "replaced as requested",
        "UM": "not replaced",
        "RO": "replacement order",
        "SR": "status",
        "DE": "data errors",
    }
)

# Those that say it was not done.
REFUSING_ANSWERS = frozenset({"UA", "UC", "UD", "UH", "UR", "UX", "UM", "DE"})

# ORC-1 and ORC-5 towards an archive, by what happened (spec 1.2): dcm4chee takes no other pairs.
# ``archive_controls`` of an endpoint changes them.
ARCHIVE_CONTROLS: Mapping[str, str] = MappingProxyType(
    {
        "scheduled": "NW_SC",
        "arrived": "XO_SC",
        "started": "NW_IP",
        "changed": "XO_SC",
        "completed": "XO_CM",
        "canceled": "CA_CA",
        "discontinued": "DC_CA",
    }
)


# --- order status (fhir.md 1.5) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order is: ORC-5 (table 0038) and OBR-25 (table 0123)."""

    orc_5: str
    obr_25: str


_BY_STAGE: Mapping[Stage, Progress] = {
    Stage.REQUESTED: Progress("IP", "O"),
    Stage.SCHEDULED: Progress("SC", "S"),
    Stage.ARRIVED: Progress("SC", "S"),
    Stage.IN_PROGRESS: Progress("IP", "I"),
    Stage.PERFORMED: Progress("IP", "I"),
    Stage.PRELIMINARY: Progress("A", "P"),
    Stage.REPORTED: Progress("CM", "F"),
    Stage.CANCELED: Progress("CA", "X"),
}
_BY_ORDER: Mapping[OrderStatus, Progress] = {
    OrderStatus.ON_HOLD: Progress("HD", ""),
    OrderStatus.CANCELED: Progress("CA", "X"),
    OrderStatus.DISCONTINUED: Progress("DC", "X"),
    OrderStatus.COMPLETED: Progress("CM", "F"),
    OrderStatus.ENTERED_IN_ERROR: Progress("CA", "X"),
}
# What a peer hears of a procedure: the order's end or hold, else the procedure's stage. A procedure
# that was reported or canceled on its own keeps that whatever becomes of the rest.
PROGRESS: Mapping[tuple[OrderStatus, Stage], Progress] = MappingProxyType(
    {
        (status, stage): (
            _BY_STAGE[stage]
            if status is OrderStatus.ACTIVE
            or (
                stage in {Stage.REPORTED, Stage.PRELIMINARY, Stage.CANCELED}
                and status is not OrderStatus.ENTERED_IN_ERROR
            )
            else _BY_ORDER[status]
        )
        for status in OrderStatus
        for stage in Stage
    }
)


# --- results ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResultStatus:
    """A report version: ORC-5, OBR-25 and OBX-11 (tables 0038, 0123, 0085)."""

    orc_5: str
    obr_25: str
    obx_11: str


RESULT_STATUS: Mapping[VersionKind, ResultStatus] = MappingProxyType(
    {
        VersionKind.PRELIMINARY: ResultStatus("A", "P", "P"),
        VersionKind.FINAL: ResultStatus("CM", "F", "F"),
        VersionKind.ADDENDUM: ResultStatus("CM", "C", "C"),
        VersionKind.CORRECTION: ResultStatus("CM", "C", "C"),
        VersionKind.RETRACTION: ResultStatus("IP", "C", "W"),
    }
)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a report: LOINC for OBX-3, and the suffix of H7 7.1.2 to a service code."""

    loinc: str
    meaning: str
    suffix: str


SECTION: Mapping[str, Section] = MappingProxyType(
    {
        "indication": Section("18785-6", "Radiology Reason for study", "TCM"),
        "technique": Section("55111-9", "Current imaging procedure descriptions", "TCM"),
        "comparison": Section("18834-2", "Radiology Comparison study", "TCM"),
        "findings": Section("18782-3", "Radiology Study observation", "GDT"),
        "impression": Section("19005-8", "Radiology Imaging study [Impression]", "IMP"),
        "recommendation": Section("18783-1", "Radiology Study recommendation", "REC"),
        "addendum": Section("55107-7", "Addendum", "ADT"),
        "communication": Section("73568-8", "Communication of critical results", "OTH"),
    }
)
WHOLE_REPORT = ("18748-4", "Diagnostic imaging study", "LN")
STUDY_UID = ("113014", "DICOM Study", "DCM")

# --- for the conformance statement --------------------------------------------------------------

TABLES: tuple[Table, ...] = (
    Table("0001", "Administrative sex (PID-8)", SEX),
    Table("0004", "Patient class (PV1-2)", PATIENT_CLASS),
    Table("0009", "Ambulatory status (PV1-15)", AMBULATORY_STATUS),
    Table("0074", "Diagnostic service section (OBR-24), as DICOM modality", SECTION_MODALITY),
    Table("0124", "Transportation mode (OBR-30)", TRANSPORT),
    Table("0485", "Priority (TQ1-9, ORC-7.6, OBR-27.6, OBR-5)", PRIORITY),
)
