"""Labels of exams as they were done, of their dose and their images."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.availability import ImagesState
from ris.domain.corrections import CorrectionKind
from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.dose import DoseKind, DoseMatch, DoseSource
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.web.labels._label import Label, Tables, Tone

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

ORIGIN: Mapping[Origin, Label] = {
    Origin.MPPS: Label("Told by the device (MPPS)", "device"),
    Origin.MANUAL: Label("Entered by hand", "pencil"),
}

FOLLOW_UP: Mapping[FollowUpKind, Label] = {
    FollowUpKind.REBOOK: Label("To be planned again", "calendar", Tone.WARN),
    FollowUpKind.CANCEL: Label("Order to cancel or replace", "cross", Tone.WARN),
    FollowUpKind.NOTE: Label("Clinical note needed", "pencil", Tone.WARN),
    FollowUpKind.REOPENED: Label("Done though canceled", "alert", Tone.BAD),
    FollowUpKind.DIFFERS: Label("Another procedure than ordered", "swap", Tone.WARN),
    FollowUpKind.CLOSED: Label("End never told", "clock", Tone.BAD),
    FollowUpKind.SAFETY: Label("Begun though not cleared", "shield", Tone.BAD),
    FollowUpKind.ASKED: Label("Cancellation asked for after the begin", "cross", Tone.BAD),
    FollowUpKind.BY_HAND: Label("Begun by hand, ended by the device", "pencil", Tone.WARN),
}

FOLLOW_UP_ACTION: Mapping[FollowUpAction, Label] = {
    FollowUpAction.PLAN_AGAIN: Label("Plan it again", "calendar"),
    FollowUpAction.CANCEL_ORDER: Label("End the order", "cross"),
    FollowUpAction.WAS_COMPLETED: Label("It was completed", "check"),
    FollowUpAction.ENDED_TOO: Label("End it as the device did", "stop"),
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

TABLES: Tables = {
    "performed": (PerformedStatus, PERFORMED),
    "match": (Match, MATCH),
    "origin": (Origin, ORIGIN),
    "follow_up": (FollowUpKind, FOLLOW_UP),
    "follow_up_action": (FollowUpAction, FOLLOW_UP_ACTION),
    "correction": (CorrectionKind, CORRECTION),
    "dose_match": (DoseMatch, DOSE_MATCH),
    "dose_source": (DoseSource, DOSE_SOURCE),
    "dose_kind": (DoseKind, DOSE_KIND),
    "images": (ImagesState, IMAGES),
}
