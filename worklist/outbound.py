"""DICOM as the outbox and the pages know it: MPPS, reports into archives, a test by C-ECHO.

Light on purpose: every process loads it when the app registers itself, and only those that speak
DICOM load the codecs behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ris import config
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Subscription
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.services.peers import Peer
from worklist import endpoint_settings
from worklist.endpoint_settings import Settings, read_settings

if TYPE_CHECKING:
    from worklist.requestor import Target

EVENTS = frozenset(
    {
        "PerformedStepStarted",
        "PerformedStepUpdated",
        "PerformedStepCompleted",
        "PerformedStepDiscontinued",
    }
)
# The events that carry a version of a report outside.
SIGNED = frozenset({"PreliminarySigned", "ReportFinalized", "ReportAmended", "ReportRetracted"})


class Dicom:
    """DIMSE over TCP, as the outbox knows it (ris.domain.protocol.OutboundProtocol).

    A lane is one performed step at one endpoint, and its kind: what is told of an object leaves in
    the order it happened, and a refused N-CREATE holds back no notification.
    """

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        return event in SIGNED or event in EVENTS

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        if event.name in SIGNED:
            return _objects(event, endpoint, control_id)
        if event.name not in EVENTS:
            return ()
        from worklist import forwarding, notification

        settings = read_settings(endpoint.settings)
        messages: list[Outgoing] = []
        if Subscription.MPPS.value in endpoint.sends:
            messages += forwarding.messages(event, endpoint, settings, control_id)
        if Subscription.MPPS_EVENTS.value in endpoint.sends:
            messages += notification.messages(event, endpoint, settings, f"{control_id}.E")
        return messages

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        try:
            settings = read_settings(endpoint.settings)
        except InvalidValueError as error:
            return Attempt(result=Result.TRANSIENT, error=error.message)  # an operator mends it
        from worklist import calling

        return calling.send(payload, control_id, endpoint, settings)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        """The same bytes: the Message ID of DIMSE is given anew with every association."""
        return payload

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        """An archive took a report: have it looked whether it is there."""
        from worklist import storing

        storing.look_for(payload, endpoint)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return endpoint_settings.check_settings(settings)


def _objects(event: StoredEvent, endpoint: EndpointInfo, control_id: str) -> Sequence[Outgoing]:
    if Subscription.REPORT_OBJECTS.value not in endpoint.sends:
        return ()
    from worklist import storing

    settings = read_settings(endpoint.settings)
    return storing.messages(
        event,
        endpoint,
        settings,
        control_id,
        calling=settings.calling,
        modalities=settings.modalities,
    )


def target(host: str, port: int, called: str, settings: Settings) -> Target:
    """Whom to call, and how."""
    from worklist.calling import client_tls
    from worklist.requestor import Target

    return Target(
        host=host,
        port=port,
        called=called,
        calling=settings.calling or config.load().dicom.ae_title,
        tls=client_tls(settings),
        connect_seconds=settings.connect_seconds,
        associate_seconds=settings.associate_seconds,
        answer_seconds=settings.answer_seconds,
    )


_PROBE_SECONDS = 5.0


def probe(peer: Peer) -> str:
    """C-ECHO for ``ris.services.peers``: what went wrong in words, or nothing."""
    from dataclasses import replace

    from worklist import scu
    from worklist.requestor import CallError

    try:
        whom = target(peer.host, peer.port, peer.name, read_settings(peer.settings))
        response = scu.echo(
            replace(
                whom,
                connect_seconds=min(whom.connect_seconds, _PROBE_SECONDS),
                associate_seconds=min(whom.associate_seconds, _PROBE_SECONDS),
                answer_seconds=min(whom.answer_seconds, _PROBE_SECONDS),
            )
        )
    except InvalidValueError as error:
        return error.message
    except CallError as error:
        return str(error)
    return "" if response.status == 0 else f"C-ECHO ended with {response.status:04X}"


def readable(raw: bytes) -> Mapping[str, Any] | None:
    """A stored DIMSE message for ``ris.services.peers``; what is JSON needs no reader."""
    if raw.startswith(b"{"):
        return None
    from worklist.reading import as_document

    return as_document(raw)
