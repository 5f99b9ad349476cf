"""A client's assertion, verified (RFC 7523 3; SMART App Launch 2.2, asymmetric authentication)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from integration.fhir.smart.errors import invalid_client
from integration.fhir.smart.keys import key_for
from ris.domain import strict_json
from ris.domain.api_clients import ALGORITHMS
from ris.domain.errors import RisError, UnknownKeyError
from ris.selectors.api_clients import ClientView, client

ACCEPTED = tuple(ALGORITHMS.values())
MAX_LENGTH = 8 * 1024
MAX_AHEAD = timedelta(minutes=5)
# Clocks differ a little; this much is forgiven.
SKEW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Assertion:
    """What was proven: who it is, and until when this proof must not count again."""

    client: ClientView
    id: str
    expires_at: datetime


def verify(text: str, audiences: Collection[str], now: datetime) -> Assertion:
    """Check signature and claims; raises OAuthError (invalid_client)."""
    if len(text) > MAX_LENGTH:
        raise invalid_client(f"the assertion is longer than {MAX_LENGTH} characters")
    try:
        signed = jws.extract_compact(text.encode())
        headers, claims = _object(signed.headers()), _object(strict_json.read(signed.payload))
    except (JoseError, RisError, ValueError, TypeError, AttributeError, RecursionError):
        raise invalid_client("the assertion is no signed JWT") from None
    algorithm, kid = headers.get("alg"), headers.get("kid")
    if algorithm not in ACCEPTED:
        raise invalid_client(f"the assertion must be signed by {' or '.join(ACCEPTED)}")
    if not isinstance(kid, str) or not kid:
        raise invalid_client("the header of the assertion names no key (kid)")
    found = _issuer(claims)
    jku = headers.get("jku")
    if jku is not None and jku != found.jwks_uri:
        raise invalid_client("jku is not the address of keys that is registered")
    try:
        jws.deserialize_compact(text, key_for(found, kid, algorithm), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        raise invalid_client("the signature of the assertion is wrong") from None
    expires_at = _in_time(claims, now)
    _is_for_us(claims, audiences)
    identifier = claims.get("jti")
    if not isinstance(identifier, str) or not identifier:
        raise invalid_client("the assertion has no jti")
    return Assertion(found, identifier, expires_at + SKEW)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no JSON object")
    return value


def _issuer(claims: dict[str, Any]) -> ClientView:
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or issuer != subject:
        raise invalid_client("iss and sub must both be the client id")
    try:
        found = client(issuer)
    except UnknownKeyError:
        raise invalid_client("the client is unknown") from None
    if found.disabled_at is not None:
        raise invalid_client("the client is disabled")
    return found


def _in_time(claims: dict[str, Any], now: datetime) -> datetime:
    """When the assertion expires: to come, and five minutes ahead at most."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise invalid_client("the assertion has no exp")
    if expires_at <= now - SKEW:
        raise invalid_client("the assertion has expired")
    if expires_at > now + MAX_AHEAD + SKEW:
        raise invalid_client("exp is more than five minutes ahead")
    for name in ("nbf", "iat"):
        at = _time(claims, name)
        if at is not None and at > now + SKEW:
            raise invalid_client(f"{name} is in the future")
    return expires_at


def _time(claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool):
        raise invalid_client(f"{name} is no number of seconds")
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise invalid_client(f"{name} is no number of seconds") from None


def _is_for_us(claims: dict[str, Any], audiences: Collection[str]) -> None:
    given = claims.get("aud")
    named = given if isinstance(given, list) else [given]
    if not any(isinstance(each, str) and each in audiences for each in named):
        raise invalid_client("aud is not the address of this token endpoint")
