"""API clients with keys of their own, and every client's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.models import ApiClient, ApiToken, AuditEvent, Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    name: str
    client_id: str
    jwks: Mapping[str, Any]
    jwks_uri: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    disabled_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None = None
    endpoint: str = ""  # public id of the connection that is configured for it

    @property
    def keys(self) -> tuple[str, ...]:
        """The registered keys as their owner knows them: name and algorithm."""
        kinds = {"RSA": "RS384", "EC": "ES384"}
        return tuple(f"{key['kid']} ({kinds[key['kty']]})" for key in self.jwks.get("keys", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLine:
    """A static token as the list shows it."""

    public_id: str
    client: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        ended = self.expires_at is not None and self.expires_at <= timezone.now()
        return "ended" if ended else "valid"


def client(client_id: str) -> ClientView:
    """The client with this id, disabled or not; raises UnknownKeyError."""
    row = ApiClient.objects.filter(client_id=client_id).first()
    if row is None:
        raise UnknownKeyError("no such client", path="client_id")
    return _view(row)


def clients() -> list[ClientView]:
    """Every client, those in use first."""
    # Its tokens live for minutes and are then forgotten; the audit is not.
    acts = AuditEvent.objects.filter(actor_name=OuterRef("name"), actor_kind="client")
    last = Subquery(acts.order_by("-at").values("at")[:1])
    rows = list(ApiClient.objects.annotate(used=last).order_by("name"))
    endpoints = _endpoints([row.name for row in rows])
    found = [_view(row, row.used, endpoints.get(row.name, "")) for row in rows]
    return sorted(found, key=lambda each: each.disabled_at is not None)


def tokens(*, ended: bool = False) -> list[TokenLine]:
    """The static tokens; with ``ended`` those that are worth nothing any more, too."""
    found = [
        TokenLine(
            public_id=str(row.public_id),
            client=row.client,
            scopes=tuple(row.scopes),
            addresses=tuple(row.addresses),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in ApiToken.objects.filter(api_client__isnull=True).order_by("client", "id")
    ]
    return [each for each in found if ended or each.state == "valid"]


def _endpoints(names: list[str]) -> dict[str, str]:
    rows = Endpoint.objects.filter(protocol="fhir", protocol_name__in=names)
    return {row.protocol_name: str(row.public_id) for row in rows}


def _view(row: ApiClient, used: datetime | None = None, endpoint: str = "") -> ClientView:
    return ClientView(
        name=row.name,
        client_id=row.client_id,
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        scopes=tuple(row.scopes),
        addresses=tuple(row.addresses),
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        last_used_at=used,
        endpoint=endpoint,
    )
