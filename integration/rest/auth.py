"""Who asks: a person with a session, or a script with a token whose scopes name roles.

``role/scheduler`` lets a script do what a scheduler may; the door checks it like a person's.
"""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from ris.domain.actors import Actor, ActorKind, Role
from ris.selectors.accounts import user_actor
from ris.services import bearer

REALM = "RIS"
PREFIX = "role/"
# Roles of protocol peers and of the system itself are nobody's to borrow.
_BORROWED = frozenset(Role) - {Role.INTERFACE, Role.MODALITY, Role.SYSTEM}


class TokenRefused(exceptions.AuthenticationFailed):
    """A token that is not valid; ``challenge`` says so in RFC 6750's words."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class Caller:
    """What DRF calls the user: somebody with an actor."""

    is_authenticated = True

    def __init__(self, actor: Actor) -> None:
        self.actor = actor


class SessionCaller(SessionAuthentication):
    """The session of our own pages; changes need the CSRF token like theirs."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        return Caller(user_actor(found[0], bearer.address_of(request.META))), None


class TokenCaller(BaseAuthentication):
    """``Authorization: Bearer`` with a token from ``ris token add``."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        try:
            token = bearer.authenticate(request.META)
        except bearer.BearerError as error:
            if error.status == 401:
                raise TokenRefused(error.message, error.challenge(REALM)) from None
            raise exceptions.PermissionDenied(error.message) from None
        named = {scope.removeprefix(PREFIX) for scope in token.scopes if scope.startswith(PREFIX)}
        actor = Actor(
            ActorKind.CLIENT,
            token.client,
            frozenset(role for role in _BORROWED if role.value in named),
            address=bearer.address_of(request.META),
            display=token.client,
        )
        return Caller(actor), token.public_id

    def authenticate_header(self, request: Request) -> str:
        return f'Bearer realm="{REALM}"'
