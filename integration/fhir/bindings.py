"""FHIR codes ↔ domain states, as total tables (spec/fhir.md 1.5; DESIGN 6).

A FHIR status is never stored: it is looked up here from what is stored. Each table covers the whole
product of its keys, which a test walks; searching by a status inverts the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import TypeVar

from integration.fhir.outcome import InvalidCodeError
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, Sex, VisitStatus
from ris.domain.performing import Match, PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.scheduling import Answer, AppointmentStatus, SlotState

E = TypeVar("E", bound=StrEnum)
K = TypeVar("K")

GENDER: Mapping[Sex, str] = {
    Sex.MALE: "male",
    Sex.FEMALE: "female",
    Sex.OTHER: "other",
    Sex.UNKNOWN: "unknown",
}

PRIORITY: Mapping[Priority, str] = {
    Priority.STAT: "stat",
    Priority.ASAP: "asap",
    Priority.URGENT: "urgent",
    Priority.ROUTINE: "routine",
}

# Encounter.class (v3 ActCode); several FHIR classes fold into one of table 0004.
PATIENT_CLASS: Mapping[PatientClass, tuple[str, str]] = {
    PatientClass.INPATIENT: ("IMP", "inpatient encounter"),
    PatientClass.OUTPATIENT: ("AMB", "ambulatory"),
    PatientClass.EMERGENCY: ("EMER", "emergency"),
    PatientClass.PREADMIT: ("PRENC", "pre-admission"),
    PatientClass.RECURRING: ("AMB", "ambulatory"),
    PatientClass.OBSTETRICS: ("IMP", "inpatient encounter"),
    PatientClass.UNKNOWN: ("AMB", "ambulatory"),
}
PATIENT_CLASS_IN: Mapping[str, PatientClass] = {
    "IMP": PatientClass.INPATIENT,
    "ACUTE": PatientClass.INPATIENT,
    "NONAC": PatientClass.INPATIENT,
    "OBSENC": PatientClass.INPATIENT,
    "AMB": PatientClass.OUTPATIENT,
    "SS": PatientClass.OUTPATIENT,
    "VR": PatientClass.OUTPATIENT,
    "HH": PatientClass.OUTPATIENT,
    "FLD": PatientClass.OUTPATIENT,
    "EMER": PatientClass.EMERGENCY,
    "PRENC": PatientClass.PREADMIT,
}

# Encounter.status, as far as ADT or an EHR tells it.
VISIT_STATUS: Mapping[VisitStatus, str] = {
    VisitStatus.UNKNOWN: "unknown",
    VisitStatus.PLANNED: "planned",
    VisitStatus.IN_PROGRESS: "in-progress",
    VisitStatus.FINISHED: "finished",
    VisitStatus.CANCELED: "cancelled",
}

# --- ServiceRequest.status

ORDER_STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.ACTIVE: "active",
    OrderStatus.ON_HOLD: "on-hold",
    OrderStatus.CANCELED: "revoked",
    OrderStatus.DISCONTINUED: "revoked",
    OrderStatus.COMPLETED: "completed",
    OrderStatus.ENTERED_IN_ERROR: "entered-in-error",
}

# The request for one of an order's several procedures: rows 1-26 read on the procedure's own stage.
_STAGE_OF_ACTIVE: Mapping[Stage, str] = {
    Stage.REQUESTED: "active",
    Stage.SCHEDULED: "active",
    Stage.ARRIVED: "active",
    Stage.IN_PROGRESS: "active",
    Stage.PERFORMED: "active",
    Stage.PRELIMINARY: "active",
    Stage.REPORTED: "completed",
    Stage.CANCELED: "revoked",
}


def _procedure_status(order: OrderStatus, stage: Stage) -> str:
    own = _STAGE_OF_ACTIVE[stage]
    if order is OrderStatus.ENTERED_IN_ERROR or own == "active":
        return ORDER_STATUS[order]
    return own  # reported or canceled is how it stays, whatever becomes of its siblings


PROCEDURE_REQUEST_STATUS: Mapping[tuple[OrderStatus, Stage], str] = {
    key: _procedure_status(*key) for key in product(OrderStatus, Stage)
}

# --- Task.status: a scheduled procedure step

_STEP_OF_ACTIVE: Mapping[StepStatus, str] = {
    StepStatus.PENDING: "accepted",
    StepStatus.SCHEDULED: "accepted",
    StepStatus.ARRIVED: "ready",
    StepStatus.READY: "ready",
    StepStatus.STARTED: "in-progress",
    StepStatus.COMPLETED: "completed",
    StepStatus.DISCONTINUED: "failed",
    StepStatus.CANCELED: "cancelled",
    StepStatus.NO_SHOW: "accepted",
}


def _task_status(step: StepStatus, order: OrderStatus) -> str:
    own = _STEP_OF_ACTIVE[step]
    if order is OrderStatus.ENTERED_IN_ERROR:
        return "entered-in-error"
    if order is OrderStatus.ON_HOLD and own in {"accepted", "ready"}:
        return "on-hold"
    return own


TASK_STATUS: Mapping[tuple[StepStatus, OrderStatus], str] = {
    key: _task_status(*key) for key in product(StepStatus, OrderStatus)
}

# --- Appointment.status

_APPOINTMENT: Mapping[AppointmentStatus, str] = {
    AppointmentStatus.PROPOSED: "proposed",
    AppointmentStatus.HELD: "pending",
    AppointmentStatus.BOOKED: "booked",
    AppointmentStatus.ARRIVED: "arrived",
    AppointmentStatus.FULFILLED: "fulfilled",
    AppointmentStatus.EXPIRED: "cancelled",
    AppointmentStatus.CANCELED: "cancelled",
    AppointmentStatus.NO_SHOW: "noshow",
}


def _appointment_status(
    appointment: AppointmentStatus, step: StepStatus | None, order: OrderStatus | None
) -> str:
    own = _APPOINTMENT[appointment]
    if order is OrderStatus.ENTERED_IN_ERROR:
        return "entered-in-error"
    if own == "booked" and order is OrderStatus.ON_HOLD:
        return "pending"
    # R4 has no "in progress": prepared and started are both checked-in (rows 8 and 9).
    if own in {"booked", "arrived"} and step in {StepStatus.READY, StepStatus.STARTED}:
        return "checked-in"
    if own == "fulfilled" and step is StepStatus.STARTED:
        return "checked-in"
    return own


# Without step and order where the time was given back and nothing hangs on it any more.
APPOINTMENT_STATUS: Mapping[
    tuple[AppointmentStatus, StepStatus | None, OrderStatus | None], str
] = {
    key: _appointment_status(*key)
    for key in product(AppointmentStatus, [*StepStatus, None], [*OrderStatus, None])
}

# --- Slot.status, AppointmentResponse.participantStatus and Appointment.participant.status

SLOT_STATUS: Mapping[SlotState, str] = {
    SlotState.FREE: "free",
    SlotState.HELD: "busy-tentative",
    SlotState.TAKEN: "busy",
    SlotState.CLOSED: "busy-unavailable",
}
PARTICIPATION: Mapping[Answer, str] = {
    Answer.ACCEPTED: "accepted",
    Answer.TENTATIVE: "tentative",
    Answer.DECLINED: "declined",
}

# --- Procedure.status: a performed procedure step; the third key is "images were made"

_PERFORMED: Mapping[PerformedStatus, str] = {
    PerformedStatus.IN_PROGRESS: "in-progress",
    PerformedStatus.COMPLETED: "completed",
    PerformedStatus.DISCONTINUED: "stopped",
}


def _performed_status(status: PerformedStatus, match: Match, images: bool) -> str:
    if match is Match.QUARANTINED:
        return "entered-in-error"
    if status is PerformedStatus.DISCONTINUED and not images:
        return "not-done"
    return _PERFORMED[status]


PROCEDURE_STATUS: Mapping[tuple[PerformedStatus, Match, bool], str] = {
    key: _performed_status(*key) for key in product(PerformedStatus, Match, [True, False])
}

# --- Procedure.status of a scheduled step for which nothing was performed (rows 7, 8, 13-20)

_PLANNED: Mapping[StepStatus, str] = {
    StepStatus.ARRIVED: "preparation",
    StepStatus.READY: "preparation",
    StepStatus.NO_SHOW: "not-done",
    StepStatus.CANCELED: "not-done",
}
PLANNED_STATUS: Mapping[tuple[StepStatus, OrderStatus], str] = {
    (step, order): ("entered-in-error" if order is OrderStatus.ENTERED_IN_ERROR else _PLANNED[step])
    for step, order in product(_PLANNED, OrderStatus)
}
# What a step has become while the page that found it planned was being read: by several statements.
_MEANWHILE: Mapping[StepStatus, str] = {
    StepStatus.PENDING: "preparation",
    StepStatus.SCHEDULED: "preparation",
    StepStatus.STARTED: _PERFORMED[PerformedStatus.IN_PROGRESS],
    StepStatus.COMPLETED: _PERFORMED[PerformedStatus.COMPLETED],
    StepStatus.DISCONTINUED: _PERFORMED[PerformedStatus.DISCONTINUED],
}


def planned_status(step: StepStatus, order: OrderStatus) -> str:
    """Procedure.status of a step found planned, whatever it is by now."""
    return PLANNED_STATUS.get((step, order)) or _MEANWHILE[step]


# --- ImagingStudy.status, from the furthest performed step of the study

STUDY_STATUS: Mapping[tuple[PerformedStatus, bool], str] = {
    (PerformedStatus.IN_PROGRESS, True): "registered",
    (PerformedStatus.IN_PROGRESS, False): "registered",
    (PerformedStatus.COMPLETED, True): "available",
    (PerformedStatus.COMPLETED, False): "available",
    (PerformedStatus.DISCONTINUED, True): "available",
    (PerformedStatus.DISCONTINUED, False): "cancelled",
}

# --- DiagnosticReport.status, from the report's status and the kind of its newest version; the
# third key is "a draft was saved"

_REPORT: Mapping[ReportStatus, str] = {
    ReportStatus.DRAFT: "registered",
    ReportStatus.PRELIMINARY: "preliminary",
    ReportStatus.FINAL: "final",
    ReportStatus.AMENDED: "amended",
    ReportStatus.DISCARDED: "cancelled",
    ReportStatus.RETRACTED: "entered-in-error",
}
_AMENDED: Mapping[VersionKind | None, str] = {
    VersionKind.ADDENDUM: "appended",
    VersionKind.CORRECTION: "corrected",
}


def _report_status(status: ReportStatus, kind: VersionKind | None, written: bool) -> str:
    if status is ReportStatus.AMENDED:
        return _AMENDED.get(kind, "amended")
    if status is ReportStatus.DRAFT and written:
        return "partial"  # dictated, and nobody vouches for it yet (row 21)
    return _REPORT[status]


REPORT_STATUS: Mapping[tuple[ReportStatus, VersionKind | None, bool], str] = {
    key: _report_status(*key) for key in product(ReportStatus, [*VersionKind, None], [True, False])
}

# --- DocumentReference.docStatus of a version's document

DOCUMENT_STATUS: Mapping[VersionKind, str] = {
    VersionKind.PRELIMINARY: "preliminary",
    VersionKind.FINAL: "final",
    VersionKind.ADDENDUM: "amended",
    VersionKind.CORRECTION: "amended",
    VersionKind.RETRACTION: "entered-in-error",
}

# --- DiagnosticReport.status of an exam that nobody wrote a report on yet (rows 7-20)


def _awaited_status(stage: Stage, order: OrderStatus) -> str:
    if order is OrderStatus.ENTERED_IN_ERROR:
        return "entered-in-error"
    ended = order in {OrderStatus.CANCELED, OrderStatus.DISCONTINUED}
    # What was performed before the rest was stopped is read all the same.
    if stage is Stage.CANCELED or (ended and stage is not Stage.PERFORMED):
        return "cancelled"
    return "registered"


AWAITED_STATUS: Mapping[tuple[Stage, OrderStatus], str] = {
    key: _awaited_status(*key) for key in product(Stage, OrderStatus)
}

# --- reading


def gender(code: str, path: str) -> Sex:
    return _from(GENDER, code, path, "AdministrativeGender")


def priority(code: str, path: str) -> Priority:
    return _from(PRIORITY, code, path, "request-priority")


REQUEST_STATUS = frozenset(
    {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
)
REQUEST_INTENT = frozenset(
    {
        "proposal", "plan", "directive", "order", "original-order", "reflex-order",
        "filler-order", "instance-order", "option",
    }
)  # fmt: skip
# The intents that ask for something to be done now; the others are thoughts about it.
ORDERING = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
IDENTIFIER_USE = frozenset({"usual", "official", "temp", "secondary", "old"})
NAME_USE = frozenset({"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"})
CONTACT_SYSTEM = frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"})


def require(code: str, codes: frozenset[str], path: str, binding: str) -> str:
    """``code`` if it is in a required binding."""
    if code not in codes:
        raise InvalidCodeError(f"{code!r} is not in {binding}", path=path)
    return code


def _from(table: Mapping[E, str], code: str, path: str, binding: str) -> E:
    for key, value in table.items():
        if value == code:
            return key
    raise InvalidCodeError(f"{code!r} is not in {binding}", path=path)


def keys(table: Mapping[K, str], codes: frozenset[str]) -> frozenset[K]:
    """The rows of a table that show one of ``codes``: how a search by status is turned around."""
    return frozenset(key for key, code in table.items() if code in codes)
