"""Bearer tokens of API clients (RFC 6750): who is asking, from where, with which scopes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from integration.fhir.outcome import HttpError
from integration.fhir.scopes import Scopes
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.accounts import token_for
from ris.selectors.exchange import find_sender

CHALLENGE = 'Bearer realm="FHIR"'
MAX_TOKEN = 4096
WRITES = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated API client."""

    actor: Actor
    scopes: Scopes
    endpoint: EndpointInfo | None = None  # its configuration; not looked up for reads

    @property
    def is_authenticated(self) -> bool:
        return True


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer`` with a token from ``ris token add``."""

    def authenticate(self, request: Request) -> tuple[Client, str] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        kind, _, secret = header.partition(" ")
        secret = secret.strip()
        if not header:
            raise _unauthorized("a bearer token is required")
        if kind.lower() != "bearer" or not secret or len(secret) > MAX_TOKEN:
            raise _unauthorized("only bearer tokens are understood", "invalid_request")
        token = token_for(secret)
        if token is None:
            raise _unauthorized("this token is unknown, expired or revoked", "invalid_token")
        address = address_of(request)
        if token.addresses and not _is_among(address, token.addresses):
            raise HttpError(403, "forbidden", "this token is not valid from this address")
        # Reads need no configuration of the client, and there are many reads.
        endpoint = find_sender(Protocol.FHIR, token.client) if request.method in WRITES else None
        scopes = Scopes.parse(token.scopes)
        client = Client(actor_for(token.client, endpoint, address), scopes, endpoint)
        return client, token.public_id

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def actor_for(name: str, endpoint: EndpointInfo | None, address: str) -> Actor:
    """The client as the core knows it, with the endpoint that is configured for it."""
    return Actor(
        ActorKind.CLIENT,
        name,
        frozenset({Role.INTERFACE}),
        endpoint_id=endpoint.id if endpoint else None,
        address=address,
        display=name,
    )


def address_of(request: Request) -> str:
    """Where the request comes from; behind a proxy, what the proxy says it saw."""
    if settings.CONFIG.http.behind_proxy:
        forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
        if forwarded:
            return forwarded.rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        own = ipaddress.ip_address(address)
        return any(own in ipaddress.ip_network(each, strict=False) for each in networks)
    except ValueError:
        return False


def _unauthorized(message: str, error: str = "") -> HttpError:
    challenge = f'{CHALLENGE}, error="{error}"' if error else CHALLENGE
    return HttpError(401, "login", message, headers={"WWW-Authenticate": challenge})
