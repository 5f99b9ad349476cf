"""Labels of messages, interfaces and subscriptions."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.exchange import (
    DeliveryState,
    Direction,
    MessageState,
    Protocol,
    ReplyState,
    RunState,
    Subscription,
)
from ris.domain.interfaces import AlertKind
from ris.domain.protocol import Result
from ris.domain.subscriptions import SubscriptionStatus
from ris.web.labels._label import Label, Tables, Tone

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

RUN: Mapping[RunState, Label] = {
    RunState.RUNNING: Label("Running", "play", Tone.BUSY),
    RunState.FINISHED: Label("Finished", "check", Tone.OK),
    RunState.STOPPED: Label("Stopped", "stop", Tone.WARN),
}

# Of a run in which some were refused again.
RUN_REFUSED: Mapping[RunState, Label] = {
    **RUN,
    RunState.FINISHED: Label("Finished, some refused", "alert", Tone.WARN),
}

PROTOCOL: Mapping[Protocol, Label] = {
    Protocol.HL7: Label("HL7 v2", "message"),
    Protocol.DICOM: Label("DICOM", "device"),
    Protocol.FHIR: Label("FHIR", "message"),
    Protocol.DICOMWEB: Label("DICOMweb", "device"),
    Protocol.MAIL: Label("Mail", "send"),
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
    Subscription.ALERTS: Label("Alerts of connections, to administrators", "send"),
}

SUBSCRIPTION_STATUS: Mapping[SubscriptionStatus, Label] = {
    SubscriptionStatus.REQUESTED: Label("Requested", "clock", Tone.INFO),
    SubscriptionStatus.ACTIVE: Label("Active", "check", Tone.OK),
    SubscriptionStatus.ERROR: Label("Error", "alert", Tone.BAD),
    SubscriptionStatus.OFF: Label("Off", "minus"),
}

TABLES: Tables = {
    "message": (MessageState, MESSAGE),
    "reply": (ReplyState, REPLY),
    "delivery": (DeliveryState, DELIVERY),
    "result": (Result, RESULT),
    "alert": (AlertKind, ALERT),
    "run": (RunState, RUN),
    "run_refused": (RunState, RUN_REFUSED),
    "protocol": (Protocol, PROTOCOL),
    "direction": (Direction, DIRECTION),
    "subscription": (Subscription, SUBSCRIPTION),
    "subscription_status": (SubscriptionStatus, SUBSCRIPTION_STATUS),
}
