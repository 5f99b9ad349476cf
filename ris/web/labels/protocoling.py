"""Labels of how an exam is to be done, and of who pays for it."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.authorization import AuthorizationState
from ris.domain.protocoling import ProtocolNeed, ProtocolState, RejectReason
from ris.web.labels._label import Label, Tables, Tone

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

TABLES: Tables = {
    "protocoling": (ProtocolState, PROTOCOLING),
    "protocol_need": (ProtocolNeed, PROTOCOL_NEED),
    "reject_reason": (RejectReason, REJECT_REASON),
    "authorization": (AuthorizationState, AUTHORIZATION),
}
