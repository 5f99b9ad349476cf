"""Alerts of connections as mails to those who look after them, also when nobody has a page open.

A mail says which connection, what is wrong and since when: numbers, and nothing of a patient.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from ris import config
from ris.domain.interfaces import AlertEnded, AlertKind, AlertRaised
from ris.domain.protocol import Outgoing, StoredEvent
from ris.sentences import sentence

_WRONG = {
    AlertKind.SILENT: noop("{connection}: nothing has come or gone for too long"),
    AlertKind.LAGGING: noop("{connection}: what waits is too old or too much"),
    AlertKind.UNREACHED: noop("{connection} does not answer"),
    AlertKind.PARKED: noop("{connection}: messages are parked and hold others up"),
    AlertKind.REFUSED: noop("{connection}: many messages are refused"),
    AlertKind.WAITING: noop("{connection}: messages came in and were not applied"),
}


def written(
    event: StoredEvent, carrier: str, to: Sequence[str], language: str, control_id: str
) -> list[Outgoing]:
    """A mail to each address, if the event is an alert that begins or ends; in its language.

    What is wrong with the connection that carries the mails is not told by one.
    """
    said = event.payload
    if event.name not in {AlertRaised.__name__, AlertEnded.__name__} or said["endpoint"] == carrier:
        return []
    with translation.override(language):
        subject, text = _words(said, event.at, begins=event.name == AlertRaised.__name__)
    return [
        Outgoing(
            # Each person hears of the end after the beginning, whatever becomes of others' mails.
            lane=f"alert:{said['alert']}:{number}",
            control_id=f"{control_id}-{number}",
            message_type="alert",
            payload=json.dumps(
                {"to": address, "subject": subject, "text": text, "language": language},
                ensure_ascii=False,
            ).encode(),
        )
        for number, address in enumerate(to, start=1)
    ]


def _words(said: Any, at: datetime, *, begins: bool) -> tuple[str, str]:
    connection = said["endpoint"] or _("Unknown senders")
    wrong = _(_WRONG[AlertKind(said["kind"])]).format(connection=connection)
    time = date_format(timezone.localtime(at), "DATETIME_FORMAT")
    address = f"{config.load().public_url}/interfaces/"
    if not begins:
        over = _("Over since: {time}").format(time=time)
        return _("Mended: {alert}").format(alert=wrong), f"{wrong}.\n{over}\n\n{address}\n"
    lines = [f"{wrong}.", sentence(said["detail"]), _("Since: {time}").format(time=time)]
    return wrong, "\n".join(filter(None, lines)) + f"\n\n{address}\n"
