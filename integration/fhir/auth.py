"""Bearer tokens of API clients (RFC 6750): who is asking, from where, with which scopes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from integration.fhir import rows
from integration.fhir.outcome import HttpError
from integration.fhir.scopes import Filter, Scopes
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.exchange import find_sender
from ris.services import bearer

REALM = "FHIR"
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated API client."""

    actor: Actor
    scopes: Scopes
    endpoint: EndpointInfo | None = None  # its configuration; not looked up for reads
    expires_at: datetime | None = None  # the end of its token

    @property
    def is_authenticated(self) -> bool:
        return True

    def may(self, kind: str, letters: str) -> bool:
        """Whether one of ``letters`` (of c r u d s) is granted for a type, for some rows at least;
        ``"rs"`` asks whether it may be shown at all, as an include is."""
        return self.scopes.allow(kind, letters)

    def filters(self, kind: str, letters: str) -> tuple[Filter, ...] | None:
        """The rows that are granted: those matching one of these filters; None: every row.

        A filter is pairs of search parameter and value that must all match. Without a grant at all
        there is no filter either, so no row.
        """
        return self.scopes.filters(kind, letters)


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer`` with a token from ``ris token add``."""

    def authenticate(self, request: Request) -> tuple[Client, str] | None:
        try:
            token = bearer.authenticate(request.META)
        except bearer.BearerError as error:
            raise _refusal(error) from None
        address = bearer.address_of(request.META)
        # Reads need no configuration of the client, and there are many reads.
        endpoint = find_sender(Protocol.FHIR, token.client) if request.method in WRITES else None
        scopes = Scopes.parse(token.scopes)
        client = Client(
            actor_for(token.client, endpoint, address), scopes, endpoint, token.expires_at
        )
        rows.asked_by(client)
        return client, token.public_id

    def authenticate_header(self, request: Request) -> str:
        return f'Bearer realm="{REALM}"'


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


def _refusal(error: bearer.BearerError) -> HttpError:
    if error.status != 401:
        return HttpError(error.status, "forbidden", error.message)
    headers = {"WWW-Authenticate": error.challenge(REALM)}
    return HttpError(401, "login", error.message, headers=headers)
