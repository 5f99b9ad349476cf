"""``ris client``: API clients with keys of their own, from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from ris import api_clients, cli, tokens
from ris.models import ApiClient, AuditEvent
from ris.services.accounts import token_digest

pytestmark = pytest.mark.django_db

Output = pytest.CaptureFixture[str]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    keys = [
        ECKey.generate_key("P-384", {"kid": "ec"}, private=True),
        RSAKey.generate_key(2048, {"kid": "rsa"}, private=True),
    ]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
    return path


def test_a_client_is_registered_listed_disabled_and_enabled(key_file: Path, capsys: Output) -> None:
    arguments = ["Warehouse", "--jwks", str(key_file), "--scope", "system/Patient.rs"]

    assert cli.main(["client", "add", *arguments, "--from", "10.0.0.0/8"]) == 0
    client_id = capsys.readouterr().out.strip()
    assert api_clients.show([]) == 0
    listed = capsys.readouterr().out
    assert api_clients.disable([client_id]) == 0
    disabled = ApiClient.objects.get().disabled_at
    assert api_clients.enable([client_id]) == 0

    client = ApiClient.objects.get()
    assert (client.name, client.client_id) == ("Warehouse", client_id)
    assert (client.scopes, client.addresses) == (["system/Patient.rs"], ["10.0.0.0/8"])
    assert [sorted(key) for key in client.jwks["keys"]] == [
        ["crv", "kid", "kty", "x", "y"], ["e", "kid", "kty", "n"],
    ]  # fmt: skip
    assert "ec (ES384), rsa (RS384)" in listed
    assert (disabled is None, client.disabled_at) == (False, None)
    done = AuditEvent.objects.order_by("id").values_list("action", "actor_name")
    assert list(done) == [
        (name, "command line") for name in ("AddClient", "DisableClient", "EnableClient")
    ]


def test_keys_are_replaced_from_standard_input(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    api_clients.add(["Warehouse", "--jwks", str(key_file), "--id", "warehouse"])
    key = ECKey.generate_key("P-384", {"kid": "new"}, private=True).as_dict(private=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(key)))

    assert api_clients.keys(["warehouse", "--jwks", "-"]) == 0

    assert [each["kid"] for each in ApiClient.objects.get().jwks["keys"]] == ["new"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["X", "--jwks", "/nowhere.json"], "No such file"),
        (["X", "--jwks-uri", "http://elsewhere.example/jwks"], "https://"),
        (["X", "--jwks", "KEYS", "--scope", "patient/*.read"], "no patient in context"),
        (["X", "--jwks", "KEYS", "--scope", "system/Patient.rs?colour=blue"], "colour"),
        (["X", "--jwks", "KEYS", "--from", "everywhere"], "no address or network"),
        (["X", "--jwks", "KEYS", "--id", "a b"], "a client id is"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], words: str, key_file: Path, capsys: Output
) -> None:
    given = [str(key_file) if each == "KEYS" else each for each in arguments]

    code = cli.main(["client", "add", *given])

    told = capsys.readouterr().err
    assert code == 1
    assert words in told
    assert told.count("\n") == 1
    assert ApiClient.objects.count() == 0


def test_tokens_of_clients_with_keys_are_not_listed_as_static_ones(
    key_file: Path, capsys: Output
) -> None:
    api_clients.add(["Warehouse", "--jwks", str(key_file)])
    client = ApiClient.objects.get()
    client.tokens.create(client="Warehouse", digest=token_digest("x"), scopes=["system/*.rs"])
    capsys.readouterr()

    tokens.show(["--all"])

    assert "Warehouse" not in capsys.readouterr().out
