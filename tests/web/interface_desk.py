"""What the tests of the interface desk look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client

from ris.domain.exchange import Direction
from ris.models import (
    Endpoint,
    InboundMessage,
)
from tests import make
from tests.web.department import Department

As = Callable[[str], Client]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def his() -> Endpoint:
    key = make.endpoint(
        "HIS", direction=Direction.IN, protocol_name="EHR^HOSP", host="", port=None, sends=()
    )
    return Endpoint.objects.get(public_id=key)


def tied(full: Department) -> Endpoint:
    """The rejected message, as one of a registered sender."""
    sender = his()
    InboundMessage.objects.filter(pk=full.rejected.pk).update(endpoint=sender)
    return sender
