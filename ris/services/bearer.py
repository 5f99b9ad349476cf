"""Bearer tokens at the HTTP edges (RFC 6750): who is asking, from where, with which scopes.

What FHIR and DICOMweb have in common; each answers a refusal in its own form and reads the scopes
in its own words.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError

from ris.domain.errors import DeniedError
from ris.models import ApiToken
from ris.selectors.accounts import TokenView, token_for
from ris.services import _clock

log = structlog.get_logger(__name__)

MAX_TOKEN = 4096
_IN_ADDRESS = re.compile(r"(?:^|&)access_token=", re.IGNORECASE)

# When tokens were used, as far as it is not written yet, and when it was written last.
_USE_STEP = timedelta(minutes=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TOKENS = 10_000
_lock = threading.Lock()
_used: dict[str, datetime] = {}
_written: dict[str, datetime] = {}


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
    if _IN_ADDRESS.search(str(environ.get("QUERY_STRING", ""))):
        # Addresses are kept in logs and histories (RFC 6750 5.3).
        raise BearerError(401, "a token does not belong into the address", "invalid_request")
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
    if token.addresses and not is_among(address_of(environ), token.addresses):
        raise BearerError(403, "this token is not valid from this address")
    note_use(token.public_id)
    return token


def note_use(token: str) -> None:
    """The token was used now; written later."""
    now = _clock.now()
    with _lock:
        if now - _written.get(token, _LONG_AGO) >= _USE_STEP:
            _used[token] = now


def write_uses() -> None:
    """Note when tokens were last used: each once a minute, after the answer was sent."""
    if not _used:
        return
    with _lock:
        used = dict(_used)
        _used.clear()
        if len(_written) > _TOKENS:
            _written.clear()
        _written.update(used)
    try:
        for token, at in used.items():
            ApiToken.objects.filter(public_id=token).update(last_used_at=at)
    except DatabaseError as error:
        log.warning("the use of a token could not be noted", error=str(error)[:200])


def address_of(environ: Mapping[str, Any]) -> str:
    """Where the request comes from; behind a proxy, what the proxy says it saw."""
    if settings.CONFIG.http.behind_proxy:
        forwarded = str(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if forwarded:
            return forwarded.rpartition(",")[2].strip()
    return str(environ.get("REMOTE_ADDR", ""))


def is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        own = ipaddress.ip_address(address)
        return any(own in ipaddress.ip_network(each, strict=False) for each in networks)
    except ValueError:
        return False
