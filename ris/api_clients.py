"""``ris client add|list|keys|disable|enable``: API clients with a key of their own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ris.domain.actors import OPERATOR
from ris.domain.api_clients import AddClient, DisableClient, EnableClient, ReplaceClientKeys
from ris.domain.errors import InvalidValueError
from ris.selectors import api_clients
from ris.services import execute
from ris.terminal import complain, say, table
from ris.tokens import EVERYTHING

MAX_FILE = 256 * 1024


def _with_keys(parser: argparse.ArgumentParser) -> None:
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument(
        "--jwks", metavar="FILE", help="its public keys as a JSON Web Key Set; - reads them"
    )
    keys.add_argument(
        "--jwks-uri",
        metavar="URL",
        default="",
        help="address of its public keys; the host must be in RIS_FHIR__JWKS_HOSTS",
    )


def _jwks(name: str | None) -> Any:
    if name is None:
        return None
    try:
        text = sys.stdin.read(MAX_FILE) if name == "-" else Path(name).read_text("utf-8")
        return json.loads(text)
    except UnicodeDecodeError:
        raise InvalidValueError(f"{name} is no text") from None
    except OSError as error:
        raise InvalidValueError(f"{name}: {error.strerror}") from None
    except ValueError:
        raise InvalidValueError(f"{name} is no JSON") from None


def add(argv: list[str]) -> int:
    """Register a client and say its id."""
    parser = argparse.ArgumentParser(
        prog="ris client add",
        description="Register an API client that proves who it is with a key of its own (SMART "
        "backend services). It gets its tokens from [base]/token.",
    )
    parser.add_argument("name", help="name of the client, as the audit will show it")
    _with_keys(parser)
    parser.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="SMART scope such as system/ServiceRequest.cruds or, for some rows only, "
        f"system/ServiceRequest.rs?status=active; may repeat; default all of FHIR: {EVERYTHING}",
    )
    parser.add_argument("--id", default="", metavar="ID", help="its client id; default: made here")
    parser.add_argument(
        "--from",
        dest="addresses",
        action="append",
        metavar="NETWORK",
        help="accepted only from this address or network; may repeat",
    )
    arguments = parser.parse_args(argv)
    client_id = execute(
        AddClient(
            name=arguments.name,
            scopes=tuple(arguments.scope or [EVERYTHING]),
            jwks=_jwks(arguments.jwks),
            jwks_uri=arguments.jwks_uri,
            client_id=arguments.id,
            addresses=tuple(arguments.addresses or ()),
        ),
        actor=OPERATOR,
    )
    say(client_id)
    complain(f"client id of {arguments.name}; the token endpoint is [base]/token")
    return 0


def show(argv: list[str]) -> int:
    """List clients."""
    argparse.ArgumentParser(prog="ris client list", description="List API clients.").parse_args(
        argv
    )
    rows: list[tuple[str, ...]] = [("client id", "name", "state", "last used", "keys", "scopes")]
    for client in api_clients.clients():
        used = f"{client.last_used_at:%Y-%m-%d %H:%M}" if client.last_used_at else "never"
        keys = client.jwks_uri or ", ".join(client.keys)
        state = "disabled" if client.disabled_at else "active"
        rows.append((client.client_id, client.name, state, used, keys, " ".join(client.scopes)))
    table(rows)
    return 0


def keys(argv: list[str]) -> int:
    """Replace the keys of a client."""
    parser = argparse.ArgumentParser(
        prog="ris client keys",
        description="Replace the keys of a client; a set may hold the old one and the new one.",
    )
    parser.add_argument("id", help="the client id")
    _with_keys(parser)
    arguments = parser.parse_args(argv)
    execute(
        ReplaceClientKeys(
            client=arguments.id, jwks=_jwks(arguments.jwks), jwks_uri=arguments.jwks_uri
        ),
        actor=OPERATOR,
    )
    say(f"the keys of {arguments.id} were replaced")
    return 0


def disable(argv: list[str]) -> int:
    """End a client and its tokens now."""
    parser = argparse.ArgumentParser(
        prog="ris client disable", description="End a client and its tokens now."
    )
    parser.add_argument("id", help="the client id")
    arguments = parser.parse_args(argv)
    execute(DisableClient(client=arguments.id), actor=OPERATOR)
    say(f"disabled {arguments.id}")
    return 0


def enable(argv: list[str]) -> int:
    """Let a client in again."""
    parser = argparse.ArgumentParser(
        prog="ris client enable", description="Let a disabled client in again."
    )
    parser.add_argument("id", help="the client id")
    arguments = parser.parse_args(argv)
    execute(EnableClient(client=arguments.id), actor=OPERATOR)
    say(f"enabled {arguments.id}")
    return 0
