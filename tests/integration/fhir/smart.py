"""A backend service for the tests: keys of its own, assertions, tokens."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from ris.domain.actors import OPERATOR
from ris.domain.api_clients import AddClient
from ris.services import execute

TOKEN_URL = "http://testserver/fhir/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Key = RSAKey | ECKey


@cache
def rsa_key(kid: str = "rsa-1", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid}, private=True)


@cache
def ec_key(kid: str = "ec-1", curve: str = "P-384") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid}, private=True)


def public(*keys: Key) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


@dataclass
class Service:
    """A client that is registered and asks for tokens."""

    client_id: str
    key: Key = field(default_factory=ec_key)
    client: Client = field(default_factory=Client)
    url: str = TOKEN_URL

    @property
    def algorithm(self) -> str:
        return "RS384" if isinstance(self.key, RSAKey) else "ES384"

    def assertion(
        self, *, headers: dict[str, Any] | None = None, without: str = "", **claims: Any
    ) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid, "typ": "JWT", **(headers or {})}
        content = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.url,
            "exp": int(time.time()) + 240,
            "jti": uuid.uuid4().hex,
            **claims,
        }
        content.pop(without, None)
        header = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(header, content, self.key, algorithms=["RS384", "ES384", "RS256"])

    def form(self, scope: str = "system/Patient.rs", **fields: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": fields.pop("assertion", "") or self.assertion(),
            **fields,
        }

    def ask(self, scope: str = "system/Patient.rs", **fields: str) -> tuple[int, dict[str, Any]]:
        """Status and body of the token endpoint's answer."""
        response = self.client.post("/fhir/token", self.encoded(scope, **fields), FORM)
        return response.status_code, response.json()

    def encoded(self, scope: str, **fields: str) -> str:
        from urllib.parse import urlencode

        return urlencode(self.form(scope, **fields))

    def token(self, scope: str = "system/Patient.rs") -> str:
        status, body = self.ask(scope)
        assert status == 200, body
        secret: str = body["access_token"]
        return secret


FORM = "application/x-www-form-urlencoded"


def service(*scopes: str, name: str = "Backend", key: Key | None = None, **more: Any) -> Service:
    """A registered client with one key."""
    own = key or ec_key()
    client_id = execute(
        AddClient(name=name, scopes=scopes or ("system/*.cruds",), jwks=public(own), **more),
        actor=OPERATOR,
    )
    return Service(client_id, own)
