"""MPPS forwarding: what a modality says here is said to other PPS managers too (IHE RAD-6, RAD-7).

Each accepted N-CREATE and N-SET leaves as it came, with the same SOP Instance UID and the same
bytes, in the order in which it was accepted. Corrections by people stay here: the standard lets a
provider change an object after its end, and other managers make their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from ris.domain.exchange import Protocol
from ris.domain.performing import Origin
from ris.domain.protocol import EndpointInfo, Outgoing, StoredEvent
from ris.selectors.facility import site
from ris.selectors.orders import order_views
from ris.selectors.performed_messages import (
    PerformedRecord,
    Said,
    last_event_in,
    performed_record,
    said_since,
)
from worklist import synthesis
from worklist.endpoint_settings import Settings
from worklist.notification import concerns
from worklist.outbound import EVENTS
from worklist.raw import StoredRequest
from worklist.web.exchange import Incoming

_STARTED = "PerformedStepStarted"


def messages(
    event: StoredEvent, endpoint: EndpointInfo, settings: Settings, control_id: str
) -> list[Outgoing]:
    """What this endpoint is sent because of an event; nothing if the exam is not for it."""
    performed = str(event.payload["performed"])
    if not event.payload.get("leading", True):
        return []
    record = performed_record(performed)
    if not concerns(record.view.station_ae_title, record.view.modality, settings):
        return []
    lane = f"mpps:{record.view.sop_instance_uid}"
    had = last_event_in(endpoint.id, lane, performed)
    said = said_since(performed, had, event.id, sorted(EVENTS))
    requests = list(_requests(said, record, endpoint, settings))
    return [
        Outgoing(
            lane=lane,
            control_id=f"{control_id}.{number}" if number else control_id,
            message_type=f"MPPS {request.operation}",
            payload=request.pack(),
            orders=record.orders,
        )
        for number, request in enumerate(requests)
    ]


def _requests(
    said: list[Said], record: PerformedRecord, endpoint: EndpointInfo, settings: Settings
) -> Iterator[StoredRequest]:
    """The requests; a peer that is not sent the N-CREATE is sent nothing that follows it.

    An endpoint that was configured or switched on during the exam gets what it has not had yet.
    """
    for one in said:
        request = _request(one, record, endpoint, settings)
        if request is not None:
            yield request
        elif one.name == _STARTED:
            return


def _request(
    said: Said, record: PerformedRecord, endpoint: EndpointInfo, settings: Settings
) -> StoredRequest | None:
    if said.protocol is Protocol.DICOM:
        stored = StoredRequest.unpack(said.raw)
        # Two managers that forward to each other must not play ball with a message.
        return None if stored.ae_title == endpoint.protocol_name else stored
    if said.protocol is Protocol.DICOMWEB:
        return Incoming.from_bytes(said.raw).request("")
    if record.view.origin is Origin.MANUAL and not settings.manual:
        return None
    zone = ZoneInfo(site().time_zone)
    orders = order_views(list(record.orders))
    build = synthesis.n_create if said.name == _STARTED else synthesis.n_set
    return build(record, orders, said.name, zone, endpoint.character_set)
