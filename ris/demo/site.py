"""The demo's site, catalog, logins, token and practitioners."""

from __future__ import annotations

import tomllib

from ris.checks import DEMO_TOKEN
from ris.demo.cast import ISSUER, LOGINS, Cast, Login, catalog, folder
from ris.domain.accounts import CreateUser, IssueToken
from ris.domain.actors import OPERATOR, Actor
from ris.domain.configuration import ApplyConfiguration, Tables, render
from ris.domain.facility import RegisterPractitioner
from ris.domain.values import Identifier
from ris.services import execute

PASSWORD = "demo"  # noqa: S105 - public: the start of anything but a demo refuses it


def equip(cast: Cast) -> dict[str, Actor]:
    """Everything but the receivers; returns who works here, by role."""
    site = _site()
    inbound = [row for row in site["endpoint"] if row["direction"] == "in"]
    execute(
        ApplyConfiguration(content=render({**site, "endpoint": inbound})),
        actor=OPERATOR,
    )
    for content in catalog():
        execute(ApplyConfiguration(content=content), actor=OPERATOR)
    for physician in cast.physicians.values():
        execute(
            RegisterPractitioner(
                name=physician.name,
                identifier=Identifier(physician.number, ISSUER),
                phone=physician.phone,
            ),
            actor=OPERATOR,
        )
    execute(
        IssueToken(client="Demo EHR", scopes=("system/*.cruds",), secret=DEMO_TOKEN),
        actor=OPERATOR,
    )
    return {login.username: login.actor(_create(login)) for login in LOGINS}


def connect_receivers() -> None:
    """The systems that are told of what happens from here on."""
    outbound = [row for row in _site()["endpoint"] if row["direction"] == "out"]
    execute(ApplyConfiguration(content=render({"endpoint": outbound})), actor=OPERATOR)


def _site() -> Tables:
    return tomllib.loads((folder("demo") / "site.toml").read_text(encoding="utf-8"))


def _create(login: Login) -> int:
    return execute(
        CreateUser(
            username=login.username,
            password=PASSWORD,
            roles=frozenset({login.role}),
            first_name=login.first_name,
            last_name=login.last_name,
        ),
        actor=OPERATOR,
    )
