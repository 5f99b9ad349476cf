"""Human words, icon and tone for every state that a page shows.

One table per enumeration, total over it (tests/web/test_labels.py). A state is never told by color
alone: the ``status`` template tag always writes icon, words and tone together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from ris.domain.authorization import AuthorizationState
from ris.domain.availability import ImagesState
from ris.domain.corrections import CorrectionKind
from ris.domain.critical import CriticalState, HowTold
from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.documents import DocumentStatus
from ris.domain.dose import DoseKind, DoseMatch, DoseSource
from ris.domain.exchange import (
    DeliveryState,
    Direction,
    MessageState,
    Protocol,
    ReplyState,
    RunState,
    Subscription,
)
from ris.domain.facility import ResourceKind
from ris.domain.follow_ups import Arranger, FollowUpState, Reminder
from ris.domain.interfaces import AlertKind
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.patients import PatientClass, ReviewState, Sex, VisitStatus
from ris.domain.peer_review import Grade, PeerReviewState, ReviewOrigin, Score
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.domain.protocol import Result
from ris.domain.protocoling import ProtocolNeed, ProtocolState, RejectReason
from ris.domain.referring import Progress
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.safety import AnswerKind, AnswerSource, Finding, Gate, Told, Verdict
from ris.domain.scheduling import AppointmentStatus, ClosureKind
from ris.domain.subscriptions import SubscriptionStatus
from ris.selectors.resource_lists import Now


class Tone(StrEnum):
    """The families of color in ris.css (``.tone-…``)."""

    NEUTRAL = "neutral"
    INFO = "info"
    BUSY = "busy"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Label:
    """``text`` is in English; ``words`` are in the language of the page."""

    text: str
    icon: str
    tone: Tone = Tone.NEUTRAL

    @property
    def words(self) -> str:
        return gettext(self.text) if self.text else ""

    @property
    def lazy(self) -> Promise:
        """The words for a list that is made before anybody's language is known."""
        return gettext_lazy(self.text)


ORDER: Mapping[OrderStatus, Label] = {
    OrderStatus.ACTIVE: Label("Active", "dot", Tone.INFO),
    OrderStatus.ON_HOLD: Label("On hold", "pause", Tone.WARN),
    OrderStatus.CANCELED: Label("Canceled", "cross"),
    OrderStatus.DISCONTINUED: Label("Discontinued", "stop"),
    OrderStatus.COMPLETED: Label("Completed", "check", Tone.OK),
    OrderStatus.ENTERED_IN_ERROR: Label("Entered in error", "ban", Tone.BAD),
}

STEP: Mapping[StepStatus, Label] = {
    StepStatus.PENDING: Label("To schedule", "clock", Tone.WARN),
    StepStatus.SCHEDULED: Label("Scheduled", "calendar", Tone.INFO),
    StepStatus.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    StepStatus.READY: Label("Ready", "door", Tone.BUSY),
    StepStatus.STARTED: Label("In progress", "play", Tone.BUSY),
    StepStatus.COMPLETED: Label("Completed", "check", Tone.OK),
    StepStatus.DISCONTINUED: Label("Discontinued", "stop", Tone.BAD),
    StepStatus.CANCELED: Label("Canceled", "cross"),
    StepStatus.NO_SHOW: Label("Did not come", "person-cross", Tone.WARN),
}

STAGE: Mapping[Stage, Label] = {
    Stage.REQUESTED: Label("Requested", "clock", Tone.WARN),
    Stage.SCHEDULED: Label("Scheduled", "calendar", Tone.INFO),
    Stage.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    Stage.IN_PROGRESS: Label("In progress", "play", Tone.BUSY),
    Stage.PERFORMED: Label("To be read", "eye", Tone.WARN),
    Stage.PRELIMINARY: Label("Preliminary report", "half", Tone.INFO),
    Stage.REPORTED: Label("Reported", "seal", Tone.OK),
    Stage.CANCELED: Label("Canceled", "cross"),
}

PERFORMED: Mapping[PerformedStatus, Label] = {
    PerformedStatus.IN_PROGRESS: Label("In progress", "play", Tone.BUSY),
    PerformedStatus.COMPLETED: Label("Completed", "check", Tone.OK),
    PerformedStatus.DISCONTINUED: Label("Discontinued", "stop", Tone.BAD),
}

MATCH: Mapping[Match, Label] = {
    Match.MATCHED: Label("Matched", "link", Tone.OK),
    Match.UNMATCHED: Label("Names no known step", "question", Tone.BAD),
    Match.UNSCHEDULED: Label("Done without an order", "question", Tone.WARN),
    Match.MISMATCH: Label("Step of another patient", "alert", Tone.BAD),
    Match.QUARANTINED: Label("Wrong worklist entry", "alert", Tone.BAD),
    Match.EVIDENCE: Label("Made from images", "pencil"),
}

FOLLOW_UP: Mapping[FollowUpKind, Label] = {
    FollowUpKind.REBOOK: Label("To be planned again", "calendar", Tone.WARN),
    FollowUpKind.CANCEL: Label("Order to cancel or replace", "cross", Tone.WARN),
    FollowUpKind.NOTE: Label("Clinical note needed", "pencil", Tone.WARN),
    FollowUpKind.REOPENED: Label("Done though canceled", "alert", Tone.BAD),
    FollowUpKind.DIFFERS: Label("Another procedure than ordered", "swap", Tone.WARN),
    FollowUpKind.CLOSED: Label("End never told", "clock", Tone.BAD),
    FollowUpKind.SAFETY: Label("Begun though not cleared", "shield", Tone.BAD),
}

FOLLOW_UP_ACTION: Mapping[FollowUpAction, Label] = {
    FollowUpAction.PLAN_AGAIN: Label("Plan it again", "calendar"),
    FollowUpAction.CANCEL_ORDER: Label("End the order", "cross"),
    FollowUpAction.WAS_COMPLETED: Label("It was completed", "check"),
    FollowUpAction.DONE: Label("Nothing more to do", "check"),
}

CORRECTION: Mapping[CorrectionKind, Label] = {
    CorrectionKind.LINKED: Label("Tied to a step", "link", Tone.INFO),
    CorrectionKind.UNLINKED: Label("Untied from its step", "cross", Tone.WARN),
    CorrectionKind.MATCHED_LATER: Label("Its order came later", "link", Tone.OK),
    CorrectionKind.MOVED: Label("Given to another patient", "person", Tone.WARN),
    CorrectionKind.ORDERED: Label("Order made from it", "plus", Tone.INFO),
    CorrectionKind.REVISED: Label("How it ended set right", "pencil", Tone.WARN),
    CorrectionKind.QUARANTINED: Label("Taken from its step", "alert", Tone.BAD),
}

DOSE_MATCH: Mapping[DoseMatch, Label] = {
    DoseMatch.MATCHED: Label("Tied to its exam", "link", Tone.OK),
    DoseMatch.WAITING: Label("Fits no exam yet", "question", Tone.WARN),
    DoseMatch.MISMATCH: Label("Exam of another patient", "alert", Tone.BAD),
    DoseMatch.SET_ASIDE: Label("Set aside", "ban"),
}

DOSE_SOURCE: Mapping[DoseSource, Label] = {
    DoseSource.RDSR: Label("Dose report", "device"),
    DoseSource.MPPS: Label("MPPS", "device"),
    DoseSource.MANUAL: Label("Entered by hand", "pencil"),
}

DOSE_KIND: Mapping[DoseKind, Label] = {
    DoseKind.CT: Label("CT", "bolt"),
    DoseKind.PROJECTION: Label("Projection X-ray", "bolt"),
    DoseKind.MAMMOGRAPHY: Label("Mammography", "bolt"),
    DoseKind.NUCLEAR: Label("Radiopharmaceutical", "bolt"),
    DoseKind.PATIENT: Label("Patient dose", "bolt"),
}

IMAGES: Mapping[ImagesState, Label] = {
    ImagesState.UNKNOWN: Label("Not told", "question"),
    ImagesState.AVAILABLE: Label("Images there", "check", Tone.OK),
    ImagesState.PARTIAL: Label("Some images there", "half", Tone.WARN),
    ImagesState.UNAVAILABLE: Label("No images there", "ban", Tone.WARN),
}

ORIGIN: Mapping[Origin, Label] = {
    Origin.MPPS: Label("Told by the device (MPPS)", "device"),
    Origin.MANUAL: Label("Entered by hand", "pencil"),
}

APPOINTMENT: Mapping[AppointmentStatus, Label] = {
    AppointmentStatus.PROPOSED: Label("Asked for", "calendar"),
    AppointmentStatus.HELD: Label("Held", "clock", Tone.WARN),
    AppointmentStatus.BOOKED: Label("Booked", "calendar", Tone.INFO),
    AppointmentStatus.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    AppointmentStatus.FULFILLED: Label("Took place", "check", Tone.OK),
    AppointmentStatus.EXPIRED: Label("Hold expired", "cross"),
    AppointmentStatus.CANCELED: Label("Canceled", "cross"),
    AppointmentStatus.NO_SHOW: Label("Did not come", "person-cross", Tone.WARN),
}

REPORT: Mapping[ReportStatus, Label] = {
    ReportStatus.DRAFT: Label("Draft", "pencil", Tone.WARN),
    ReportStatus.PRELIMINARY: Label("Preliminary", "half", Tone.INFO),
    ReportStatus.FINAL: Label("Final", "seal", Tone.OK),
    ReportStatus.AMENDED: Label("Amended", "seal", Tone.OK),
    ReportStatus.DISCARDED: Label("Discarded", "cross"),
    ReportStatus.RETRACTED: Label("Retracted", "undo", Tone.BAD),
}

# By their keys, as ris.domain.reporting.SECTIONS has them: what is printed and sent stays English.
SECTION: Mapping[str, Label] = {
    "indication": Label("Indication", "question"),
    "technique": Label("Technique", "device"),
    "comparison": Label("Comparison", "swap"),
    "findings": Label("Findings", "eye"),
    "impression": Label("Impression", "seal"),
    "recommendation": Label("Recommendation", "next"),
    "addendum": Label("Addendum", "plus"),
    "communication": Label("Communication", "message"),
}
VERSION: Mapping[VersionKind, Label] = {
    VersionKind.PRELIMINARY: Label("Preliminary", "half", Tone.INFO),
    VersionKind.FINAL: Label("Final", "seal", Tone.OK),
    VersionKind.ADDENDUM: Label("Addendum", "plus", Tone.OK),
    VersionKind.CORRECTION: Label("Correction", "pencil", Tone.WARN),
    VersionKind.RETRACTION: Label("Retraction", "undo", Tone.BAD),
}

DOCUMENT: Mapping[DocumentStatus, Label] = {
    DocumentStatus.CURRENT: Label("Current", "check", Tone.OK),
    DocumentStatus.REPLACED: Label("Replaced", "swap", Tone.NEUTRAL),
    DocumentStatus.CANCELED: Label("Canceled by its sender", "ban", Tone.WARN),
}

MESSAGE: Mapping[MessageState, Label] = {
    MessageState.RECEIVED: Label("Being applied", "clock", Tone.BUSY),
    MessageState.APPLIED: Label("Applied", "check", Tone.OK),
    MessageState.REJECTED: Label("Rejected", "ban", Tone.BAD),
    MessageState.FAILED: Label("Failed here", "alert", Tone.BAD),
}

REPLY: Mapping[ReplyState, Label] = {
    ReplyState.NOT_DUE: Label("No answer due", "minus"),
    ReplyState.PENDING: Label("Answer not yet sent", "clock", Tone.WARN),
    ReplyState.SENT: Label("Answered", "check", Tone.OK),
    ReplyState.UNDELIVERED: Label("Answer did not get through", "alert", Tone.BAD),
}

DELIVERY: Mapping[DeliveryState, Label] = {
    DeliveryState.PENDING: Label("Waiting", "clock", Tone.WARN),
    DeliveryState.LEASED: Label("Being sent", "send", Tone.BUSY),
    DeliveryState.DELIVERED: Label("Delivered", "check", Tone.OK),
    DeliveryState.REFUSED: Label("Refused by the peer", "ban", Tone.BAD),
    DeliveryState.DEAD: Label("Given up", "alert", Tone.BAD),
    DeliveryState.SKIPPED: Label("Skipped", "skip"),
}

RESULT: Mapping[Result, Label] = {
    Result.DELIVERED: Label("Delivered", "check", Tone.OK),
    Result.TRANSIENT: Label("Not sent, tried again", "clock", Tone.WARN),
    Result.AMBIGUOUS: Label("Sent, no answer", "question", Tone.WARN),
    Result.REFUSED: Label("Refused by the peer", "ban", Tone.BAD),
}

ALERT: Mapping[AlertKind, Label] = {
    AlertKind.SILENT: Label("Silent", "clock", Tone.WARN),
    AlertKind.LAGGING: Label("Lags behind", "clock", Tone.WARN),
    AlertKind.UNREACHED: Label("Does not answer", "plug", Tone.BAD),
    AlertKind.PARKED: Label("Messages parked", "stop", Tone.BAD),
    AlertKind.REFUSED: Label("Many refused", "ban", Tone.BAD),
    AlertKind.WAITING: Label("Messages not applied", "inbox", Tone.WARN),
}

SUBSCRIPTION_STATUS: Mapping[SubscriptionStatus, Label] = {
    SubscriptionStatus.REQUESTED: Label("Requested", "clock", Tone.INFO),
    SubscriptionStatus.ACTIVE: Label("Active", "check", Tone.OK),
    SubscriptionStatus.ERROR: Label("Error", "alert", Tone.BAD),
    SubscriptionStatus.OFF: Label("Off", "minus"),
}

RUN: Mapping[RunState, Label] = {
    RunState.RUNNING: Label("Running", "play", Tone.BUSY),
    RunState.FINISHED: Label("Finished", "check", Tone.OK),
    RunState.STOPPED: Label("Stopped", "stop", Tone.WARN),
}

PRIORITY: Mapping[Priority, Label] = {
    Priority.STAT: Label("STAT", "bolt", Tone.BAD),
    Priority.ASAP: Label("ASAP", "up", Tone.WARN),
    Priority.URGENT: Label("Urgent", "up", Tone.WARN),
    Priority.ROUTINE: Label("Routine", "minus"),
}

SEX: Mapping[Sex, Label] = {
    Sex.MALE: Label("Male", "person"),
    Sex.FEMALE: Label("Female", "person"),
    Sex.OTHER: Label("Other", "person"),
    Sex.UNKNOWN: Label("Sex unknown", "question"),
}

PATIENT_CLASS: Mapping[PatientClass, Label] = {
    PatientClass.INPATIENT: Label("Inpatient", "person"),
    PatientClass.OUTPATIENT: Label("Outpatient", "person"),
    PatientClass.EMERGENCY: Label("Emergency", "bolt", Tone.WARN),
    PatientClass.PREADMIT: Label("Pre-admission", "person"),
    PatientClass.RECURRING: Label("Recurring", "person"),
    PatientClass.OBSTETRICS: Label("Obstetrics", "person"),
    PatientClass.UNKNOWN: Label("Class unknown", "question"),
}

VISIT: Mapping[VisitStatus, Label] = {
    VisitStatus.UNKNOWN: Label("Named by an order", "minus"),
    VisitStatus.PLANNED: Label("Pre-admitted", "clock", Tone.INFO),
    VisitStatus.IN_PROGRESS: Label("Here", "person-check", Tone.OK),
    VisitStatus.FINISHED: Label("Discharged", "check"),
    VisitStatus.CANCELED: Label("Canceled", "cross", Tone.WARN),
}

REVIEW: Mapping[ReviewState, Label] = {
    ReviewState.OPEN: Label("To decide", "question", Tone.WARN),
    ReviewState.ACCEPTED: Label("Taken over", "check", Tone.OK),
    ReviewState.REJECTED: Label("Left as it was", "cross"),
    ReviewState.OUTDATED: Label("Agrees by now", "check"),
}

PROTOCOL: Mapping[Protocol, Label] = {
    Protocol.HL7: Label("HL7 v2", "message"),
    Protocol.DICOM: Label("DICOM", "device"),
    Protocol.FHIR: Label("FHIR", "message"),
    Protocol.DICOMWEB: Label("DICOMweb", "device"),
    Protocol.MAIL: Label("Mail to patients", "send"),
    Protocol.SMS: Label("Text message to patients", "send"),
}

DIRECTION: Mapping[Direction, Label] = {
    Direction.IN: Label("Sends to us", "inbox"),
    Direction.OUT: Label("Is told by us", "send"),
}

SUBSCRIPTION: Mapping[Subscription, Label] = {
    Subscription.ORDER_STATUS: Label("Order status", "send"),
    Subscription.RESULTS: Label("Results", "send"),
    Subscription.APPOINTMENTS: Label("Appointments", "send"),
    Subscription.PROCEDURE_SCHEDULED: Label("Scheduled procedures", "send"),
    Subscription.PATIENT_UPDATES: Label("Patient updates", "send"),
    Subscription.CHARGES: Label("Charges", "send"),
    Subscription.IMAGES: Label("Images available", "send"),
    Subscription.MPPS: Label("Exams as MPPS", "send"),
    Subscription.MPPS_EVENTS: Label("MPPS events", "send"),
    Subscription.DOCUMENTS: Label("Reports as documents", "send"),
    Subscription.REPORT_OBJECTS: Label("Reports into the archive", "send"),
    Subscription.REPORT_NOTICES: Label("Notices to referring doctors", "send"),
}

# The name a template calls each table by.
SAFETY: Mapping[Verdict, Label] = {
    Verdict.NONE: Label("Nothing to ask", "minus"),
    Verdict.OPEN: Label("Safety questions open", "question", Tone.WARN),
    Verdict.SAFE: Label("Cleared", "check", Tone.OK),
    Verdict.UNSAFE: Label("Unsafe answer", "alert", Tone.BAD),
    Verdict.OVERRIDDEN: Label("Cleared with a reason", "shield", Tone.INFO),
}
FINDING: Mapping[Finding, Label] = {
    Finding.OPEN: Label("Not answered", "question", Tone.WARN),
    Finding.SAFE: Label("Safe", "check", Tone.OK),
    Finding.UNSAFE: Label("Unsafe", "alert", Tone.BAD),
    Finding.OVERRIDDEN: Label("Overridden", "shield", Tone.INFO),
}
ANSWER_SOURCE: Mapping[AnswerSource, Label] = {
    AnswerSource.PERSON: Label("asked", "person"),
    AnswerSource.HL7: Label("result by HL7", "inbox"),
    AnswerSource.FHIR: Label("result by FHIR", "inbox"),
    AnswerSource.RECORD: Label("patient's record", "users"),
    AnswerSource.EARLIER: Label("answered before", "undo"),
    AnswerSource.PATIENT: Label("said by the patient", "person"),
}
ANSWER_KIND: Mapping[AnswerKind, Label] = {
    AnswerKind.YES_NO: Label("Yes or no", "check"),
    AnswerKind.NUMBER: Label("Number", "dot"),
    AnswerKind.CHOICE: Label("Choice", "list"),
    AnswerKind.DATE: Label("Date", "calendar"),
    AnswerKind.TEXT: Label("Text", "pencil"),
}
GATE: Mapping[Gate, Label] = {
    Gate.BOOKING: Label("before booking", "calendar"),
    Gate.START: Label("before the start", "play"),
}
TOLD: Mapping[Told, Label] = {
    Told.NOTHING: Label("not on the worklist", "minus"),
    Told.PREGNANCY: Label("Pregnancy Status (0010,21C0)", "device"),
    Told.ALERT: Label("Medical Alerts (0010,2000)", "device"),
    Told.ALLERGY: Label("Allergies (0010,2110)", "device"),
    Told.NEED: Label("Special Needs (0038,0050)", "device"),
    Told.STATE: Label("Patient State (0038,0500)", "device"),
    Told.WEIGHT: Label("Patient's Weight (0010,1030)", "device"),
    Told.HEIGHT: Label("Patient's Size (0010,1020)", "device"),
}
PROTOCOLING: Mapping[ProtocolState, Label] = {
    ProtocolState.WAITING: Label("Waits for protocol", "clock", Tone.WARN),
    ProtocolState.CLAIMED: Label("Being protocoled", "person", Tone.BUSY),
    ProtocolState.ASKED: Label("Requester asked", "question", Tone.WARN),
    ProtocolState.SET: Label("Protocol set", "check", Tone.OK),
    ProtocolState.REJECTED: Label("Rejected", "ban", Tone.BAD),
    ProtocolState.NOT_NEEDED: Label("No protocol needed", "minus", Tone.OK),
}
PROTOCOL_NEED: Mapping[ProtocolNeed, Label] = {
    ProtocolNeed.NONE: Label("no", "minus"),
    ProtocolNeed.BOOKING: Label("before booking", "calendar"),
    ProtocolNeed.START: Label("before the start", "play"),
}
REJECT_REASON: Mapping[RejectReason, Label] = {
    RejectReason.NOT_INDICATED: Label("Not indicated", "ban"),
    RejectReason.ALTERNATIVE: Label("Another exam is better", "swap"),
    RejectReason.DONE_ALREADY: Label("Was done already", "check"),
    RejectReason.CONTRAINDICATED: Label("Too dangerous for this patient", "alert"),
    RejectReason.OTHER: Label("Another reason", "dot"),
}
AUTHORIZATION: Mapping[AuthorizationState, Label] = {
    AuthorizationState.NOT_NEEDED: Label("No authorization needed", "minus"),
    AuthorizationState.REQUIRED: Label("Authorization required", "alert", Tone.WARN),
    AuthorizationState.REQUESTED: Label("Authorization requested", "send", Tone.INFO),
    AuthorizationState.APPROVED: Label("Authorized", "check", Tone.OK),
    AuthorizationState.DENIED: Label("Authorization denied", "ban", Tone.BAD),
    AuthorizationState.EXPIRED: Label("Authorization expired", "clock", Tone.BAD),
}

CRITICAL: Mapping[CriticalState, Label] = {
    CriticalState.OPEN: Label("Nobody told yet", "alert", Tone.BAD),
    CriticalState.TOLD: Label("Told, not acknowledged", "half", Tone.WARN),
    CriticalState.ACKNOWLEDGED: Label("Acknowledged", "check", Tone.OK),
    CriticalState.WITHDRAWN: Label("Withdrawn", "undo"),
}
HOW_TOLD: Mapping[HowTold, Label] = {
    HowTold.PHONE: Label("phone", "message"),
    HowTold.IN_PERSON: Label("in person", "person"),
    HowTold.MESSAGE: Label("message", "send"),
}
RECOMMENDATION: Mapping[FollowUpState, Label] = {
    FollowUpState.OPEN: Label("Not ordered", "clock", Tone.WARN),
    FollowUpState.ORDERED: Label("Ordered", "list", Tone.INFO),
    FollowUpState.BOOKED: Label("Booked", "calendar", Tone.INFO),
    FollowUpState.DONE: Label("Done", "check", Tone.OK),
    FollowUpState.OVERDUE: Label("Overdue", "alert", Tone.BAD),
    FollowUpState.DECLINED: Label("Declined", "cross"),
}
ARRANGER: Mapping[Arranger, Label] = {
    Arranger.REFERRER: Label("who asked for the exam", "person"),
    Arranger.DEPARTMENT: Label("this department", "home"),
    Arranger.PATIENT: Label("the patient", "users"),
}
REMINDER: Mapping[Reminder, Label] = {
    Reminder.PHONE: Label("by phone", "message"),
    Reminder.LETTER: Label("by letter", "inbox"),
    Reminder.MAIL: Label("by mail", "send"),
}
PEER_REVIEW: Mapping[PeerReviewState, Label] = {
    PeerReviewState.OPEN: Label("To be reviewed", "clock", Tone.WARN),
    PeerReviewState.TAKEN: Label("Being reviewed", "eye", Tone.BUSY),
    PeerReviewState.DONE: Label("Reviewed", "check", Tone.OK),
    PeerReviewState.DROPPED: Label("Left out", "cross"),
}
REVIEW_ORIGIN: Mapping[ReviewOrigin, Label] = {
    ReviewOrigin.SAMPLED: Label("picked at random", "dot"),
    ReviewOrigin.CHANCE: Label("found by chance", "eye"),
    ReviewOrigin.TRAINING: Label("preliminary against final", "half"),
}
SCORE: Mapping[Score, Label] = {
    Score.CONCUR: Label("1: I agree", "check", Tone.OK),
    Score.UNDERSTANDABLE: Label("2a: understandable miss, matters little", "half"),
    Score.UNDERSTANDABLE_MATTERS: Label("2b: understandable miss, matters", "half", Tone.WARN),
    Score.SHOULD: Label("3a: should be seen mostly, matters little", "half", Tone.WARN),
    Score.SHOULD_MATTERS: Label("3b: should be seen mostly, matters", "alert", Tone.BAD),
    Score.ALWAYS: Label("4a: should be seen always, matters little", "alert", Tone.WARN),
    Score.ALWAYS_MATTERS: Label("4b: should be seen always, matters", "alert", Tone.BAD),
}
GRADE: Mapping[Grade, Label] = {
    Grade.NONE: Label("No difference", "check", Tone.OK),
    Grade.MINOR: Label("Minor difference", "half", Tone.WARN),
    Grade.MAJOR: Label("Major difference", "alert", Tone.BAD),
}

RESOURCE: Mapping[Now, Label] = {
    Now.OPEN: Label("Open", "check", Tone.OK),
    Now.HERE: Label("Available", "check", Tone.OK),
    Now.SHUT: Label("Not open now", "moon"),
    Now.CLOSED: Label("Closed", "minus", Tone.WARN),
    Now.HOLIDAY: Label("Holiday", "calendar", Tone.WARN),
    Now.DOWN: Label("Down", "ban", Tone.BAD),
    Now.RETIRED: Label("Out of use", "cross"),
}

RESOURCE_KIND: Mapping[ResourceKind, Label] = {
    ResourceKind.ROOM: Label("Room", "door"),
    ResourceKind.DEVICE: Label("Device", "device"),
    ResourceKind.STAFF: Label("Staff", "person"),
}

CLOSURE: Mapping[ClosureKind, Label] = {
    ClosureKind.CLOSURE: Label("Closed", "minus", Tone.WARN),
    ClosureKind.DOWNTIME: Label("Down", "ban", Tone.BAD),
}

PROGRESS: Mapping[Progress, Label] = {
    Progress.REQUESTED: Label("Requested", "clock"),
    Progress.ON_HOLD: Label("On hold", "pause", Tone.WARN),
    Progress.BOOKED: Label("Booked", "calendar", Tone.INFO),
    Progress.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    Progress.IN_PROGRESS: Label("Being done", "play", Tone.BUSY),
    Progress.DONE: Label("Done, waits to be read", "check", Tone.INFO),
    Progress.BEING_READ: Label("Being read", "book", Tone.BUSY),
    Progress.PRELIMINARY: Label("Preliminary result", "pencil", Tone.WARN),
    Progress.FINAL: Label("Final result", "seal", Tone.OK),
    Progress.CHANGED: Label("Final, changed since", "pencil", Tone.WARN),
    Progress.WITHDRAWN: Label("Result withdrawn", "ban", Tone.BAD),
    Progress.CANCELED: Label("Canceled", "cross"),
}

TABLES: Mapping[str, tuple[type[StrEnum], Mapping[str, Label]]] = {
    "progress": (Progress, {key.value: label for key, label in PROGRESS.items()}),
    "resource": (Now, {key.value: label for key, label in RESOURCE.items()}),
    "resource_kind": (ResourceKind, {key.value: label for key, label in RESOURCE_KIND.items()}),
    "closure": (ClosureKind, {key.value: label for key, label in CLOSURE.items()}),
    "safety": (Verdict, {key.value: label for key, label in SAFETY.items()}),
    "finding": (Finding, {key.value: label for key, label in FINDING.items()}),
    "answer_source": (AnswerSource, {key.value: label for key, label in ANSWER_SOURCE.items()}),
    "answer_kind": (AnswerKind, {key.value: label for key, label in ANSWER_KIND.items()}),
    "gate": (Gate, {key.value: label for key, label in GATE.items()}),
    "told": (Told, {key.value: label for key, label in TOLD.items()}),
    "protocoling": (ProtocolState, {key.value: label for key, label in PROTOCOLING.items()}),
    "protocol_need": (ProtocolNeed, {key.value: label for key, label in PROTOCOL_NEED.items()}),
    "reject_reason": (RejectReason, {key.value: label for key, label in REJECT_REASON.items()}),
    "authorization": (
        AuthorizationState,
        {key.value: label for key, label in AUTHORIZATION.items()},
    ),
    "critical": (CriticalState, {key.value: label for key, label in CRITICAL.items()}),
    "how_told": (HowTold, {key.value: label for key, label in HOW_TOLD.items()}),
    "recommendation": (FollowUpState, {key.value: each for key, each in RECOMMENDATION.items()}),
    "arranger": (Arranger, {key.value: label for key, label in ARRANGER.items()}),
    "reminder": (Reminder, {key.value: label for key, label in REMINDER.items()}),
    "peer_review": (PeerReviewState, {key.value: label for key, label in PEER_REVIEW.items()}),
    "review_origin": (ReviewOrigin, {key.value: label for key, label in REVIEW_ORIGIN.items()}),
    "score": (Score, {key.value: label for key, label in SCORE.items()}),
    "grade": (Grade, {key.value: label for key, label in GRADE.items()}),
    "visit": (VisitStatus, {key.value: label for key, label in VISIT.items()}),
    "review": (ReviewState, {key.value: label for key, label in REVIEW.items()}),
    "order": (OrderStatus, {key.value: label for key, label in ORDER.items()}),
    "step": (StepStatus, {key.value: label for key, label in STEP.items()}),
    "stage": (Stage, {key.value: label for key, label in STAGE.items()}),
    "performed": (PerformedStatus, {key.value: label for key, label in PERFORMED.items()}),
    "match": (Match, {key.value: label for key, label in MATCH.items()}),
    "follow_up": (FollowUpKind, {key.value: label for key, label in FOLLOW_UP.items()}),
    "follow_up_action": (
        FollowUpAction,
        {key.value: label for key, label in FOLLOW_UP_ACTION.items()},
    ),
    "correction": (CorrectionKind, {key.value: label for key, label in CORRECTION.items()}),
    "dose_match": (DoseMatch, {key.value: label for key, label in DOSE_MATCH.items()}),
    "dose_source": (DoseSource, {key.value: label for key, label in DOSE_SOURCE.items()}),
    "dose_kind": (DoseKind, {key.value: label for key, label in DOSE_KIND.items()}),
    "images": (ImagesState, {key.value: label for key, label in IMAGES.items()}),
    "origin": (Origin, {key.value: label for key, label in ORIGIN.items()}),
    "appointment": (AppointmentStatus, {key.value: label for key, label in APPOINTMENT.items()}),
    "report": (ReportStatus, {key.value: label for key, label in REPORT.items()}),
    "version": (VersionKind, {key.value: label for key, label in VERSION.items()}),
    "document": (DocumentStatus, {key.value: label for key, label in DOCUMENT.items()}),
    "message": (MessageState, {key.value: label for key, label in MESSAGE.items()}),
    "reply": (ReplyState, {key.value: label for key, label in REPLY.items()}),
    "delivery": (DeliveryState, {key.value: label for key, label in DELIVERY.items()}),
    "result": (Result, {key.value: label for key, label in RESULT.items()}),
    "alert": (AlertKind, {key.value: label for key, label in ALERT.items()}),
    "subscription_status": (
        SubscriptionStatus,
        {key.value: label for key, label in SUBSCRIPTION_STATUS.items()},
    ),
    "run": (RunState, {key.value: label for key, label in RUN.items()}),
    "priority": (Priority, {key.value: label for key, label in PRIORITY.items()}),
    "sex": (Sex, {key.value: label for key, label in SEX.items()}),
    "patient_class": (PatientClass, {key.value: label for key, label in PATIENT_CLASS.items()}),
    "protocol": (Protocol, {key.value: label for key, label in PROTOCOL.items()}),
    "direction": (Direction, {key.value: label for key, label in DIRECTION.items()}),
    "subscription": (Subscription, {key.value: label for key, label in SUBSCRIPTION.items()}),
}

# What told a patient from others at the front desk (ris.domain.arrivals.IdentifierKind).
IDENTIFIER: Mapping[str, str] = {
    "NAME": "name",
    "BIRTH_DATE": "birth date",
    "NUMBER": "number scanned",
}

LATERALITY: Mapping[str, str] = {"": "", "L": "left", "R": "right", "B": "both sides", "U": ""}


def label(table: str, value: str) -> Label:
    """The label of a stored value; a value from outside the table is shown as it is."""
    _, labels = TABLES[table]
    return labels.get(str(value)) or Label(str(value), "question")
