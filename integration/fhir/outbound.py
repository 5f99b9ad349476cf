"""Registers how FHIR notifications are written and sent with the outbox.

Imported by every process when it starts, so it loads what does the work only when there is some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ris.domain.exchange import Protocol
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, StoredEvent
from ris.services import outbox, subscriptions


class Fhir:
    """Subscriptions of FHIR clients (ris.domain.protocol.OutboundProtocol, TakesReplies)."""

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        from integration.fhir.subscriptions import outbound

        return outbound.render(event, endpoint, control_id)

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        from integration.fhir.subscriptions import outbound

        return outbound.send(payload, control_id, endpoint)

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        from integration.fhir.subscriptions import outbound

        outbound.accepted(endpoint)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        from integration.fhir.subscriptions import outbound

        return outbound.readdress(payload, control_id)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As they are: FHIR clients that send to us have settings that their own edge reads."""
        return dict(settings)


def _heartbeat(endpoint_id: int) -> None:
    from integration.fhir.subscriptions import outbound

    outbound.heartbeat(endpoint_id)


outbox.register_protocol(Protocol.FHIR, Fhir())
subscriptions.register_heartbeat(_heartbeat)
