"""``ris token add|list|revoke``: bearer tokens of API clients."""

from __future__ import annotations

import argparse
import ipaddress
from datetime import timedelta

from django.utils import timezone

from ris.domain.accounts import IssueToken, RevokeToken
from ris.domain.actors import OPERATOR
from ris.models import ApiToken
from ris.services import execute
from ris.terminal import complain, say, table

EVERYTHING = "system/*.cruds"


def add(argv: list[str]) -> int:
    """Make a token and show it once."""
    parser = argparse.ArgumentParser(
        prog="ris token add",
        description="Make a bearer token for an API client. Only its hash is stored, so it is "
        "shown this once.",
    )
    parser.add_argument(
        "client",
        help="name of the client, as the audit will show it; for a device its AE title",
    )
    parser.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="SMART scope such as system/ServiceRequest.cruds, for DICOMweb "
        "system/worklist.read or system/mpps.*, for REST a role as role/scheduler; may repeat; "
        "default all of FHIR: "
        f"{EVERYTHING}",
    )
    parser.add_argument("--days", type=int, metavar="N", help="ends after N days; default: never")
    parser.add_argument(
        "--from",
        dest="addresses",
        action="append",
        metavar="NETWORK",
        help="accepted only from this address or network; may repeat",
    )
    arguments = parser.parse_args(argv)
    if arguments.days is not None and arguments.days < 1:
        parser.error("--days must be at least 1")
    for network in arguments.addresses or ():
        try:
            ipaddress.ip_network(network)
        except ValueError:
            parser.error(f"--from: {network} is no address or network such as 10.1.0.0/16")
    ends = timezone.now() + timedelta(days=arguments.days) if arguments.days else None
    issued = execute(
        IssueToken(
            client=arguments.client,
            scopes=tuple(arguments.scope or [EVERYTHING]),
            expires_at=ends,
            addresses=tuple(arguments.addresses or ()),
        ),
        actor=OPERATOR,
    )
    say(issued.secret)
    complain(f"token {issued.public_id} of {arguments.client}; it is not shown again")
    return 0


def show(argv: list[str]) -> int:
    """List tokens without their text."""
    parser = argparse.ArgumentParser(prog="ris token list", description="List API tokens.")
    parser.add_argument("--all", action="store_true", help="ended and revoked ones too")
    arguments = parser.parse_args(argv)
    now = timezone.now()
    rows: list[tuple[str, ...]] = [("id", "client", "state", "last used", "scopes")]
    # Those of clients with keys come and go by themselves; `ris client list` has the clients.
    for token in ApiToken.objects.filter(api_client__isnull=True).order_by("client", "id"):
        ended = token.expires_at is not None and token.expires_at <= now
        state = "revoked" if token.revoked_at else "ended" if ended else "valid"
        if state != "valid" and not arguments.all:
            continue
        if state == "valid" and token.expires_at:
            state = f"valid until {token.expires_at:%Y-%m-%d}"
        used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
        rows.append((str(token.public_id), token.client, state, used, " ".join(token.scopes)))
    table(rows)
    return 0


def revoke(argv: list[str]) -> int:
    """End a token now."""
    parser = argparse.ArgumentParser(
        prog="ris token revoke", description="End a token now; `ris token list` shows the ids."
    )
    parser.add_argument("id")
    arguments = parser.parse_args(argv)
    execute(RevokeToken(token=arguments.id), actor=OPERATOR)
    say(f"revoked {arguments.id}")
    return 0
