"""The receiving systems of the demo, while history is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ris.domain.protocol import (
    Attempt,
    EndpointInfo,
    OutboundProtocol,
    Outgoing,
    Result,
    StoredEvent,
    TakesReplies,
)


class Receivers:
    """Stands in for the receiving systems while history is told; nothing leaves the machine.

    Messages are rendered as they are for true receivers. Results of the patients in ``refuses``
    are answered with AE.
    """

    def __init__(self, edge: OutboundProtocol, refuses: Collection[str]) -> None:
        self._edge = edge
        self._refuses = refuses

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        return self._edge.render(event, endpoint, control_id)

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        fault = ""
        if (
            endpoint.name == "EHR"
            and b"ORU^R01" in payload
            and any(number.encode() in payload for number in self._refuses)
        ):
            fault = "patient record is locked"
        name, _, facility = endpoint.protocol_name.partition("^")
        lines = [
            f"MSH|^~\\&|{name}|{facility}|RIS|||ACK|A{control_id}|P|{endpoint.version}",
            f"MSA|AE|{control_id}|{fault}" if fault else f"MSA|AA|{control_id}",
        ]
        reply = ("\r".join(lines) + "\r").encode()
        if fault:
            return Attempt(result=Result.REFUSED, reply=reply, error=f"AE: {fault}")
        return Attempt(result=Result.DELIVERED, reply=reply)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return self._edge.readdress(payload, control_id, endpoint)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return self._edge.check_settings(settings)


class ImageArchive:
    """Stands in for the archive: it takes every report, and has it when it is asked for it."""

    def __init__(self, edge: OutboundProtocol) -> None:
        self._edge = edge

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        return self._edge.render(event, endpoint, control_id)

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        if payload.startswith(b"{"):
            return Attempt(result=Result.DELIVERED, reply=b'{"meaning": "it is in the archive"}')
        return Attempt(
            result=Result.DELIVERED,
            reply=b'{"status": "0000", "meaning": "stored"}',
            says_more=True,
        )

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        if isinstance(self._edge, TakesReplies):
            self._edge.accepted(payload, reply, endpoint)

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return self._edge.readdress(payload, control_id, endpoint)

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return self._edge.check_settings(settings)
