"""Labels of reports and of what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.critical import CriticalState, HowTold
from ris.domain.documents import DocumentStatus
from ris.domain.follow_ups import Arranger, FollowUpState, Reminder
from ris.domain.peer_review import Grade, PeerReviewState, ReviewOrigin, Score
from ris.domain.reporting import ReportStatus, VersionKind
from ris.web.labels._label import Label, Tables, Tone

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

TABLES: Tables = {
    "report": (ReportStatus, REPORT),
    "version": (VersionKind, VERSION),
    "document": (DocumentStatus, DOCUMENT),
    "critical": (CriticalState, CRITICAL),
    "how_told": (HowTold, HOW_TOLD),
    "recommendation": (FollowUpState, RECOMMENDATION),
    "arranger": (Arranger, ARRANGER),
    "reminder": (Reminder, REMINDER),
    "peer_review": (PeerReviewState, PEER_REVIEW),
    "review_origin": (ReviewOrigin, REVIEW_ORIGIN),
    "score": (Score, SCORE),
    "grade": (Grade, GRADE),
}
