"""The page of API clients and tokens: registering, showing a secret once, ending."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from django.test import Client
from joserfc.jwk import ECKey

from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.domain.api_clients import AddClient
from ris.models import ApiClient, ApiToken, AuditEvent
from ris.selectors.accounts import token_for
from ris.services import execute
from ris.web.exchange.scope_words import in_words

LogIn = Callable[[str], Client]
PAGE = "/interfaces/clients/"


def key_set(kid: str = "k1", *, private: bool = False) -> str:
    key = ECKey.generate_key("P-384", {"kid": kid}, private=True)
    return json.dumps({"keys": [key.as_dict(private=private)]})


def registered(name: str = "Backend", **more: str) -> str:
    command = AddClient(name=name, scopes=("system/*.rs",), jwks=json.loads(key_set()), **more)
    return execute(command, actor=OPERATOR)


def test_an_administrator_registers_a_client_by_its_public_key(as_: LogIn) -> None:
    admin = as_("admin")
    form = {
        "name": "Warehouse",
        "jwks": key_set(),
        "scopes": "system/Patient.rs\nsystem/DiagnosticReport.rs?status=final",
        "addresses": "10.0.0.0/8, 192.0.2.7",
    }

    answer = admin.post(f"{PAGE}add/", form)

    assert (answer.status_code, answer["Location"]) == (303, PAGE)
    client = ApiClient.objects.get()
    assert client.scopes == ["system/Patient.rs", "system/DiagnosticReport.rs?status=final"]
    assert client.addresses == ["10.0.0.0/8", "192.0.2.7"]
    page = admin.get(PAGE).content.decode()
    assert client.client_id in page
    assert "read and search DiagnosticReport, only where status is final" in page
    assert AuditEvent.objects.get(action="AddClient").actor_name == "admin"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("jwks", "", "give the client’s public keys"),
        ("jwks", "no json", "this is no JSON"),
        ("jwks", '{"keys": []}', "one key at least"),
        ("jwks", "private", "private key"),
        ("jwks_uri", "http://elsewhere.example/jwks", "give the client’s public keys"),
        ("scopes", "patient/Patient.rs", "no patient in context"),
        ("scopes", "system/Patient.sr", "a scope is like"),
        ("scopes", "role/system", "a scope is like"),
        ("scopes", "system/Task.rs?statuss=ready", "statuss"),
        ("scopes", "system/*.rs?nonsense=1", "no type has these search parameters"),
        ("name", "Backend", "there is a client of this name"),
        ("client_id", "with blanks inside", "a client id is"),
        ("addresses", "everywhere", "no address or network"),
    ],
)
def test_a_form_with_a_fault_says_which(as_: LogIn, field: str, value: str, words: str) -> None:
    registered()
    form = {"name": "New", "jwks": key_set(), "scopes": "system/*.rs"}
    form[field] = key_set(private=True) if value == "private" else value

    answer = as_("admin").post(f"{PAGE}add/", form)

    text = re.sub(r"&#x27;", "’", answer.content.decode())
    assert answer.status_code in {409, 422}
    assert words in text
    assert ApiClient.objects.count() == 1


def test_a_token_is_shown_once(as_: LogIn) -> None:
    admin = as_("admin")

    answer = admin.post(
        f"{PAGE}tokens/", {"client": "Portal", "scopes": "system/Patient.rs", "days": "30"}
    )

    found = re.search(r'id="secret"[^>]* value="([^"]+)"', answer.content.decode())
    assert found is not None
    token = token_for(found[1])
    assert token is not None
    assert (token.client, token.scopes) == ("Portal", ("system/Patient.rs",))
    assert answer["Cache-Control"] == "no-store"
    assert found[1] not in admin.get(PAGE).content.decode()


def test_disabling_enabling_and_revoking_from_the_page(as_: LogIn) -> None:
    admin = as_("admin")
    client_id = registered()
    issued = execute(IssueToken(client="Portal", scopes=("system/*.rs",)), actor=OPERATOR)

    admin.post(f"{PAGE}{client_id}/disable/")
    disabled = ApiClient.objects.get().disabled_at
    admin.post(f"{PAGE}{client_id}/enable/")
    admin.post(f"{PAGE}tokens/{issued.public_id}/revoke/")

    assert disabled is not None
    assert ApiClient.objects.get().disabled_at is None
    assert ApiToken.objects.get().revoked_at is not None
    assert "Portal" not in admin.get(PAGE).content.decode()
    assert "Revoked" in admin.get(f"{PAGE}?ended=yes").content.decode()


def test_keys_are_replaced_on_their_page(as_: LogIn) -> None:
    admin = as_("admin")
    client_id = registered(client_id="https://backend.example/client")

    shown = admin.get(f"{PAGE}{client_id}/keys/").content.decode()
    answer = admin.post(f"{PAGE}{client_id}/keys/", {"jwks": key_set("k2")})
    wrong = admin.post(f"{PAGE}{client_id}/keys/", {"jwks": "{}"})

    assert "k1 (ES384)" in shown
    assert (answer.status_code, wrong.status_code) == (303, 422)
    assert [key["kid"] for key in ApiClient.objects.get().jwks["keys"]] == ["k2"]
    assert admin.get(f"{PAGE}unknown/keys/").status_code == 404


def test_a_manager_sees_the_page_and_changes_nothing(as_: LogIn) -> None:
    manager = as_("manager")
    client_id = registered()

    page = manager.get(PAGE).content.decode()
    refused = [
        manager.post(f"{PAGE}add/", {"name": "x"}).status_code,
        manager.post(f"{PAGE}tokens/", {"client": "x"}).status_code,
        manager.post(f"{PAGE}{client_id}/disable/").status_code,
        manager.post(f"{PAGE}{client_id}/keys/", {"jwks": key_set()}).status_code,
    ]

    assert "Add a client" not in page
    assert refused == [403, 403, 403, 403]
    assert ApiClient.objects.get().disabled_at is None
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("system/*.cruds", "create, read, change, delete and search everything"),
        ("system/Patient.r", "read Patient"),
        ("system/Patient.read", "read and search Patient"),
        ("system/*.*", "create, read, change, delete and search everything"),
        (
            "system/ServiceRequest.rs?status=active&category=x",
            "read and search ServiceRequest, only where status is active and category is x",
        ),
        ("system/worklist.read", "read and search the worklist (DICOMweb)"),
        ("role/scheduler", "do over REST what the role scheduler may"),
        ("openid", ""),
        ("system/Patient.xyz", ""),
    ],
)
def test_scopes_are_told_in_words(scope: str, words: str) -> None:
    assert [line.words for line in in_words((scope,))] == [words]
