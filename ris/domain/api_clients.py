"""API clients that prove who they are with a key of their own: commands, events, rules.

SMART App Launch 2.2 backend services: the client signs an assertion (RFC 7523) with a private key,
we know the public half (RFC 7517), and it gets a bearer token of a few minutes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ris.domain.accounts import IssuedToken
from ris.domain.actors import NO_LOGINS, Role
from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError, MissingValueError

TOKEN_LIFE = timedelta(seconds=300)
MAX_KEYS = 20
MAX_SCOPES = 100
MAX_SCOPE = 300
MIN_RSA_BITS = 2048

# SMART names both; a key says by its kind which one it is for.
ALGORITHMS: Mapping[str, str] = {"RSA": "RS384", "EC": "ES384"}
_CURVE = "P-384"
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC: Mapping[str, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_KEPT = frozenset({"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"})

_CLIENT_ID = re.compile(r"[A-Za-z0-9._~:/-]{3,100}")
_RESOURCE = re.compile(r"(system|user)/([A-Z][A-Za-z]*|\*)\.([a-z*]+)(?:\?(\S+))?")
_LETTERS = re.compile(r"(?=.)c?r?u?d?s?|read|write|\*")
# Of the other services that take bearer tokens: DICOMweb, and the REST interface, where a token may
# do what a person with this role may.
_DICOMWEB = re.compile(r"system/(worklist|mpps)\.(read|write|\*)")
_ROLES = frozenset(f"role/{role}" for role in Role if role not in NO_LOGINS)


# --- commands and events


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClient(Command[str]):
    """Register a client; returns its ``client_id``, which is made if none is given.

    Its keys are given as a set (``jwks``) or as the address of one (``jwks_uri``).
    """

    name: str
    scopes: tuple[str, ...]
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""
    client_id: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceClientKeys(Command[None]):
    """From now on these keys count, and no other; tokens given meanwhile last to their end."""

    client: str  # its client_id
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableClient(Command[None]):
    """It gets no token any more, and those it has end now."""

    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableClient(Command[None]):
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantToken(Command[IssuedToken]):
    """Give a client a token for an assertion that was verified; an assertion counts once."""

    client: str
    assertion_id: str
    assertion_expires_at: datetime
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAdded(Event):
    client: str
    client_name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKeysReplaced(Event):
    client: str
    client_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDisabled(Event):
    client: str
    client_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEnabled(Event):
    client: str
    client_name: str


# --- rules


def checked_client_id(text: str) -> str:
    if not _CLIENT_ID.fullmatch(text):
        raise InvalidValueError(
            "a client id is 3 to 100 letters, digits and . _ ~ : / -", path="client_id"
        )
    return text


def checked_scopes(texts: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a client, each once; raises for one that would grant nothing."""
    found = tuple(dict.fromkeys(text for each in texts if (text := each.strip())))
    if not found:
        raise MissingValueError("a client needs at least one scope", path="scopes")
    if len(found) > MAX_SCOPES:
        raise InvalidValueError(f"more than {MAX_SCOPES} scopes", path="scopes")
    for text in found:
        _check_scope(text)
    return found


def _check_scope(text: str) -> None:
    if len(text) > MAX_SCOPE:
        raise InvalidValueError(f"a scope is longer than {MAX_SCOPE} characters", path="scopes")
    if _DICOMWEB.fullmatch(text) or text in _ROLES:
        return
    if text.startswith("patient/"):
        raise InvalidValueError(
            f"{text}: a client without a user has no patient in context; give it system/ and a "
            "filter such as system/ServiceRequest.rs?category=363679005",
            path="scopes",
        )
    found = _RESOURCE.fullmatch(text)
    if found is None or not _LETTERS.fullmatch(found[3]):
        raise InvalidValueError(
            f"{text}: a scope is like system/ServiceRequest.cruds (its letters in that order) or "
            "system/Patient.read",
            path="scopes",
        )


def checked_jwks_uri(text: str) -> str:
    """An address of keys: https, or on this machine (which is for trying things out)."""
    parts = urlsplit(text)
    local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InvalidValueError("the address of the keys must begin with https://", path="jwks_uri")
    if not parts.hostname or parts.username or parts.password or parts.fragment or len(text) > 500:
        raise InvalidValueError("the address of the keys has the wrong form", path="jwks_uri")
    return text


def checked_jwks(given: Any) -> dict[str, Any]:
    """A set of public keys (RFC 7517 5), reduced to what is needed; raises InvalidValueError."""
    keys = given.get("keys") if isinstance(given, Mapping) else None
    if isinstance(given, Mapping) and keys is None and "kty" in given:
        keys = [given]  # a single key, as some tools print it
    if not isinstance(keys, list) or not keys:
        raise InvalidValueError('a key set is {"keys": [...]} with one key at least', path="jwks")
    if len(keys) > MAX_KEYS:
        raise InvalidValueError(f"more than {MAX_KEYS} keys", path="jwks")
    found = [_checked_key(key, number) for number, key in enumerate(keys)]
    names = [key["kid"] for key in found]
    if len(set(names)) < len(names):
        raise InvalidValueError("two keys have the same kid", path="jwks")
    return {"keys": found}


def _checked_key(key: Any, number: int) -> dict[str, str]:
    path = f"jwks.keys[{number}]"
    if not isinstance(key, Mapping):
        raise InvalidValueError("a key is a JSON object", path=path)
    if _PRIVATE & key.keys():
        raise InvalidValueError(
            "this is a private key: it must stay with the client, give the public one", path=path
        )
    kty = str(key.get("kty"))
    if kty not in _PUBLIC:
        raise InvalidValueError("a key is of kty RSA or EC", path=path)
    kept = {name: value for name, value in key.items() if name in _KEPT}
    if not all(isinstance(value, str) and len(value) <= 2000 for value in kept.values()):
        raise InvalidValueError("the members of a key are texts", path=path)
    if not kept.get("kid"):
        raise InvalidValueError("a key needs a kid, by which assertions name it", path=path)
    if missing := [name for name in _PUBLIC[kty] if not kept.get(name)]:
        raise InvalidValueError(f"the key lacks {', '.join(missing)}", path=path)
    if kept.get("alg", ALGORITHMS[kty]) != ALGORITHMS[kty] or kept.get("use", "sig") != "sig":
        raise InvalidValueError(
            f"a key of kty {kty} is for signatures of {ALGORITHMS[kty]}", path=path
        )
    if kty == "EC" and kept["crv"] != _CURVE:
        raise InvalidValueError(f"ES384 needs a key on the curve {_CURVE}", path=path)
    numbers = {name: _number(kept[name], path) for name in _PUBLIC[kty] if name != "crv"}
    if kty == "RSA" and numbers["n"].bit_length() < MIN_RSA_BITS:
        raise InvalidValueError(f"an RSA key has {MIN_RSA_BITS} bits at least", path=path)
    return kept


def _number(text: str, path: str) -> int:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValueError("a number of the key is not base64url", path=path) from None
    return int.from_bytes(raw, "big")
