"""Endpoints for the edges."""

from __future__ import annotations

from django.db.models import CharField

from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import Endpoint
from ris.models.prepared import Given, Select
from ris.selectors.kept import Kept


def info(endpoint: Endpoint) -> EndpointInfo:
    """What an edge is told of an endpoint."""
    return EndpointInfo(
        id=endpoint.pk,
        public_id=str(endpoint.public_id),
        name=endpoint.name,
        protocol_name=endpoint.protocol_name,
        host=endpoint.host,
        port=endpoint.port,
        version=endpoint.version,
        character_set=endpoint.character_set,
        time_zone=endpoint.time_zone,
        sends=frozenset(endpoint.sends),
        settings=endpoint.settings,
        mapping_version=endpoint.mapping_version,
    )


def endpoints(protocol: Protocol, direction: Direction) -> list[EndpointInfo]:
    """The active endpoints of a protocol and direction, by name."""
    rows = Endpoint.objects.filter(
        protocol=protocol.value, direction=direction.value, active=True
    ).order_by("name")
    return [info(row) for row in rows]


def find_sender(protocol: Protocol, protocol_name: str) -> EndpointInfo | None:
    """The active inbound endpoint that goes by this name on the wire (MSH-3^MSH-4, client id)."""
    rows, instances = _SENDER.rows(protocol=protocol.value, name=protocol_name)
    if not rows:
        return None
    return _SENDERS.get((protocol, protocol_name), rows, lambda: info(instances()[0]))


_SENDERS: Kept[EndpointInfo] = Kept()
_SENDER = Select(
    lambda: Endpoint.objects.filter(
        protocol=Given("protocol", CharField()),
        direction=Direction.IN.value,
        protocol_name=Given("name", CharField()),
        active=True,
    )
)
