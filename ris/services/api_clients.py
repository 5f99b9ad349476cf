"""API clients with keys of their own, and the tokens they are given."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from datetime import timedelta

from ris.domain.accounts import IssuedToken
from ris.domain.actors import Role
from ris.domain.api_clients import (
    TOKEN_LIFE,
    AddClient,
    ClientAdded,
    ClientDisabled,
    ClientEnabled,
    ClientKeysReplaced,
    DisableClient,
    EnableClient,
    GrantToken,
    ReplaceClientKeys,
    checked_client_id,
    checked_jwks,
    checked_jwks_uri,
    checked_scopes,
)
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.models import ApiClient, ApiToken, ClientAssertion
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.accounts import check_scopes, token_digest

# How long a token of a client stays after its end: long enough to be seen in the list.
_KEPT = timedelta(hours=1)


def _client(client_id: str, *, lock: bool = False) -> ApiClient:
    rows = ApiClient.objects.select_for_update() if lock else ApiClient.objects.all()
    client = rows.filter(client_id=client_id).first()
    if client is None:
        raise UnknownKeyError("no such client", path="client")
    return client


def _keys(command: AddClient | ReplaceClientKeys) -> tuple[dict[str, object], str]:
    """The key set and the address of one; exactly one of them is given."""
    if bool(command.jwks) == bool(command.jwks_uri):
        raise MissingValueError(
            "give the client's public keys, or the address where they are", path="jwks"
        )
    if command.jwks_uri:
        return {}, checked_jwks_uri(command.jwks_uri.strip())
    return checked_jwks(command.jwks), ""


def add_client(command: AddClient, context: Context) -> str:
    name = command.name.strip()
    if not name or len(name) > 100:
        raise MissingValueError("a client needs a name of at most 100 characters", path="name")
    scopes = checked_scopes(command.scopes)
    check_scopes(scopes)
    jwks, jwks_uri = _keys(command)
    client_id = checked_client_id(command.client_id.strip() or secrets.token_urlsafe(18))
    for network in command.addresses:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise InvalidValueError(
                f"{network[:60]} is no address or network such as 10.1.0.0/16", path="addresses"
            ) from None
    if ApiClient.objects.filter(name=name).exists():
        raise DuplicateKeyError("there is a client of this name", path="name")
    if ApiClient.objects.filter(client_id=client_id).exists():
        raise DuplicateKeyError("this client id is taken", path="client_id")
    client = ApiClient.objects.create(
        name=name,
        client_id=client_id,
        jwks=jwks,
        jwks_uri=jwks_uri,
        scopes=list(scopes),
        addresses=list(command.addresses),
    )
    context.emit(ClientAdded(client=client_id, client_name=name, scopes=scopes), subject=client)
    return client_id


def replace_client_keys(command: ReplaceClientKeys, context: Context) -> None:
    client = _client(command.client, lock=True)
    client.jwks, client.jwks_uri = _keys(command)
    touch(client, "jwks", "jwks_uri")
    context.emit(
        ClientKeysReplaced(client=client.client_id, client_name=client.name), subject=client
    )


def disable_client(command: DisableClient, context: Context) -> None:
    client = _client(command.client, lock=True)
    if client.disabled_at is not None:
        raise StateConflictError("this client is disabled already")
    client.disabled_at = context.now
    touch(client, "disabled_at")
    ApiToken.objects.filter(api_client=client, revoked_at__isnull=True).update(
        revoked_at=context.now
    )
    context.emit(ClientDisabled(client=client.client_id, client_name=client.name), subject=client)


def enable_client(command: EnableClient, context: Context) -> None:
    client = _client(command.client, lock=True)
    if client.disabled_at is None:
        raise StateConflictError("this client is not disabled")
    client.disabled_at = None
    touch(client, "disabled_at")
    context.emit(ClientEnabled(client=client.client_id, client_name=client.name), subject=client)


def grant_token(command: GrantToken, context: Context) -> IssuedToken:
    # Locked, so that no token is given beside the command that disables the client.
    client = _client(command.client, lock=True)
    if client.disabled_at is not None:
        raise StateConflictError("this client is disabled")
    scopes = checked_scopes(command.scopes)
    ClientAssertion.objects.filter(expires_at__lt=context.now).delete()
    ApiToken.objects.filter(api_client__isnull=False, expires_at__lt=context.now - _KEPT).delete()
    assertion = ClientAssertion(
        client=client,
        digest=hashlib.sha256(command.assertion_id.encode()).hexdigest(),
        expires_at=command.assertion_expires_at,
    )
    if not assertion.insert_unless_known():
        raise DuplicateKeyError("this assertion was used already", path="jti")
    secret = secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        client=client.name,
        api_client=client,
        digest=token_digest(secret),
        scopes=list(scopes),
        addresses=list(client.addresses),
        expires_at=context.now + TOKEN_LIFE,
    )
    # The audit tells of it; no other system waits to be told, so there is no event.
    context.about(client)
    return IssuedToken(public_id=str(token.public_id), secret=secret)


HANDLERS = {
    AddClient: add_client,
    ReplaceClientKeys: replace_client_keys,
    DisableClient: disable_client,
    EnableClient: enable_client,
    GrantToken: grant_token,
}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    AddClient: _ADMIN,
    ReplaceClientKeys: _ADMIN,
    DisableClient: _ADMIN,
    EnableClient: _ADMIN,
    GrantToken: {Role.INTERFACE},
}
