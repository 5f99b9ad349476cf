"""One text message to a gateway: JSON over HTTPS, signed, to an address that was looked at.

The gateway knows us by ``X-Ris-Signature``: ``sha256=`` and the HMAC of the timestamp, a dot and
the body, with the key of the setting ``patients.sms_key``. The same ``Idempotency-Key`` is the same
message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime

from integration.fhir.subscriptions import client as http
from integration.fhir.subscriptions.ssrf import ForbiddenAddressError
from integration.mail.message import Queued
from integration.mail.settings import SmsSettings
from ris import config
from ris.domain.protocol import Attempt, Result

_AGAIN = frozenset({408, 425, 429})


def signature(key: str, timestamp: str, body: bytes) -> str:
    made = hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={made.hexdigest()}"


def deliver(queued: Queued, control_id: str, settings: SmsSettings, now: datetime) -> Attempt:
    """Send it; never raises for the gateway's fault."""
    secrets = config.load().patients
    body = json.dumps(
        {
            "id": control_id,
            "to": queued.to,
            "from": settings.sender,
            "text": queued.whole().strip(),
            "language": queued.language,
        },
        ensure_ascii=False,
    ).encode()
    timestamp = str(int(now.timestamp()))
    key = secrets.sms_key.get_secret_value()
    headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Idempotency-Key", control_id),
        ("X-Ris-Timestamp", timestamp),
    ]
    if key:
        headers.append(("X-Ris-Signature", signature(key, timestamp, body)))
    try:
        answer = http.send(
            http.Sending(
                "POST",
                settings.url,
                headers,
                body,
                allowed=secrets.sms_hosts,
                seconds=settings.timeout_seconds,
            )
        )
    except ForbiddenAddressError:
        return Attempt(
            result=Result.TRANSIENT,
            error="the gateway is in a private network or without TLS; allow its host "
            "(patients.sms_hosts)",
        )
    except http.NotSentError as error:
        return Attempt(result=Result.TRANSIENT, error=str(error))
    except http.NoAnswerError as error:
        return Attempt(result=Result.AMBIGUOUS, error=str(error))
    said = f"{answer.status} {answer.reason}"[:200]
    if 200 <= answer.status < 300:
        return Attempt(result=Result.DELIVERED, reply=said.encode())
    if answer.status in _AGAIN or answer.status >= 500:
        return Attempt(result=Result.TRANSIENT, error=said, answered=answer.status in _AGAIN)
    return Attempt(result=Result.REFUSED, error=f"bounced: {said}", park_after=1)
