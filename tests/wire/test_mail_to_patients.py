"""Mails leave over real sockets to a mail server not written here; text messages to a gateway."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from django.utils import timezone
from pydantic import SecretStr

from ris import config
from ris.domain.actors import TIMER
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.domain.patient_messages import SendPatientMessages
from ris.domain.scheduling import BookAppointment
from ris.models import Delivery, Endpoint, Order
from ris.services import as_of, execute, outbox, peers
from ris.services.outbox import reset_breaker
from tests import ground, make, people
from tests.wire.mllp_certificates import Authority

pytestmark = pytest.mark.django_db

PASSWORD = "a password nobody has elsewhere"


class Box:
    """Takes mails; refuses or puts off those whose address says so."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            return "451 4.7.1 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return "250 taken"

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(bytes(each.content or b""), policy=default)  # type: ignore[misc]
            for each in self.envelopes
        ]


class Server(Controller):
    """A mail server on a free port, with the login and TLS that the test wants."""

    def __init__(self, box: Box, **said: Any) -> None:
        super().__init__(box, hostname="127.0.0.1", port=0, **said)

    def _trigger_server(self) -> None:
        """The port is known only now."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=known)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def plain(box: Box) -> Iterator[Server]:
    server = Server(box)
    server.start()
    yield server
    server.stop()


def build() -> None:
    make.site("UTC")
    make.device()
    make.definition()


@pytest.fixture(autouse=True)
def rooms(db: None) -> None:
    ground.begin("mail to patients", build)


def carrier(port: int, host: str = "127.0.0.1", **settings: Any) -> Endpoint:
    said = {"sender": "radiology@clinic.example", "security": "none", **settings}
    key = execute(
        ConfigureEndpoint(
            name="Mail",
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            host=host,
            port=port,
            settings=said,
        ),
        actor=people.admin,
    )
    return Endpoint.objects.get(public_id=key)


def message_to(**person: Any) -> Order:
    """A booking of which the patient is told now."""
    return booked(noon_in(5), **person)


def noon_in(days: int) -> datetime:
    there = timezone.now() + timedelta(days=days)
    return there.replace(hour=12, minute=0, second=0, microsecond=0)


def booked(start: datetime, **person: Any) -> Order:
    order = make.order(patient=make.patient(**person))
    execute(
        BookAppointment(step=str(make.step_of(order).public_id), device="CT1", start_at=start),
        actor=people.scheduler,
    )
    outbox.fan_out()
    at = timezone.now().replace(hour=12, minute=0) + timedelta(days=1)
    with as_of(at):
        execute(SendPatientMessages(), actor=TIMER)
    Delivery.objects.filter(attempt_count=0).update(due_at=timezone.now())
    return order


def test_a_booking_arrives_as_mail_with_the_page_of_the_appointment(
    box: Box, plain: Server
) -> None:
    carrier(plain.port, sender_name="Radiologie Süd", reply_to="desk@clinic.example")
    message_to(email="anna@example.org", language="de")

    outbox.deliver_due()

    mail = box.mails[0]
    delivery = Delivery.objects.get()
    text = mail.get_content()
    assert delivery.state == "DELIVERED"
    assert box.envelopes[0].rcpt_tos == ["anna@example.org"]
    assert mail["From"] == "Radiologie Süd <radiology@clinic.example>"
    assert mail["Reply-To"] == "desk@clinic.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "de"
    assert mail["Message-ID"] == f"<{delivery.control_id}@clinic.example>"
    assert "Ihr Termin am" in mail["Subject"]
    assert f"{config.load().public_url}/p/" in text
    assert "{link}" not in text
    assert "Berg" not in text + mail["Subject"]


def test_a_mailbox_that_does_not_exist_is_a_bounce_and_holds_nothing_up(
    box: Box, plain: Server
) -> None:
    carrier(plain.port)
    message_to(email="nobody@example.org")
    booked(noon_in(6), email="anna@example.org")

    outbox.deliver_due()

    first, second = Delivery.objects.order_by("id")
    assert (first.state, first.last_error) == ("REFUSED", "bounced: 550 5.1.1 no such mailbox")
    assert second.state == "DELIVERED"
    assert len(box.mails) == 1


@pytest.mark.parametrize("address", ["anna@", "@example.org", "anna@[127"])
def test_an_address_that_is_none_is_refused_in_words(box: Box, plain: Server, address: str) -> None:
    carrier(plain.port)
    message_to(email=address)

    outbox.deliver_due()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == (
        "REFUSED",
        "cannot be written: no mail address",
    )
    assert box.mails == []


def test_what_is_put_off_goes_again_under_the_same_message_id(box: Box, plain: Server) -> None:
    carrier(plain.port)
    message_to(email="later@example.org")

    outbox.deliver_due()

    delivery = Delivery.objects.get()
    assert delivery.state == "PENDING"
    assert delivery.last_error == "451 4.7.1 greylisted, try again"
    assert delivery.due_at > timezone.now()


def test_a_server_that_is_away_is_tried_later(box: Box) -> None:
    gone = Server(box)
    gone.start()
    port = gone.port
    gone.stop()
    carrier(port)
    message_to(email="anna@example.org")

    outbox.deliver_due()

    assert Delivery.objects.get().state == "PENDING"
    assert Delivery.objects.get().last_error == "no connection (ConnectionRefusedError)"


def test_a_login_is_said_inside_tls_only(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Authority(tmp_path)
    known = config.load()
    secrets = known.patients.model_copy(
        update={"mail_password": SecretStr(PASSWORD), "mail_ca": made.pem}
    )
    told = known.model_copy(update={"patients": secrets})
    monkeypatch.setattr(config, "load", lambda: told)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made.certify("server"))
    server = Server(
        box, tls_context=context, require_starttls=True, authenticator=login, auth_required=True
    )
    server.start()
    try:
        endpoint = carrier(server.port, "localhost", security="starttls", user="radiology")
        message_to(email="anna@example.org")
        outbox.deliver_due()
        answered = peers.test_connection(
            Protocol.MAIL,
            peers.Peer(host="localhost", port=server.port, settings=endpoint.settings),
        )
        unsafe = peers.test_connection(
            Protocol.MAIL,
            peers.Peer(
                host="localhost",
                port=server.port,
                settings={**endpoint.settings, "security": "none"},
            ),
        )
    finally:
        server.stop()

    assert Delivery.objects.get().state == "DELIVERED"
    assert len(box.mails) == 1
    assert answered.ok
    assert unsafe.words == "SMTPNotSupportedError: a login needs TLS: set security"


def test_the_folder_takes_what_no_server_takes_yet(tmp_path: Path) -> None:
    from integration.mail.outbound import folder_of

    reset_breaker()
    execute(
        ConfigureEndpoint(
            name="../Folder",
            protocol=Protocol.MAIL,
            direction=Direction.OUT,
            settings={"transport": "folder"},
        ),
        actor=people.admin,
    )
    message_to(email="anna@example.org")

    outbox.deliver_due()

    folder = folder_of("../Folder")
    delivery = Delivery.objects.get()
    assert folder.parent == config.load().home / "mail"
    stored = folder / f"{delivery.control_id}.eml"
    assert b"anna@example.org" in stored.read_bytes()
    assert stored.stat().st_mode & 0o777 == 0o600


# --- text messages


class Gateway(BaseHTTPRequestHandler):
    """Takes what is signed with the key, once for each Idempotency-Key."""

    taken: list[tuple[dict[str, str], bytes]]
    status = 202

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).taken.append((dict(self.headers), body))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        """Not onto the terminal of the tests."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, type[Gateway]]]:
    reset_breaker()
    handler = type("Fresh", (Gateway,), {"taken": [], "status": 202})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/sms", handler
    server.shutdown()
    server.server_close()
    thread.join(5)


def by_text(url: str) -> None:
    execute(
        ConfigureEndpoint(
            name="SMS",
            protocol=Protocol.SMS,
            direction=Direction.OUT,
            settings={"url": url, "sender": "Clinic"},
        ),
        actor=people.admin,
    )


def test_a_text_message_is_signed_json(
    gateway: tuple[str, type[Gateway]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = gateway
    known = config.load()
    secrets = known.patients.model_copy(
        update={"sms_key": SecretStr("key"), "sms_hosts": ("127.0.0.1",)}
    )
    told = known.model_copy(update={"patients": secrets})
    monkeypatch.setattr(config, "load", lambda: told)
    by_text(url)
    message_to(phone="+43 660 555 01 00")

    outbox.deliver_due()

    headers, body = handler.taken[0]
    said = json.loads(body)
    signed = headers["X-Ris-Timestamp"].encode() + b"." + body
    made = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
    assert headers["X-Ris-Signature"] == f"sha256={made}"
    assert headers["Idempotency-Key"] == said["id"] == Delivery.objects.get().control_id
    assert (said["to"], said["from"]) == ("+436605550100", "Clinic")
    assert "/p/" in said["text"]
    assert Delivery.objects.get().state == "DELIVERED"


def test_a_gateway_in_our_own_network_is_not_called_unless_allowed(
    gateway: tuple[str, type[Gateway]],
) -> None:
    url, handler = gateway
    by_text(url)
    message_to(phone="+43 660 555 01 00")

    outbox.deliver_due()

    assert handler.taken == []
    assert Delivery.objects.get().state == "PENDING"
    assert "allow its host" in Delivery.objects.get().last_error
