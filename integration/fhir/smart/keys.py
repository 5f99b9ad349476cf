"""The public key an assertion names: registered with the client, or fetched from its address.

An address is called only if its host is one of ``RIS_FHIR__JWKS_HOSTS``; it is never taken from
the assertion. What came is kept for a few minutes, and a key that is not among it is looked for
again once in a while, so that neither clients nor strangers make this server call others often.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from integration.fhir.smart.errors import invalid_client
from ris.domain import strict_json
from ris.domain.api_clients import ALGORITHMS, checked_jwks, checked_jwks_uri
from ris.domain.errors import RisError
from ris.selectors.api_clients import ClientView

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
FETCH_SECONDS = 5.0
MAX_BYTES = 64 * 1024
FRESH_SECONDS = 300.0
AGAIN_SECONDS = 30.0
KEPT_ADDRESSES = 100

Key = RSAKey | ECKey


@dataclass(slots=True)
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = float("-inf")
    jwks: Mapping[str, Any] = field(default_factory=dict)


_kept: dict[str, _Kept] = {}


def key_for(client: ClientView, kid: str, algorithm: str) -> Key:
    """The client's key of this name, for this algorithm; raises OAuthError (invalid_client)."""
    found = _named(client.jwks, kid, algorithm)
    if found is None and client.jwks_uri:
        found = _named(_fetched(client.jwks_uri, kid, algorithm), kid, algorithm)
    if found is None:
        raise invalid_client(f"no {algorithm} key with this kid is registered for the client")
    try:
        return RSAKey.import_key(found) if found["kty"] == "RSA" else ECKey.import_key(found)
    except (JoseError, ValueError):
        raise invalid_client("the key that is registered cannot be used") from None


def _named(jwks: Mapping[str, Any], kid: str, algorithm: str) -> dict[str, Any] | None:
    for key in jwks.get("keys", ()):
        if key["kid"] == kid and ALGORITHMS[key["kty"]] == algorithm:
            return dict(key)
    return None


def _fetched(uri: str, kid: str, algorithm: str) -> Mapping[str, Any]:
    if len(_kept) > KEPT_ADDRESSES:
        _kept.clear()
    kept = _kept.setdefault(uri, _Kept())
    with kept.lock:
        age = time.monotonic() - kept.at
        known = _named(kept.jwks, kid, algorithm) is not None
        if age > (FRESH_SECONDS if known else AGAIN_SECONDS):
            kept.at = time.monotonic()
            try:
                kept.jwks = fetch(uri)
            except (OSError, http.client.HTTPException, ValueError, RisError) as error:
                # Neither old keys nor none: what was withdrawn must not be trusted for longer.
                kept.jwks = {}
                log.warning("keys of a client cannot be fetched", uri=uri, error=str(error)[:200])
        return kept.jwks


def forget() -> None:
    """Fetch every address again."""
    _kept.clear()


def fetch(uri: str) -> Mapping[str, Any]:
    """The key set at an address: one GET, no redirects, bounded in size and time."""
    parts = urlsplit(checked_jwks_uri(uri))
    host = parts.hostname or ""
    if host not in settings.CONFIG.fhir.jwks_hosts:
        raise ValueError(f"{host} is not among RIS_FHIR__JWKS_HOSTS")
    deadline = time.monotonic() + FETCH_SECONDS
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=CONNECT_SECONDS)
    try:
        target = parts.path or "/"
        if parts.query:
            target = f"{target}?{parts.query}"
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"answered {response.status}")
        raw = b""
        while part := response.read1(MAX_BYTES):
            raw += part
            if len(raw) > MAX_BYTES:
                raise ValueError(f"longer than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ValueError(f"not complete after {FETCH_SECONDS} seconds")
        return checked_jwks(strict_json.read(raw))
    finally:
        connection.close()
