"""The mapping of an endpoint: what is in force, and what was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import Endpoint, InboundMessage, MappingVersion
from ris.selectors.exchange import info


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version, whoever saved it."""

    number: int
    content: Mapping[str, Any]
    note: str
    actor: str
    created_at: datetime
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedEndpoint:
    """An endpoint as the mapping pages and commands need it."""

    info: EndpointInfo
    protocol: Protocol
    direction: Direction
    active: bool
    content: Mapping[str, Any]

    @property
    def public_id(self) -> str:
        return self.info.public_id

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def version(self) -> int:
        return self.info.mapping_version

    @property
    def is_in(self) -> bool:
        return self.direction is Direction.IN


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message as it came; ``number`` counts upward with time."""

    number: int
    public_id: str
    received_at: datetime
    message_type: str
    key: str
    state: str
    raw: bytes
    patient: str = ""  # public id, if it is known whom it is about


def in_force(endpoint: str, number: int) -> tuple[Direction, Mapping[str, Any]]:
    """A version's content, and the direction of its endpoint."""
    row = (
        MappingVersion.objects.select_related("endpoint")
        .filter(endpoint__public_id=endpoint, number=number)
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such version of a mapping")
    return Direction(row.endpoint.direction), row.content


def mapped_endpoint(public_id: str) -> MappedEndpoint:
    """Raises UnknownKeyError."""
    try:
        row = Endpoint.objects.filter(public_id=UUID(public_id)).first()
    except ValueError:
        row = None
    if row is None:
        raise UnknownKeyError("no such interface")
    content: Mapping[str, Any] = {}
    if row.mapping_version:
        content = in_force(public_id, row.mapping_version)[1]
    return _mapped(row, content)


def mapped_endpoints(
    protocol: Protocol, direction: Direction | None = None
) -> list[MappedEndpoint]:
    """Every endpoint of a protocol, by name; those out of use too."""
    rows = Endpoint.objects.filter(protocol=protocol.value).order_by("name", "direction")
    if direction is not None:
        rows = rows.filter(direction=direction.value)
    contents = {
        version.endpoint_id: version.content
        for version in MappingVersion.objects.filter(
            endpoint__protocol=protocol.value, number=F("endpoint__mapping_version")
        )
    }
    return [_mapped(row, contents.get(row.pk, {})) for row in rows]


def _mapped(row: Endpoint, content: Mapping[str, Any]) -> MappedEndpoint:
    return MappedEndpoint(
        info=info(row),
        protocol=Protocol(row.protocol),
        direction=Direction(row.direction),
        active=row.active,
        content=content,
    )


def versions(endpoint: str, limit: int = 50) -> list[VersionView]:
    """The versions of an endpoint's mapping, newest first."""
    rows = (
        MappingVersion.objects.select_related("endpoint")
        .filter(endpoint__public_id=endpoint)
        .order_by("-number")[:limit]
    )
    return [
        VersionView(
            number=row.number,
            content=row.content,
            note=row.note,
            actor=row.actor,
            created_at=row.created_at,
            in_force=row.number == row.endpoint.mapping_version,
        )
        for row in rows
    ]


def stored_messages(endpoint: str, limit: int, *, before: int | None = None) -> list[StoredMessage]:
    """The newest messages of an endpoint, or those older than number ``before``."""
    rows = (
        InboundMessage.objects.filter(endpoint__public_id=endpoint)
        .select_related("patient")
        .order_by("-id")
    )
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [_stored(row) for row in rows[:limit]]


def _stored(row: InboundMessage) -> StoredMessage:
    return StoredMessage(
        number=row.pk,
        public_id=str(row.public_id),
        received_at=row.received_at,
        message_type=row.message_type,
        key=row.key,
        state=row.state,
        raw=bytes(row.raw),
        patient=str(row.patient.public_id) if row.patient else "",
    )
