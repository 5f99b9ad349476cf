"""Which edge speaks which protocol for the outbox; each registers itself when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ris.domain.exchange import Protocol as ProtocolName
from ris.domain.protocol import OutboundProtocol

PROTOCOLS: dict[ProtocolName, OutboundProtocol] = {}


def register_protocol(name: ProtocolName, protocol: OutboundProtocol) -> None:
    """Called by each edge when it starts."""
    PROTOCOLS[name] = protocol


@contextmanager
def speaking(
    name: ProtocolName, wrap: Callable[[OutboundProtocol], OutboundProtocol]
) -> Iterator[None]:
    """Let something else speak for an edge inside; where there is no such edge, nothing does."""
    edge = PROTOCOLS.get(name)
    if edge is None:
        yield
        return
    PROTOCOLS[name] = wrap(edge)
    try:
        yield
    finally:
        PROTOCOLS[name] = edge


def check_settings(name: ProtocolName, settings: Mapping[str, Any]) -> dict[str, Any]:
    protocol = PROTOCOLS.get(name)
    return protocol.check_settings(settings) if protocol else dict(settings)
