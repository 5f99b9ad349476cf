"""The demo's site, catalog, logins, tokens and practitioners."""

from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.hashers import make_password

from ris.checks import DEMO_KEY
from ris.demo import dose
from ris.demo.cast import ISSUER, LOGINS, Cast, Login, catalog, folder
from ris.demo.referrers import let_in
from ris.domain.accounts import CreateUser, IssueToken
from ris.domain.actors import OPERATOR, Actor
from ris.domain.configuration import ApplyConfiguration
from ris.domain.configuration_file import Tables, render
from ris.domain.dose import SetReferenceLevel
from ris.domain.exchange import (
    ConfigureEndpoint,
    Direction,
    PauseEndpoint,
    Protocol,
    Subscription,
)
from ris.domain.facility import RegisterPractitioner
from ris.domain.letterheads import ChangeLetterhead
from ris.domain.measures import Measure
from ris.domain.values import Code, Identifier
from ris.selectors import facility
from ris.selectors.exchange import endpoints
from ris.services import execute

SCANNER_KEY = "demo-ct1-token"  # for DICOMweb; everybody knows it
PORTAL = "GP PORTAL"
PUBLIC_WORD = "demo"  # the password; the start of anything but a demo refuses it


def equip(cast: Cast) -> dict[str, Actor]:
    """Everything but the receivers; returns who works here, by role."""
    # Hashing is slow on purpose and lets other threads run: it goes beside the rest, and once.
    pool = ThreadPoolExecutor(1)
    hashing = pool.submit(make_password, PUBLIC_WORD)
    pool.shutdown(wait=False)
    site = read_site()
    inbound = [row for row in site["endpoint"] if row["direction"] == "in"]
    content = "\n".join((render({**site, "endpoint": inbound}), *catalog()))
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
    for value, level in dose.LEVELS.items():
        execute(
            SetReferenceLevel(
                code=Code(value, dose.SCHEME),
                measure=Measure.DLP,
                value=level,
                origin="invented for the demo",
            ),
            actor=OPERATOR,
        )
    execute(
        ChangeLetterhead(
            site=facility.site().public_id,
            institution="Demo General Hospital",
            department="Department of Radiology",
            address="1 Harbor Road\n12345 Demo Town",
            phone="+1 555 0100",
            email="radiology@hospital.example",
            web="radiology.hospital.example",
            footer="Everybody in this demo is invented. No report of it is about anybody.",
        ),
        actor=OPERATOR,
    )
    execute(
        IssueToken(client="Demo EHR", scopes=("system/*.cruds",), secret=DEMO_KEY),
        actor=OPERATOR,
    )
    execute(
        IssueToken(
            client="CT1", scopes=("system/worklist.read", "system/mpps.*"), secret=SCANNER_KEY
        ),
        actor=OPERATOR,
    )
    password_hash = hashing.result()
    actors = {login.username: login.actor(_create(login, password_hash)) for login in LOGINS}
    let_in()
    return actors


def connect_receivers() -> None:
    """The systems that are told of what happens from here on."""
    outbound = [row for row in read_site()["endpoint"] if row["direction"] == "out"]
    execute(ApplyConfiguration(content=render({"endpoint": outbound})), actor=OPERATOR)


def set_portal(character_set: str) -> None:
    """What the portal is written in from here on."""
    (portal,) = (row for row in read_site()["endpoint"] if row["name"] == PORTAL)
    names = ("name", "protocol_name", "host", "port", "version")
    change = ConfigureEndpoint(
        **{name: portal[name] for name in names},
        protocol=Protocol.HL7,
        direction=Direction.OUT,
        character_set=character_set,
        sends=tuple(Subscription(each) for each in portal["sends"]),
    )
    execute(change, actor=OPERATOR)


def pause_portal() -> None:
    """One receiver is down for the day, and an administrator knows."""
    portal = next(each for each in endpoints(Protocol.HL7, Direction.OUT) if each.name == PORTAL)
    execute(
        PauseEndpoint(endpoint=portal.public_id, paused=True, reason="Their line is being moved"),
        actor=OPERATOR,
    )


def read_site() -> Tables:
    return tomllib.loads((folder("demo") / "site.toml").read_text(encoding="utf-8"))


def stations() -> dict[str, tuple[str, str]]:
    """Station name and room of each device, by AE title."""
    return {row["ae_title"]: (row["station_name"], row["room"]) for row in read_site()["device"]}


def _create(login: Login, password_hash: str) -> int:
    return execute(
        CreateUser(
            username=login.username,
            password="",
            password_hash=password_hash,
            roles=frozenset({login.role}),
            first_name=login.first_name,
            last_name=login.last_name,
        ),
        actor=OPERATOR,
    )
