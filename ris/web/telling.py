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
from ris.web.event_words import event_label
from ris.web.labels import Label, Tone
from ris.web.templatetags.ris_web import isolated
from ris.web.wall_clock import hour

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
    label = event_label(entry.name)
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
