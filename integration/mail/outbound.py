"""The outbox's protocols for patients: ``mail`` and ``sms`` (ris.domain.protocol)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integration.mail import message, settings, sms, smtp
from integration.mail.settings import MailSettings, SmsSettings
from ris import config
from ris.domain.errors import MissingValueError
from ris.domain.exchange import MAIL_SUBSCRIPTIONS, Direction, Protocol, Subscription
from ris.domain.patient_messages import EVENTS, Channel
from ris.domain.protocol import Attempt, EndpointInfo, OnRefusal, Outgoing, Result, StoredEvent
from ris.services import alert_mails, desk, outbox, patient_messages, peers, referring
from ris.services.patient_messages import moment


class _Patients:
    """What both have in common: a change is planned, and what is queued is sent as it is."""

    channel: Channel

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        return event in EVENTS

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        """Nothing leaves at once: the change waits for the next one (docs/adr/0037)."""
        patient_messages.plan(event, self.channel)
        return ()

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        """As it is: the control id is no part of what is stored."""
        return payload


class Mail(_Patients):
    channel = Channel.MAIL

    def cares(self, event: str, endpoint: EndpointInfo) -> bool:
        told = not MAIL_SUBSCRIPTIONS.isdisjoint(endpoint.sends)
        return told or super().cares(event, endpoint)

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        """One that sends notices or alerts tells doctors or administrators, and no patient."""
        if MAIL_SUBSCRIPTIONS.isdisjoint(endpoint.sends):
            return super().render(event, endpoint, control_id)
        if Subscription.REPORT_NOTICES.value in endpoint.sends:
            referring.plan(event)
        if Subscription.ALERTS.value not in endpoint.sends:
            return ()
        said = MailSettings.model_validate(dict(endpoint.settings))
        to = settings.addresses(said.alerts_to)
        return alert_mails.written(event, endpoint.name, to, said.alerts_language, control_id)

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        said = MailSettings.model_validate(dict(endpoint.settings))
        if why := patient_messages.why_not_now(control_id) or referring.why_not_now(control_id):
            return _left_out(why)
        try:
            mail = message.mail(message.read(payload), control_id, said, moment())
        except ValueError as error:
            return Attempt(result=Result.REFUSED, error=f"cannot be written: {error}", park_after=1)
        if said.transport == "folder":
            return _store(mail.as_bytes(), control_id, endpoint)
        return smtp.deliver(mail, endpoint, said)

    def check_settings(self, said: Mapping[str, Any]) -> dict[str, Any]:
        found = settings.checked(MailSettings, said)
        if found.get("transport", "smtp") == "smtp" and not found.get("sender"):
            raise MissingValueError("say which address the mails come from", path="settings.sender")
        return found


class Sms(_Patients):
    channel = Channel.SMS

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        said = SmsSettings.model_validate(dict(endpoint.settings))
        if why := patient_messages.why_not_now(control_id):
            return _left_out(why)
        return sms.deliver(message.read(payload), control_id, said, moment())

    def check_settings(self, said: Mapping[str, Any]) -> dict[str, Any]:
        found = settings.checked(SmsSettings, said)
        if not found.get("url"):
            raise MissingValueError("say where the gateway is", path="settings.url")
        return found


def _left_out(why: str) -> Attempt:
    """Not sent, and nobody has to look at it."""
    return Attempt(result=Result.REFUSED, error=why, park_after=1, on_refusal=OnRefusal.SKIP)


def folder_of(endpoint: str) -> Path:
    """Where mails of an endpoint are put: below the data directory, whatever it is called."""
    name = re.sub(r"[^\w.-]+", "-", endpoint).strip(".-") or "mail"
    return config.load().home / "mail" / name


def _store(raw: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
    """One file for each mail; the same one again is the same file."""
    folder = folder_of(endpoint.name)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting = folder / f".{control_id}.part"
        waiting.write_bytes(raw)
        waiting.chmod(0o600)
        waiting.rename(folder / f"{control_id}.eml")
    except OSError as error:
        return Attempt(result=Result.TRANSIENT, error=f"the folder: {error.strerror or error}")
    return Attempt(result=Result.DELIVERED, reply=b"stored")


def _probe(peer: peers.Peer) -> str:
    said = MailSettings.model_validate(dict(peer.settings))
    if said.transport == "folder":
        return ""
    return smtp.probe(peer.host, peer.port or None, said)


outbox.register_protocol(Protocol.MAIL, Mail())
outbox.register_protocol(Protocol.SMS, Sms())
peers.register_probe(Protocol.MAIL, _probe)
desk.register_settings(
    Protocol.MAIL, Direction.OUT, settings.described(MailSettings, "Mail server")
)
desk.register_settings(Protocol.SMS, Direction.OUT, settings.described(SmsSettings, "Gateway"))
