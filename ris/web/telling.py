"""The timeline in words: what each kind of entry says, with icon and tone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ris.selectors.timeline import Entry, EntryKind
from ris.web import labels
from ris.web.labels import Label, Tone
from ris.web.templatetags.ris_web import isolated
from ris.web.wall_clock import hour

# Every event of the domain (tests/web/test_labels.py asserts that none is missing).
EVENT: Mapping[str, Label] = {
    "PatientRegistered": Label("Patient registered", "person"),
    "PatientUpdated": Label("Patient data changed", "person"),
    "PatientsMerged": Label("Patient records merged", "link", Tone.WARN),
    "PatientsUnmerged": Label("Merge of patient records undone", "undo", Tone.WARN),
    "PatientRemoved": Label("Person deleted by the hospital", "ban", Tone.WARN),
    "PatientsLinked": Label("Records linked as one person's", "link"),
    "PatientsUnlinked": Label("Link of records taken back", "undo"),
    "IdentifiersChanged": Label("Patient identifiers changed", "pencil", Tone.WARN),
    "IdentifiersMoved": Label("Identifiers given to another record", "swap", Tone.WARN),
    "DemographicsQuestioned": Label("Sent otherwise than known", "question", Tone.WARN),
    "ReviewDecided": Label("Difference decided", "check"),
    "VisitUpdated": Label("Visit changed", "person", Tone.INFO),
    "VisitsMerged": Label("Visits joined or renumbered", "link"),
    "VisitsMoved": Label("Visits given to another record", "swap", Tone.WARN),
    "AccountChanged": Label("Account of visits changed", "pencil"),
    "VisitSettled": Label("Open orders of a visit looked at", "check"),
    "OrderPlaced": Label("Order placed", "plus", Tone.INFO),
    "OrderRevised": Label("Order changed", "pencil", Tone.INFO),
    "OrderHeld": Label("Order put on hold", "pause", Tone.WARN),
    "OrderReleased": Label("Hold ended", "play", Tone.INFO),
    "CancellationRefused": Label("Cancellation asked for, refused: begun", "cross", Tone.BAD),
    "OrderCanceled": Label("Order canceled", "cross", Tone.BAD),
    "OrderDiscontinued": Label("Order discontinued", "stop", Tone.BAD),
    "OrderReplaced": Label("Stands for another order", "undo", Tone.WARN),
    "PlacerNumberAssigned": Label("The placer gave its number", "link", Tone.INFO),
    "OrderVoided": Label("Order marked as entered in error", "ban", Tone.BAD),
    "OrderCompleted": Label("Order completed", "check", Tone.OK),
    "OrderReopened": Label("Order opened again", "undo", Tone.WARN),
    "ProcedureAdded": Label("Procedure added", "plus", Tone.INFO),
    "OrderSplit": Label("Exams moved to an order of their own", "swap", Tone.INFO),
    "InformationAsked": Label("Information asked for", "question", Tone.WARN),
    "InformationGiven": Label("Question answered", "check", Tone.OK),
    "ReportTemplateChanged": Label("Report template changed", "pencil"),
    "ReportMacroChanged": Label("Macro of the site changed", "pencil"),
    "ReferrerAccessGranted": Label("A referring doctor sees more orders", "users"),
    "ReferrerAccessRevoked": Label("A referring doctor sees fewer orders", "users", Tone.WARN),
    "ResultAcknowledged": Label("Result acknowledged by the ordering side", "check", Tone.OK),
    "ResultNoticesSet": Label("Mail about results chosen", "send"),
    "ResultNoticeDropped": Label("The doctor could not be told by mail", "alert", Tone.WARN),
    "ViewShared": Label("Saved view of a role changed", "list"),
    "StepCanceled": Label("Step canceled", "cross", Tone.WARN),
    "StepRepeated": Label("Step planned again", "undo", Tone.INFO),
    "StepInformationCompleted": Label("Missing information added", "pencil", Tone.INFO),
    "AppointmentProposed": Label("Appointment asked for", "calendar", Tone.INFO),
    "AppointmentAnswered": Label("Answer to the appointment", "person"),
    "SlotHeld": Label("Time held for a few minutes", "clock"),
    "HoldExpired": Label("Held time let go", "clock"),
    "WaitingStarted": Label("Put on the waiting list", "clock", Tone.INFO),
    "WaitingStopped": Label("Taken off the waiting list", "clock"),
    "SlotOffered": Label("A freed time was offered", "calendar", Tone.INFO),
    "OfferAccepted": Label("The offered time was taken", "check", Tone.OK),
    "OfferDeclined": Label("The offered time was not taken", "cross"),
    "OfferExpired": Label("The offer ran out", "clock"),
    "ExamsBookedTogether": Label("Exams booked together", "calendar", Tone.INFO),
    "SeriesPlanned": Label("Series of visits booked", "calendar", Tone.INFO),
    "ProceduresSequenced": Label("Order of procedures changed", "list"),
    "AppointmentBooked": Label("Booked", "calendar", Tone.INFO),
    "AppointmentMoved": Label("Moved", "swap", Tone.INFO),
    "AppointmentModified": Label("Appointment changed", "pencil", Tone.INFO),
    "AppointmentCanceled": Label("Appointment canceled", "cross", Tone.WARN),
    "PatientArrived": Label("Patient arrived", "person-check", Tone.BUSY),
    "ArrivalUndone": Label("Arrival taken back", "undo", Tone.WARN),
    "NoShowUndone": Label("No-show taken back", "undo", Tone.WARN),
    "IdentityChecked": Label("Identity checked", "shield", Tone.OK),
    "PatientCalled": Label("Patient called", "door", Tone.INFO),
    "SuppliesRecorded": Label("Contrast and supplies recorded", "list"),
    "ReactionRecorded": Label("Reaction of the patient", "alert", Tone.BAD),
    "ExamChanged": Label("Exam changed in the room", "pencil", Tone.WARN),
    "SupplyDefined": Label("Supply defined", "book"),
    "DefaultSuppliesSet": Label("Usual supplies of a procedure set", "book"),
    "DeskConfigured": Label("Front desk set up", "home"),
    "WallLinkIssued": Label("Link for a screen issued", "key"),
    "WallLinkRevoked": Label("Link of a screen taken back", "ban", Tone.WARN),
    "StepPrepared": Label("Patient is ready in the room", "door", Tone.BUSY),
    "NoShowRecorded": Label("Patient did not come", "person-cross", Tone.WARN),
    "HoursSet": Label("Opening hours changed", "clock"),
    "ClosureAdded": Label("Room closed", "ban"),
    "ClosureRemoved": Label("Room open again", "door"),
    "DowntimeBegun": Label("Down", "ban", Tone.BAD),
    "DowntimeEnded": Label("Works again", "check", Tone.OK),
    "BlockReserved": Label("Time reserved", "calendar"),
    "BlockReleased": Label("Reserved time released", "undo"),
    "BlockRemoved": Label("Reserved time taken out", "cross"),
    "BookableChanged": Label("Resource changed", "pencil"),
    "StaffRegistered": Label("Staff registered", "person"),
    "ResourceRetired": Label("Resource out of use", "minus", Tone.WARN),
    "ResourceRestored": Label("Resource in use again", "check"),
    "GroupSaved": Label("Group of resources changed", "list"),
    "GroupRemoved": Label("Group of resources removed", "cross"),
    "HolidaySet": Label("Holiday named", "calendar"),
    "HolidayRemoved": Label("Holiday removed", "cross"),
    "PerformedStepStarted": Label("Exam begun", "play", Tone.BUSY),
    "PerformedStepUpdated": Label("Exam going on", "play", Tone.BUSY),
    "PerformedStepCompleted": Label("Exam completed", "check", Tone.OK),
    "PerformedStepDiscontinued": Label("Exam discontinued", "stop", Tone.BAD),
    "PerformedStepRelinked": Label("Exam tied to another step", "link", Tone.WARN),
    "PerformedStepMoved": Label("Exam given to another patient", "person", Tone.WARN),
    "PerformedStepOrdered": Label("Order made from the exam", "plus", Tone.INFO),
    "PerformedStepRevised": Label("How the exam ended set right", "pencil", Tone.WARN),
    "CorrectionUndone": Label("Correction of the exam taken back", "undo", Tone.WARN),
    "FollowUpRaised": Label("Follow-up asked for", "alert", Tone.WARN),
    "FollowUpSettled": Label("Follow-up settled", "check", Tone.OK),
    "DoseRecorded": Label("Dose recorded", "bolt"),
    "DoseLinked": Label("Dose tied to an exam", "link", Tone.WARN),
    "DoseSetAside": Label("Dose set aside", "ban"),
    "DoseWithdrawn": Label("Dose taken back", "undo", Tone.WARN),
    "DoseAcknowledged": Label("Dose alert looked at", "check", Tone.INFO),
    "DoseInPregnancy": Label("Radiation and pregnancy", "alert", Tone.BAD),
    "DoseLevelExceeded": Label("Dose above the reference level", "alert", Tone.WARN),
    "ReferenceLevelSet": Label("Dose reference level set", "bolt"),
    "ReferenceLevelRemoved": Label("Dose reference level removed", "bolt"),
    "ImagesAvailable": Label("Images available", "eye", Tone.OK),
    "ImagesPartlyAvailable": Label("Images partly available", "half", Tone.WARN),
    "ImagesUnavailable": Label("Images not available", "ban", Tone.WARN),
    "ReportOpened": Label("Report begun", "pencil", Tone.INFO),
    "DraftDiscarded": Label("Draft thrown away", "cross", Tone.WARN),
    "ReadingClaimed": Label("Reading taken up", "pencil", Tone.INFO),
    "ReadingReleased": Label("Reading left", "minus"),
    "ReadingTakenOver": Label("Reading taken over", "swap", Tone.WARN),
    "ReadingScopeSet": Label("What somebody reads changed", "list"),
    "ReadingTargetsSet": Label("Target times of reports changed", "clock"),
    "ReportSigned": Label("Report signed", "seal", Tone.OK),
    "PreliminarySigned": Label("Preliminary report signed", "half", Tone.INFO),
    "ReportFinalized": Label("Final report signed", "seal", Tone.OK),
    "ReportAmended": Label("Report amended", "seal", Tone.WARN),
    "AttendingChosen": Label("Attending radiologist chosen", "person", Tone.INFO),
    "ReportReturned": Label("Report given back to the resident", "undo", Tone.WARN),
    "BreastAssessed": Label("Breast exam assessed", "pencil", Tone.INFO),
    "BreastRecallRaised": Label("More is needed after the breast exam", "alert", Tone.WARN),
    "BreastRecallSettled": Label("Recall after the breast exam settled", "check"),
    "PathologyRecorded": Label("Pathology noted", "check", Tone.INFO),
    "PathologyWithdrawn": Label("Noted pathology taken back", "undo", Tone.WARN),
    "BreastLetterPlanned": Label("Letter to the patient planned", "clock"),
    "BreastLetterSent": Label("Letter to the patient sent", "send", Tone.OK),
    "BreastLetterStopped": Label("Letter to the patient stopped", "ban", Tone.WARN),
    "BreastExamSet": Label("Kind of breast exam set", "list"),
    "MammographyRulesSet": Label("Rules of breast exams set", "list"),
    "LetterChoiceSet": Label("Choice about letters noted", "person"),
    "LetterTextSet": Label("Words of letters changed", "pencil"),
    "ReportRetracted": Label("Report withdrawn", "undo", Tone.BAD),
    "DocumentFiled": Label("Document received", "inbox", Tone.INFO),
    "DocumentReplaced": Label("Document replaced by another", "swap"),
    "DocumentCanceled": Label("Document withdrawn by its sender", "ban", Tone.WARN),
    "CriticalResultCommunicated": Label("Critical result communicated", "alert", Tone.BAD),
    "CriticalResultAcknowledged": Label("Critical result acknowledged", "check", Tone.OK),
    "CriticalFindingFlagged": Label("Critical finding, to be told", "alert", Tone.BAD),
    "CriticalAttemptNoted": Label("Call about a critical finding noted", "message", Tone.WARN),
    "CriticalFindingAcknowledged": Label("Critical finding acknowledged", "check", Tone.OK),
    "CriticalTellingWaived": Label("To be signed before somebody is told", "shield", Tone.WARN),
    "CriticalFindingWithdrawn": Label("Critical finding withdrawn", "undo", Tone.WARN),
    "CriticalFindingEscalated": Label("Nobody acknowledged a critical finding", "alert", Tone.BAD),
    "CriticalCategoriesSet": Label("Categories of critical results changed", "pencil"),
    "FollowUpRecommended": Label("Follow-up exam recommended", "calendar", Tone.INFO),
    "FollowUpOrderProposed": Label("May be the recommended follow-up", "question", Tone.WARN),
    "FollowUpOrderLinked": Label("Recommended follow-up ordered", "link", Tone.INFO),
    "FollowUpOrderUnlinked": Label("Order is not the recommended follow-up", "undo"),
    "FollowUpMoved": Label("Recommended follow-up", "swap", Tone.INFO),
    "FollowUpDeclined": Label("Recommended follow-up declined", "cross", Tone.WARN),
    "FollowUpReopened": Label("Recommended follow-up to be done after all", "undo", Tone.WARN),
    "FollowUpReminded": Label("Reminded of the recommended follow-up", "send", Tone.INFO),
    "SafetyQuestionsAnswered": Label("Safety questions answered", "shield", Tone.INFO),
    "SafetyAnswersDeclared": Label("Patient answered safety questions", "shield", Tone.WARN),
    "SafetyOverridden": Label("Safety question overridden", "shield", Tone.WARN),
    "UnsafeStartNoted": Label("Begun though not cleared", "shield", Tone.BAD),
    "SafetyQuestionDefined": Label("Safety question defined", "shield"),
    "SafetyQuestionRetired": Label("Safety question no longer asked", "shield"),
    "ObservationsRecorded": Label("Results received", "inbox", Tone.INFO),
    "ProtocolDefined": Label("Protocol defined", "list"),
    "ProtocolRetired": Label("Protocol no longer offered", "list"),
    "ProtocolNeedChanged": Label("Need of a protocol changed", "list"),
    "ProtocolingClaimed": Label("Taken for protocoling", "person"),
    "ProtocolProposed": Label("Protocol proposed", "list"),
    "ProtocolingReleased": Label("Given back for protocoling", "undo"),
    "ProtocolSet": Label("Protocol set", "check", Tone.OK),
    "RequesterAsked": Label("Requester asked before protocoling", "question", Tone.WARN),
    "ProcedureRejected": Label("Exam rejected by the radiologist", "ban", Tone.BAD),
    "ProtocolWaived": Label("No protocol of its own needed", "check"),
    "ProtocolingReopened": Label("To be protocoled again", "undo", Tone.WARN),
    "AuthorizationRulesSet": Label("Rules of authorization set", "shield"),
    "CoverageRecorded": Label("Insurance recorded", "inbox"),
    "AuthorizationRequested": Label("Authorization requested", "send", Tone.INFO),
    "AuthorizationDecided": Label("Authorization decided", "seal", Tone.INFO),
    "AuthorizationExpired": Label("Authorization expired", "clock", Tone.WARN),
    "ProcedureDefined": Label("Catalog procedure defined", "book"),
    "ProcedureRetired": Label("Catalog procedure retired", "book"),
    "CodeMapped": Label("Code mapped", "link"),
    "SiteRegistered": Label("Site registered", "home"),
    "LetterheadChanged": Label("Letterhead changed", "pencil"),
    "RoomRegistered": Label("Room registered", "door"),
    "DeviceRegistered": Label("Device registered", "device"),
    "PractitionerRegistered": Label("Practitioner registered", "person"),
    "UserCreated": Label("Login created", "person"),
    "RolesSet": Label("Roles changed", "shield"),
    "UserDisabled": Label("Login locked", "ban"),
    "PreferencesSet": Label("Own preferences changed", "person"),
    "TokenIssued": Label("API token issued", "shield"),
    "TokenRevoked": Label("API token revoked", "shield"),
    "ClientAdded": Label("API client registered", "key"),
    "ClientDisabled": Label("API client locked", "ban"),
    "ClientEnabled": Label("API client let in again", "key"),
    "ClientKeysReplaced": Label("Keys of an API client replaced", "key"),
    "ResourceChanged": Label("FHIR resource changed", "pencil"),
    "ResourceDeleted": Label("FHIR resource deleted", "cross"),
    "ResourceKept": Label("FHIR resource kept", "inbox"),
    "EndpointConfigured": Label("Interface configured", "plug"),
    "MappingSaved": Label("Mapping changed", "plug"),
    "SubscriptionCreated": Label("FHIR subscription made", "send"),
    "SubscriptionRevised": Label("FHIR subscription changed", "pencil"),
    "SubscriptionMoved": Label("FHIR subscription changed its state", "swap"),
    "SubscriptionRemoved": Label("FHIR subscription removed", "cross"),
    "EndpointPaused": Label("Interface paused or resumed", "pause"),
    "MessageReplayed": Label("Message applied again", "undo", Tone.WARN),
    "DeliveryRequeued": Label("Message sent again", "send", Tone.INFO),
    "DeliveryResent": Label("Message sent once more as new", "send", Tone.INFO),
    "DeliverySkipped": Label("Message skipped", "skip", Tone.WARN),
    "MessageEdited": Label("Message edited and applied as new", "pencil", Tone.WARN),
    "DeliveryEdited": Label("Message edited and sent as new", "pencil", Tone.WARN),
    "RunStarted": Label("Run over many messages started", "play", Tone.INFO),
    "RunEnded": Label("Run over many messages stopped", "stop", Tone.WARN),
    "AlertRaised": Label("Interface alert", "alert", Tone.WARN),
    "AlertEnded": Label("Interface alert over", "check", Tone.OK),
    "AlertAcknowledged": Label("Interface alert acknowledged", "eye"),
    "ConfigurationApplied": Label("Site configuration applied", "plug"),
    "PatientLinkMade": Label("Page for the patient made", "link"),
    "PatientLinkOpened": Label("Patient opened the page of the appointment", "eye"),
    "PatientLinkClosed": Label("Patient's page closed: wrong birth dates", "ban", Tone.WARN),
    "PatientLinkRevoked": Label("Patient's page ended", "ban"),
    "PatientPolicySet": Label("What patients may do was changed", "pencil"),
    "PatientMessageDropped": Label("Message to the patient not sent", "skip", Tone.WARN),
    "MessageRuleSet": Label("Rule for messages to patients changed", "pencil"),
    "MessageTextSet": Label("Words of a message to patients changed", "pencil"),
    "ContactChoiceSet": Label("Patient's choice of messages noted", "person"),
    "ExceptionResolved": Label("Exception marked as dealt with", "check"),
}

ACTOR: Mapping[str, str] = {
    "user": "",
    "endpoint": "interface",
    "device": "device",
    "client": "API client",
    "timer": "automatically",
    "operator": "command line",
    "patient": "at the page of the appointment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry ready for the page; ``expands`` is where its raw text can be had."""

    at: datetime
    words: str
    detail: str
    by: str
    icon: str
    tone: Tone
    link: str = ""
    expands: str = ""
    states: tuple[tuple[str, str], ...] = ()


def tell(entry: Entry) -> Told:
    return _TELLERS[entry.kind](entry)


def _by(entry: Entry) -> str:
    kind = ACTOR.get(entry.actor_kind, entry.actor_kind)
    if entry.actor_kind in {"timer", "operator"}:
        return kind
    if entry.actor_kind == "patient":
        return f"the patient, {kind}"
    return f"{entry.actor} ({kind})" if kind else entry.actor


def _event(entry: Entry) -> Told:
    label = EVENT.get(entry.name) or Label(entry.name, "dot")
    return Told(
        at=entry.at,
        words=label.words,
        detail=event_detail(entry.name, entry.detail),
        by=_by(entry),
        icon=label.icon,
        tone=label.tone,
    )


def event_detail(name: str, payload: Mapping[str, Any]) -> str:
    """What an event's payload adds for a reader."""
    parts = []
    if payload.get("start_at"):
        parts.append(_moment(payload["start_at"]))
        if payload.get("station"):
            parts.append(f"on {payload['station']}")
    if payload.get("previous_start_at"):
        before = f"before: {_moment(payload['previous_start_at'])}"
        if payload.get("previous_station"):
            before += f" on {payload['previous_station']}"
        parts.append(f"({before})")
    if payload.get("overbooked"):
        parts.append("booked over another appointment")
    if payload.get("changed"):
        parts.append(", ".join(str(item).replace("_", " ") for item in payload["changed"]))
    if payload.get("kind") and payload.get("number"):
        words = labels.label("version", str(payload["kind"])).words.lower()
        parts.append(f"version {payload['number']}, {words}")
    if name == "IdentityChecked":
        parts.append(", ".join(str(labels.IDENTIFIER[kind]) for kind in payload["checked"]))
    if name == "PatientCalled":
        parts.append(f"number {payload['number']} to {payload['room']}")
    if name == "SuppliesRecorded":
        parts.append("; ".join(_used(item) for item in payload["items"]) or "nothing used")
    if payload.get("severity"):
        parts.append(str(payload["severity"]).lower())
    if payload.get("reason"):
        parts.append(f"reason: {isolated(str(payload['reason']))}")
    if payload.get("unsafe"):
        parts.append("unsafe: " + "; ".join(str(item) for item in payload["unsafe"]))
    if name == "ProtocolSet":
        parts.append(", ".join(str(item) for item in payload.get("codes", ())))
    if name == "AuthorizationDecided":
        parts.append(str(payload.get("state", "")).lower().replace("_", " "))
    if payload.get("alternative"):
        parts.append(f"instead: {isolated(str(payload['alternative']))}")
    if payload.get("note"):
        parts.append(f"note: {isolated(str(payload['note']))}")
    if name == "DoseRecorded" and payload.get("source"):
        parts.append(labels.label("dose_source", str(payload["source"])).words)
    if payload.get("how"):
        parts.append(f"found by {payload['how']}" if payload["how"] != "by hand" else "by hand")
    if payload.get("instances"):
        parts.append(f"{payload['instances']} images")
    if payload.get("missing"):
        parts.append(f"{payload['missing']} missing")
    if payload.get("expected"):
        parts.append("as expected after a wrong worklist entry")
    match = payload.get("match")
    if match and match != "MATCHED":
        parts.append(labels.label("match", str(match)).words.lower())
    if name == "OrderCanceled" and payload.get("by_placer"):
        parts.append("by the ordering side")
    return " ".join(parts)


def _used(item: list[str]) -> str:
    _, name, amount, unit, lot = item
    return f"{name} {amount} {unit}" + (f" (lot {lot})" if lot else "")


def _moment(text: str) -> str:
    value = parse_datetime(text)
    if value is None:
        return text
    local = timezone.localtime(value)
    return f"{local.day} {local:%b %Y} {hour(local)}"


def _message_in(entry: Entry) -> Told:
    detail = entry.detail
    notes = [f"answered {detail['outcome']}"] if detail["outcome"] else []
    if detail["error"]:
        notes.append(str(detail["error"]))
    if detail["key_reused"]:
        notes.append("this key came before with other content")
    if detail["repeats"]:
        often = "once more" if detail["repeats"] == 1 else f"{detail['repeats']} more times"
        notes.append(f"came {often} and got the same answer")
    return Told(
        at=entry.at,
        words=f"{labels.label('protocol', detail['protocol']).words} in: {entry.name}",
        detail="; ".join(notes),
        by=entry.actor,
        icon="inbox",
        tone=labels.label("message", detail["state"]).tone,
        link=f"/messages/in/{entry.link}/",
        expands=f"/messages/in/{entry.link}/body/",
        states=(("message", detail["state"]),),
    )


def _message_out(entry: Entry) -> Told:
    detail = entry.detail
    return Told(
        at=entry.at,
        words=f"{labels.label('protocol', detail['protocol']).words} out: {entry.name}",
        detail=str(detail["error"]) if detail["state"] != "DELIVERED" else "",
        by=f"to {entry.actor}",
        icon="send",
        tone=labels.label("delivery", detail["state"]).tone,
        link=f"/messages/out/{entry.link}/",
        expands=f"/messages/out/{entry.link}/body/",
        states=(("delivery", detail["state"]),),
    )


def _attempt(entry: Entry) -> Told:
    detail = entry.detail
    result = detail["result"]
    label = labels.label("result", result) if result else Label("Not finished", "clock", Tone.WARN)
    return Told(
        at=entry.at,
        words=f"{entry.name} to {entry.actor}: {label.words.lower()}",
        detail=f"{detail['error']}{_often(detail)}".removeprefix(", "),
        by=f"attempt {detail['number']}",
        icon=label.icon,
        tone=label.tone,
        link=f"/messages/out/{entry.link}/",
    )


def _sighting(entry: Entry) -> Told:
    return Told(
        at=entry.at,
        words=f"Shown on the worklist of {entry.actor}",
        detail=f"step {entry.detail['step_id']}{_often(entry.detail)}",
        by=_by(entry),
        icon="device",
        tone=Tone.NEUTRAL,
    )


# What was looked at, by the action of the audit.
LOOKS: Mapping[str, str] = {
    "ViewOrder": "Order looked at",
    "ViewReport": "Report looked at",
    "ViewPrior": "Earlier report looked at",
    "OpenViewer": "Images looked at",
    "ViewMessage": "Message looked at",
    "BookStep": "Free times looked at",
    "MoveAppointment": "Free times looked at",
    "ViewPatientContact": "Patient's page and messages looked at",
    "ViewOwnOrder": "Order looked at by its referrer",
    "ViewExam": "Exam looked at",
    "ViewRoom": "Room looked at",
    "ViewSafety": "Safety answers looked at",
    "ViewProtocoling": "Protocol looked at",
    "ViewBreastExam": "Breast exam looked at",
    "ViewCriticalResults": "Critical results looked at",
    "ViewDocument": "Document looked at",
    "ViewDose": "Dose looked at",
    "QueryArchives": "Archives asked for earlier exams",
    "ExplainStep": "Explained why a device does not show it",
    "PrintOrder": "Order printed",
    "PrintReport": "Report printed",
    "PrintLabels": "Labels printed",
    "PrintWristband": "Wristband printed",
}


def _access(entry: Entry) -> Told:
    return Told(
        at=entry.at,
        words=LOOKS.get(entry.name, f"Looked at: {entry.name}"),
        detail=_often(entry.detail).removeprefix(", "),
        by=_by(entry),
        icon="eye",
        tone=Tone.NEUTRAL,
    )


def _often(detail: Mapping[str, Any]) -> str:
    """``, 3 times until 2 Mar 12:00``; nothing for once."""
    if detail["count"] < 2:
        return ""
    last = timezone.localtime(detail["last_at"])
    return f", {detail['count']} times until {last.day} {last:%b %H:%M}"


def _refusal(entry: Entry) -> Told:
    return Told(
        at=entry.at,
        words=f"Refused: {entry.name}",
        detail=str(entry.detail.get("reason", "")),
        by=_by(entry),
        icon="ban",
        tone=Tone.BAD,
    )


_TELLERS = {
    EntryKind.EVENT: _event,
    EntryKind.MESSAGE_IN: _message_in,
    EntryKind.MESSAGE_OUT: _message_out,
    EntryKind.ATTEMPT: _attempt,
    EntryKind.SIGHTING: _sighting,
    EntryKind.ACCESS: _access,
    EntryKind.REFUSAL: _refusal,
}
