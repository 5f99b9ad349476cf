"""Bearer tokens at the HTTP edges (RFC 6750): who is asking, from where, with which scopes.

What FHIR and DICOMweb have in common; each answers a refusal in its own form and reads the scopes
in its own words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from ris.domain.errors import DeniedError
from ris.selectors.accounts import TokenView, token_for

MAX_TOKEN = 4096


class BearerError(DeniedError):
    """No valid token; ``error`` is the code of RFC 6750 3.1, empty if no token came at all."""

    def __init__(self, status: int, message: str, error: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error = error

    def challenge(self, realm: str) -> str:
        """``WWW-Authenticate`` of a 401 (RFC 6750 3)."""
        challenge = f'Bearer realm="{realm}"'
        return f'{challenge}, error="{self.error}"' if self.error else challenge


def authenticate(environ: Mapping[str, Any]) -> TokenView:
    """The token of a request by its WSGI environment; raises BearerError (401 or 403)."""
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    kind, _, secret = header.partition(" ")
    secret = secret.strip()
    if not header:
        raise BearerError(401, "a bearer token is required")
    if kind.lower() != "bearer" or not secret or len(secret) > MAX_TOKEN:
        raise BearerError(401, "only bearer tokens are understood", "invalid_request")
    token = token_for(secret)
    if token is None:
        raise BearerError(401, "this token is unknown, expired or revoked", "invalid_token")
    if token.addresses and not _is_among(address_of(environ), token.addresses):
        raise BearerError(403, "this token is not valid from this address")
    return token


def address_of(environ: Mapping[str, Any]) -> str:
    """Where the request comes from; behind a proxy, what the proxy says it saw."""
    if settings.CONFIG.http.behind_proxy:
        forwarded = str(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if forwarded:
            return forwarded.rpartition(",")[2].strip()
    return str(environ.get("REMOTE_ADDR", ""))


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        own = ipaddress.ip_address(address)
        return any(own in ipaddress.ip_network(each, strict=False) for each in networks)
    except ValueError:
        return False
