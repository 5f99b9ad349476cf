"""Users and API clients: commands and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ris.domain.actors import Role
from ris.domain.commands import Command, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser(Command[int]):
    """Create a login; returns its id. Without password or hash nobody can log in with it.

    ``password_hash`` takes an account over from elsewhere, in Django's form (``argon2$…``).
    """

    username: str
    password: str
    roles: frozenset[Role]
    password_hash: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoles(Command[None]):
    username: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableUser(Command[None]):
    """Lock a login out and end its sessions."""

    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivePassword(Command[None]):
    """Give a login a new password and end its sessions; who was locked out is let in again."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """``secret`` is shown once; only its hash is stored."""

    public_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueToken(Command[IssuedToken]):
    """Give an API client a bearer token with SMART scopes (``system/ServiceRequest.cruds``).

    ``secret`` sets the token's text, which only the demo site may do.
    """

    client: str
    scopes: tuple[str, ...]
    expires_at: datetime | None = None
    addresses: tuple[str, ...] = ()
    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeToken(Command[None]):
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    username: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesSet(Event):
    username: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDisabled(Event):
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReplaced(Event):
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(Event):
    token: str
    client: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    token: str
    client: str
