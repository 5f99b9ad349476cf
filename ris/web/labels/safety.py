"""Labels of the questions asked before an exam."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.safety import AnswerKind, AnswerSource, Finding, Gate, Told, Verdict
from ris.web.labels._label import Label, Tables, Tone

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

TABLES: Tables = {
    "safety": (Verdict, SAFETY),
    "finding": (Finding, FINDING),
    "answer_source": (AnswerSource, ANSWER_SOURCE),
    "answer_kind": (AnswerKind, ANSWER_KIND),
    "gate": (Gate, GATE),
    "told": (Told, TOLD),
}
