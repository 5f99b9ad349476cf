"""A queued message to a patient as it is read again, and as a mail (RFC 5322, RFC 3834)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from integration.mail.settings import MailSettings, mail_address
from ris.services import patient_messages


@dataclass(frozen=True, slots=True)
class Queued:
    """What the outbox has of it; the link's address is no part of it."""

    to: str
    subject: str
    text: str
    language: str
    link: str

    def whole(self) -> str:
        """The text with the address of the patient's page, which is made here and kept nowhere."""
        return self.text.replace("{link}", patient_messages.link_address(self.link))


def read(payload: bytes) -> Queued:
    said = json.loads(payload)
    return Queued(
        to=str(said.get("to", "")),
        subject=str(said.get("subject", "")),
        text=str(said.get("text", "")),
        language=str(said.get("language", "")),
        link=str(said.get("link", "")),
    )


def mail(queued: Queued, control_id: str, settings: MailSettings, now: datetime) -> EmailMessage:
    """The mail; the same Message-ID on every try, so that a repeat is known as one.

    Raises ValueError for an address that is none.
    """
    message = EmailMessage(policy=SMTP)
    sender = mail_address(settings.sender or "radiology@localhost")
    message["From"] = Address(settings.sender_name, username=sender.username, domain=sender.domain)
    message["To"] = mail_address(queued.to)
    if settings.reply_to:
        message["Reply-To"] = mail_address(settings.reply_to)
    message["Subject"] = " ".join(queued.subject.split())
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{control_id}@{sender.domain}>"
    # No out-of-office answers to these (RFC 3834 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(queued.whole())
    if queued.language:
        message["Content-Language"] = queued.language
    return message
