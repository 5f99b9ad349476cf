"""One mail to one mail server (RFC 5321): connect, TLS, login, send, and what its answer means."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from integration.mail.settings import MailSettings
from ris import config
from ris.client_tls import ClientTls, client_context
from ris.domain.protocol import Attempt, EndpointInfo, Result

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def deliver(message: EmailMessage, endpoint: EndpointInfo, settings: MailSettings) -> Attempt:
    """Send it; never raises for the server's fault."""
    sent = False
    try:
        with _connected(endpoint.host, endpoint.port, settings) as server:
            sent = True
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _answered(int(code), _words(text))
    except smtplib.SMTPAuthenticationError as error:
        return Attempt(
            result=Result.TRANSIENT, error=f"the mail server does not let us in ({error.smtp_code})"
        )
    except smtplib.SMTPSenderRefused as error:
        return _answered(error.smtp_code, _words(error.smtp_error))
    except smtplib.SMTPResponseException as error:
        return _answered(error.smtp_code, _words(error.smtp_error))
    except smtplib.SMTPNotSupportedError as error:
        return Attempt(result=Result.TRANSIENT, error=str(error))
    except ssl.SSLCertVerificationError as error:
        return Attempt(
            result=Result.TRANSIENT,
            error=f"its certificate is not accepted: {error.verify_message}",
        )
    except (OSError, smtplib.SMTPException) as error:
        # Once the mail was on its way nobody knows; it goes again under the same Message-ID.
        result = Result.AMBIGUOUS if sent else Result.TRANSIENT
        return Attempt(result=result, error=f"no connection ({type(error).__name__})")
    return Attempt(result=Result.DELIVERED, reply=b"250")


def _answered(code: int, text: str) -> Attempt:
    """5yz is for good: no such mailbox, not wanted; 4yz is for now (RFC 5321 4.2.1)."""
    if code // 100 == 5:
        return Attempt(
            result=Result.REFUSED, error=f"bounced: {code} {text}", reply=str(code).encode(),
            park_after=1,
        )  # fmt: skip
    return Attempt(result=Result.TRANSIENT, error=f"{code} {text}", answered=True)


def _words(text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(said.split())[:300]


@contextmanager
def _connected(host: str, port: int | None, settings: MailSettings) -> Iterator[smtplib.SMTP]:
    secrets = config.load().patients
    tls = client_context(ClientTls(ca=secrets.mail_ca))
    number = port or _PORTS[settings.security]
    server: smtplib.SMTP
    if settings.security == "tls":
        server = smtplib.SMTP_SSL(host, number, timeout=settings.timeout_seconds, context=tls)
    else:
        server = smtplib.SMTP(host, number, timeout=settings.timeout_seconds)
    try:
        if settings.security == "starttls":
            server.starttls(context=tls)
        if settings.user:
            if settings.security == "none":
                # A password is not said where anybody can listen.
                raise smtplib.SMTPNotSupportedError("a login needs TLS: set security")
            server.login(settings.user, secrets.mail_password.get_secret_value())
        yield server
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
        server.close()


def probe(host: str, port: int | None, settings: MailSettings) -> str:
    """Whether the server lets us in; what went wrong, or nothing."""
    try:
        with _connected(host, port, settings) as server:
            code, text = server.noop()
            return "" if code == 250 else f"{code} {_words(text)}"
    except (OSError, smtplib.SMTPException) as error:
        return f"{type(error).__name__}: {error}"[:300]
