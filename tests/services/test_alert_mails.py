"""Alerts of connections are mailed to who looks after them, without anybody of a patient."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
import time_machine

from integration.mail.outbound import folder_of
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, Subscription
from ris.models import Delivery, Endpoint
from ris.selectors.patient_messages import carriers
from ris.services import alerts, execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 2, tzinfo=UTC)


def mail_server(**settings: Any) -> str:
    return execute(
        ConfigureEndpoint(
            name="On call",
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            sends=(Subscription.ALERTS,),
            settings={"transport": "folder", "sender": "ris@clinic.example", **settings},
        ),
        actor=people.admin,
    )


def parked(to: str, control_id: str = "C1") -> Delivery:
    """A message that a peer refused, which keeps the next one waiting."""
    return Delivery.objects.create(
        endpoint=Endpoint.objects.get(public_id=to),
        control_id=control_id,
        lane=f"order:{control_id}",
        message_type="ORU^R01",
        payload=b"MSH|",
        state="REFUSED",
        due_at=NOON,
    )


def look(at: datetime) -> None:
    with time_machine.travel(at, tick=False):
        alerts.watch()
        outbox.fan_out()


def queued() -> list[dict[str, Any]]:
    rows = Delivery.objects.filter(message_type="alert").order_by("id")
    return [json.loads(bytes(row.payload)) for row in rows]


def test_an_alert_is_mailed_when_it_begins_and_when_it_is_over() -> None:
    make.site("UTC")
    mail_server(alerts_to="night@clinic.example, it@clinic.example")
    row = parked(make.endpoint("PACS"))

    look(NOON)
    Delivery.objects.filter(pk=row.pk).update(state="DELIVERED")
    look(NOON + timedelta(minutes=3))

    first, second, over, _ = queued()
    assert (first["to"], second["to"]) == ("night@clinic.example", "it@clinic.example")
    assert first["subject"] == "PACS: messages are parked and hold others up"
    assert first["text"].splitlines() == [
        "PACS: messages are parked and hold others up.",
        "1 message refused or given up",
        "Since: 2 March 2026, 12:02",
        "",
        "http://127.0.0.1:8000/interfaces/",
    ]
    assert over["subject"] == "Mended: PACS: messages are parked and hold others up"
    assert "Over since: 2 March 2026, 12:05" in over["text"]


def test_it_leaves_as_a_mail_in_the_language_that_is_set() -> None:
    make.site("UTC")
    mail_server(alerts_to="night@clinic.example", alerts_language="de")
    endpoint = make.endpoint("PACS")
    for control_id in ("C1", "C2"):
        parked(endpoint, control_id)
    look(NOON)

    outbox.deliver_due()

    (file,) = folder_of("On call").glob("*.eml")
    mail = message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=default)
    assert mail["To"] == "night@clinic.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "de"
    assert mail["Subject"] == "PACS: Nachrichten sind geparkt und halten andere auf"
    assert "2. März 2026 12:02" in mail.get_content()
    assert "2 Nachrichten abgelehnt oder aufgegeben" in mail.get_content()


def test_what_is_wrong_with_the_mail_server_is_not_mailed_by_it() -> None:
    make.site("UTC")
    server = mail_server(alerts_to="night@clinic.example")
    parked(server)

    look(NOON)

    assert queued() == []


def test_messages_to_patients_do_not_leave_by_it() -> None:
    mail_server(alerts_to="night@clinic.example")

    assert carriers() == {}


def test_alerts_need_somebody_to_write_to() -> None:
    with pytest.raises(MissingValueError) as refused:
        mail_server()

    assert (refused.value.message, refused.value.path) == (
        "say who is written to",
        "settings.alerts_to",
    )


@pytest.mark.parametrize(
    ("settings", "message", "path"),
    [
        ({"alerts_to": "night at clinic"}, "no mail address", "settings.alerts_to"),
        ({"alerts_to": "night@"}, "no mail address", "settings.alerts_to"),
        ({"alerts_to": "@clinic.example"}, "no mail address", "settings.alerts_to"),
        ({"alerts_to": "night@[127"}, "no mail address", "settings.alerts_to"),
        (
            {"alerts_to": ",".join(f"a{number}@clinic.example" for number in range(10))},
            "more than 9 addresses: write to a list",
            "settings.alerts_to",
        ),
        (
            {"alerts_to": "night@clinic.example", "alerts_language": "la"},
            "not a language of the pages",
            "settings.alerts_language",
        ),
    ],
)
def test_who_is_written_to_and_how_is_checked(
    settings: dict[str, str], message: str, path: str
) -> None:
    with pytest.raises(InvalidValueError) as refused:
        mail_server(**settings)

    assert (refused.value.message, refused.value.path) == (message, path)
