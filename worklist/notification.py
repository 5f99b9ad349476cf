"""MPPS Notification: who asked for it is told that a performed step changed (PS3.4 F.9).

There is no event information: the receiver asks for the object (N-GET) if it wants to know more.
Type 5, deleted, is never sent, because performed steps are not deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ris.domain.errors import InvalidValueError
from ris.domain.protocol import EndpointInfo, Outgoing, StoredEvent
from ris.selectors.performed_messages import performed_record
from worklist.endpoint_settings import EventWord, Settings
from worklist.scu import MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION


@dataclass(frozen=True, slots=True)
class EventType:
    """Event Type ID (0000,1002) of PS3.4 Table F.9.2-1, and what the settings call it."""

    id: int
    word: EventWord
    words: str


EVENT_TYPES: Mapping[str, EventType] = {
    "PerformedStepStarted": EventType(1, "started", "Performed Procedure Step In Progress"),
    "PerformedStepCompleted": EventType(2, "completed", "Performed Procedure Step Completed"),
    "PerformedStepDiscontinued": EventType(
        3, "discontinued", "Performed Procedure Step Discontinued"
    ),
    "PerformedStepUpdated": EventType(4, "updated", "Performed Procedure Step Updated"),
}
_OPERATION = "N-EVENT-REPORT"


@dataclass(frozen=True, slots=True)
class Report:
    """An N-EVENT-REPORT as it is stored."""

    sop_instance_uid: str
    event_type: int


def messages(
    event: StoredEvent, endpoint: EndpointInfo, settings: Settings, control_id: str
) -> list[Outgoing]:
    """The report of an event, if this subscriber asked for it."""
    kind = EVENT_TYPES[event.name]
    if kind.word not in settings.events or not event.payload.get("leading", True):
        return []
    record = performed_record(str(event.payload["performed"]))
    if not concerns(record.view.station_ae_title, record.view.modality, settings):
        return []
    uid = record.view.sop_instance_uid
    return [
        Outgoing(
            lane=f"mpps-events:{uid}",
            control_id=control_id,
            message_type=f"MPPS {_OPERATION}",
            payload=write(uid, kind),
            orders=record.orders,
        )
    ]


def concerns(station: str, modality: str, settings: Settings) -> bool:
    """Whether an exam is one of those that the endpoint's settings name."""
    return (not settings.stations or station in settings.stations) and (
        not settings.modalities or modality in settings.modalities
    )


def write(sop_instance_uid: str, kind: EventType) -> bytes:
    """The stored form: a request without dataset says all it has to say in a few words."""
    return json.dumps(
        {
            "operation": _OPERATION,
            "sop_class_uid": MODALITY_PERFORMED_PROCEDURE_STEP_NOTIFICATION,
            "sop_instance_uid": sop_instance_uid,
            "event_type_id": kind.id,
            "event_type": kind.words,
        }
    ).encode()


def is_report(payload: bytes) -> bool:
    return payload.startswith(b"{")


def read(payload: bytes) -> Report:
    """Raises InvalidValueError if this is no report of ours."""
    try:
        said = json.loads(payload)
        return Report(str(said["sop_instance_uid"]), int(said["event_type_id"]))
    except (ValueError, KeyError, TypeError):
        raise InvalidValueError("not a stored N-EVENT-REPORT") from None
