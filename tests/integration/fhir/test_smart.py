"""SMART backend services: a key for a token of a few minutes (SMART App Launch 2.2)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from django.test import Client

from ris.domain.actors import OPERATOR
from ris.domain.api_clients import DisableClient, EnableClient, ReplaceClientKeys
from ris.models import ApiToken, AuditEvent, ClientAssertion
from ris.selectors.fhir import anybody_listens
from ris.services import execute
from ris.services.accounts import token_digest
from tests.integration.fhir.api import Api, token
from tests.integration.fhir.smart import FORM, Service, ec_key, public, rsa_key, service

pytestmark = pytest.mark.django_db


# --- what clients find out first


def test_the_configuration_is_open_and_says_what_is_offered() -> None:
    response = Client().get("/fhir/.well-known/smart-configuration")

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.json() == {
        "token_endpoint": "http://testserver/fhir/token",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": [
            "system/*.cruds", "system/*.rs", "system/*.read", "system/*.write", "system/*.*",
        ],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }  # fmt: skip


def test_a_page_of_another_origin_may_ask_for_the_configuration() -> None:
    response = Client().options("/fhir/.well-known/smart-configuration")

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_capability_statement_says_that_smart_is_spoken() -> None:
    security = Api().get("/metadata").body["rest"][0]["security"]

    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


# --- a token


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_a_key_gets_a_token_that_works(key: str) -> None:
    backend = service("system/Patient.cruds", key=rsa_key() if key == "rsa" else ec_key())

    response = backend.client.post("/fhir/token", backend.encoded("system/Patient.rs"), FORM)

    body = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert response.headers["Content-Type"] == "application/json"
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/Patient.rs",
    }
    api = Api(body["access_token"])
    assert api.get("/Patient").status == 200
    assert api.get("/Task").status == 403
    stored = ApiToken.objects.get()
    assert stored.digest == token_digest(body["access_token"])
    assert stored.client == "Backend"


def test_granted_is_what_is_asked_for_as_far_as_it_is_registered() -> None:
    backend = service("system/Patient.rs", "system/Task.read", "system/worklist.read")

    asked = (
        "system/*.cruds system/Patient.r system/Encounter.rs user/Patient.rs openid "
        "system/worklist.read system/mpps.read"
    )
    _, body = backend.ask(asked)

    assert body["scope"] == "system/Patient.rs system/Task.rs system/Patient.r system/worklist.read"


@pytest.mark.parametrize("scope", ["", "patient/Patient.rs", "system/Task.rs", "openid fhirUser"])
def test_nothing_to_grant_is_an_invalid_scope(scope: str) -> None:
    status, body = service("system/Patient.rs").ask(scope)

    assert (status, body["error"]) == (400, "invalid_scope")
    assert ApiToken.objects.count() == 0


# --- assertions that prove nothing

_LATER = 3600


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "http://testserver/fhir"}, "aud is not"),
        ({"aud": ["http://other/token"]}, "aud is not"),
        ({"aud": None}, "aud is not"),
        ({"exp": 1_700_000_000}, "has expired"),
        ({"exp": int(time.time()) + _LATER}, "more than five minutes"),
        ({"exp": "soon"}, "exp is no number"),
        ({"exp": True}, "exp is no number"),
        ({"nbf": int(time.time()) + _LATER}, "nbf is in the future"),
        ({"iat": int(time.time()) + _LATER}, "iat is in the future"),
        ({"sub": "another"}, "iss and sub"),
        ({"iss": "nobody", "sub": "nobody"}, "unknown"),
        ({"iss": 7, "sub": 7}, "iss and sub"),
        ({"jti": ""}, "no jti"),
        ({"jti": 7}, "no jti"),
    ],
)
def test_a_claim_that_is_wrong_gets_no_token(claims: dict[str, Any], words: str) -> None:
    backend = service()

    status, body = backend.ask(assertion=backend.assertion(**claims))

    assert (status, body["error"]) == (401, "invalid_client")
    assert words in body["error_description"]
    assert (ApiToken.objects.count(), ClientAssertion.objects.count()) == (0, 0)


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "jti"])
def test_every_claim_is_needed(name: str) -> None:
    backend = service()

    assert backend.ask(assertion=backend.assertion(without=name))[0] == 401


def test_several_audiences_may_be_named() -> None:
    backend = service()
    ours = backend.assertion(aud=["https://elsewhere.example/token", backend.url])

    assert backend.ask(assertion=ours)[0] == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"kid": None}, "names no key"),
        ({"kid": "other"}, "no ES384 key with this kid"),
        ({"jku": "https://evil.example/jwks"}, "jku is not"),
    ],
)
def test_a_header_that_names_no_registered_key_gets_no_token(
    headers: dict[str, Any], words: str
) -> None:
    backend = service()

    status, body = backend.ask(assertion=backend.assertion(headers=headers))

    assert status == 401
    assert words in body["error_description"]


ODD_HEADERS = (b"", b"{", b"[]", b"1", b"null", b"[" * 300, b'{"alg":{},"kid":[]}')


def test_only_the_two_algorithms_of_smart_are_taken() -> None:
    backend = service(key=rsa_key())
    claims = {
        "iss": backend.client_id, "sub": backend.client_id, "aud": backend.url,
        "exp": int(time.time()) + 60, "jti": "1",
    }  # fmt: skip
    # The public key as the secret of a MAC: the oldest trick there is.
    secret = rsa_key().as_pem(private=False)
    tries = [
        unsigned({"alg": "none", "kid": "rsa-1"}, claims) + ".",
        mac({"alg": "HS256", "kid": "rsa-1"}, claims, secret, "sha256"),
        mac({"alg": "HS384", "kid": "rsa-1"}, claims, secret, "sha384"),
        mac({"alg": "RS384", "kid": "rsa-1"}, claims, secret, "sha384"),
        mac({"alg": ["RS384"], "kid": "rsa-1"}, claims, secret, "sha384"),
        backend.assertion(headers={"alg": "RS256"}),
        *(f"{base64url(header)}.{base64url(b'{}')}.x" for header in ODD_HEADERS),
        f"{base64url(ODD_HEADERS[-1])}.{base64url(b'[' * 3000)}.x",
        backend.assertion() + "\0",
        backend.assertion()[:-1] + "é",
        "a.b.c",
        "no jwt at all",
        "x" * 9000,
    ]

    for each in tries:
        assert backend.ask(assertion=each)[0] == 401, each[:80]
    assert ApiToken.objects.count() == 0


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))


def mac(header: dict[str, Any], claims: dict[str, Any], secret: bytes, kind: str) -> str:
    text = unsigned(header, claims)
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), kind))}"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_foreign_key_of_the_same_name_signs_nothing() -> None:
    backend = service()
    forged = Service(backend.client_id, ec_key.__wrapped__("ec-1"))

    status, body = forged.ask()

    assert (status, body["error"]) == (401, "invalid_client")
    assert "signature" in body["error_description"]


def test_an_assertion_counts_once() -> None:
    backend = service()
    once = backend.assertion()

    first, second = backend.ask(assertion=once), backend.ask(assertion=once)

    assert (first[0], second[0]) == (200, 401)
    assert "used already" in second[1]["error_description"]
    assert ApiToken.objects.count() == 1


def test_two_clients_may_use_the_same_jti() -> None:
    one, other = service(name="One"), service(name="Other", key=rsa_key())

    assert one.ask(assertion=one.assertion(jti="1"))[0] == 200
    assert other.ask(assertion=other.assertion(jti="1"))[0] == 200


# --- requests of the wrong form


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"client_assertion_type": "jwt"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
    ],
)
def test_another_kind_of_request_is_refused(fields: dict[str, str], error: str) -> None:
    status, body = service().ask(**fields)

    assert (status, body["error"]) == (400, error)


def test_the_request_is_one_form() -> None:
    backend = service()
    form = backend.encoded("system/Patient.rs")
    tries = [
        ("/fhir/token", form, "application/json"),
        (f"/fhir/token?{form}", form, FORM),
        ("/fhir/token", f"{form}&scope=system/*.cruds", FORM),
        ("/fhir/token", "x" * 40_000, FORM),
        ("/fhir/token", "", FORM),
        ("/fhir/token", b"\xff\xfe", FORM),
    ]

    for path, body, content_type in tries:
        response = backend.client.generic("POST", path, body, content_type)
        assert response.status_code == 400, (path[:40], content_type)
    assert backend.client.get("/fhir/token").status_code == 405
    assert ApiToken.objects.count() == 0


def test_another_client_id_beside_the_assertion_is_refused() -> None:
    backend = service()

    assert backend.ask(client_id="another")[0] == 401
    assert backend.ask(client_id=backend.client_id)[0] == 200


# --- the end of a client, its addresses, its keys


def test_disabling_a_client_ends_its_tokens_at_once() -> None:
    backend = service()
    api = Api(backend.token())
    static = Api(token())
    assert api.get("/Patient").status == 200

    execute(DisableClient(client=backend.client_id), actor=OPERATOR)

    assert api.get("/Patient").status == 401
    status, body = backend.ask()
    assert (status, body["error_description"]) == (401, "the client is disabled")
    assert static.get("/Patient").status == 200
    execute(EnableClient(client=backend.client_id), actor=OPERATOR)
    assert api.get("/Patient").status == 401
    assert Api(backend.token()).get("/Patient").status == 200


def test_a_client_comes_from_its_addresses_only() -> None:
    inside = service(name="Inside", addresses=("127.0.0.0/8",))
    outside = service(name="Outside", addresses=("10.0.0.0/8",))

    assert inside.ask()[0] == 200
    assert outside.ask()[0] == 401
    assert ApiToken.objects.get().addresses == ["127.0.0.0/8"]


def test_a_client_that_could_ask_for_a_token_is_somebody_who_listens() -> None:
    assert not anybody_listens()

    backend = service()

    assert anybody_listens()
    execute(DisableClient(client=backend.client_id), actor=OPERATOR)
    assert not anybody_listens()


def test_after_the_keys_were_replaced_only_the_new_ones_count() -> None:
    backend = service()
    renewed = Service(backend.client_id, ec_key("ec-2"))
    assert renewed.ask()[0] == 401

    execute(
        ReplaceClientKeys(client=backend.client_id, jwks=public(ec_key("ec-2"))), actor=OPERATOR
    )

    assert (backend.ask()[0], renewed.ask()[0]) == (401, 200)


# --- the audit


def test_a_token_and_a_refusal_are_in_the_audit() -> None:
    backend = service()

    backend.token()
    backend.ask(assertion=backend.assertion(aud="elsewhere"))

    given = AuditEvent.objects.get(action="GrantToken")
    assert (given.actor_name, given.address) == ("Backend", "127.0.0.1")
    refused = AuditEvent.objects.get(action="FHIR token")
    assert (refused.outcome, refused.detail) == (
        "refused",
        {"reason": "aud is not the address of this token endpoint", "error": "invalid_client"},
    )
