"""A wire of the tests for what leaves: it answers by script and notes what it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import time_machine
from django.utils import timezone

from ris.domain.errors import InvalidValueError
from ris.domain.orders import HoldOrder, OrderReference
from ris.domain.protocol import Attempt, EndpointInfo, Outgoing, Result, StoredEvent
from ris.models import Order
from ris.services import execute
from tests import people

OK = Attempt(result=Result.DELIVERED, reply=b"AA", says_more=True)
NO_ANSWER = Attempt(result=Result.AMBIGUOUS, error="no answer")
REFUSED = Attempt(result=Result.REFUSED, reply=b"AE", error="unknown patient")


class Wire:
    """A protocol of these tests: one message per placed or canceled order, answers by script."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.answers: list[Attempt] = []
        self.unwritable = False
        self.closed = False
        self.hours_fail = False
        self.taken: list[tuple[bytes, bytes]] = []
        self.on_reply: Callable[[], object] = lambda: None

    def render(
        self, event: StoredEvent, endpoint: EndpointInfo, control_id: str
    ) -> Sequence[Outgoing]:
        if event.name not in {"OrderPlaced", "OrderHeld", "OrderReleased"}:
            return ()
        if self.unwritable:
            raise InvalidValueError("this name does not fit ISO_IR 100", path="PID-5")
        return (
            Outgoing(
                lane=event.order,
                control_id=control_id,
                message_type=event.name,
                payload=f"{event.name} {event.order}".encode(),
            ),
        )

    def send(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
        self.sent.append((control_id, payload))
        return self.answers.pop(0) if self.answers else OK

    def readdress(self, payload: bytes, control_id: str, endpoint: EndpointInfo) -> bytes:
        return payload + b" again"

    def is_open(self, endpoint: EndpointInfo, now: datetime) -> bool:
        if self.hours_fail:
            raise InvalidValueError("no such zone")
        return not self.closed

    def accepted(self, payload: bytes, reply: bytes, endpoint: EndpointInfo) -> None:
        self.taken.append((payload, reply))
        self.on_reply()

    def check_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)


def hold(order: Order) -> None:
    execute(HoldOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)


def later(seconds: float) -> time_machine.travel:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False)
