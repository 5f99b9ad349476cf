"""Golden cases: fixtures/hl7/<message>/<case>/in.hl7 → commands.json and reply.hl7.

``in.hl7`` has a segment to a line and the character set of its MSH-18; ``before.hl7`` holds
messages that came earlier. ``pytest --update-golden`` rewrites what is expected: read the
difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integration.hl7.commands import messages_of
from integration.hl7.er7 import Message
from integration.hl7.inbound import handle
from integration.hl7.profiles import for_unknown_sender
from integration.hl7.routes import ROUTES
from integration.hl7.server import Peer, Reply
from integration.hl7.times import message_zone
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.models import Order
from ris.selectors.facility import SiteView
from ris.services import execute
from tests import make, people

ROOT = Path(__file__).resolve().parents[3]
CASES = sorted(path.parent for path in (ROOT / "fixtures" / "hl7").glob("*/*/in.hl7"))
NAMES = [f"{case.parent.name}/{case.name}" for case in CASES]
SITE = SiteView(
    name="Test site",
    institution="Test Hospital",
    time_zone="Europe/Vienna",
    patient_id_issuer="HOSP",
)


def _plain(value: Any) -> Any:
    """A command as JSON: names of classes, and only what differs from the defaults."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {}
        for field in fields(value):
            item = getattr(value, field.name)
            default = (
                field.default_factory() if field.default_factory is not MISSING else field.default
            )
            if item != default:
                told[field.name] = _plain(item)
        return told
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _perform_all() -> None:
    """Do the exams that were ordered, as far as they were not done yet."""
    for order in Order.objects.filter(procedures__steps__status="SCHEDULED").distinct():
        command = make.start(order)
        execute(command, actor=people.ct1)
        execute(
            CompletePerformedStep(
                sop_instance_uid=command.sop_instance_uid,
                details=PerformedDetails(ended_at=make.NOON + timedelta(minutes=15)),
            ),
            actor=people.ct1,
        )


def _messages(file: Path) -> list[bytes]:
    return list(messages_of(file.read_bytes())) if file.is_file() else []


def test_there_are_cases_for_every_message() -> None:
    kinds = {case.parent.name for case in CASES}

    assert {f"{code}_{trigger}".lower() for code, trigger in ROUTES} <= kinds


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_commands(case: Path, golden: Callable[[Path | str, str], None]) -> None:
    (raw,) = _messages(case / "in.hl7")
    message = Message.from_bytes(raw, default_charset="UNICODE UTF-8")
    header = message.header
    agreed = for_unknown_sender(SITE, (header.sending_application, header.sending_facility))
    agreed = replace(agreed, zone=message_zone(header.get("7"), ZoneInfo("Europe/Vienna")))

    told: list[Any]
    try:
        requests = ROUTES[header.code, header.trigger].translate(message, agreed)
        told = [
            [{type(command).__name__: _plain(command)} for command in request.commands]
            for request in requests
        ]
    except RisError as error:
        faults = error.errors if isinstance(error, SeveralErrors) else [error]
        told = [{"fault": each.code.value, "place": each.path} for each in faults]
    golden(
        (case / "commands.json").relative_to(ROOT),
        json.dumps(told, indent=2, ensure_ascii=False) + "\n",
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("accepting")
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_reply(case: Path, golden: Callable[[Path | str, str], None]) -> None:
    make.site()
    make.device()
    peer = Peer("127.0.0.1", 50000, 2575, 1)
    for raw in _messages(case / "before.hl7"):
        assert handle(raw, peer) is not None
        if (case / "performed").is_file():
            _perform_all()
    (raw,) = _messages(case / "in.hl7")

    reply = handle(raw, peer)

    assert isinstance(reply, Reply)
    header, _, rest = reply.payload.decode("latin-1").partition("\r")
    parts = header.split("|")
    parts[6], parts[9] = "(time)", "(control id)"
    assert re.fullmatch(r"[0-9a-f]{20}", header.split("|")[9])
    golden(
        (case / "reply.hl7").relative_to(ROOT),
        ("|".join(parts) + "\r" + rest).replace("\r", "\n"),
    )
