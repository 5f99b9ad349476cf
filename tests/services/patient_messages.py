"""Appointments of patients who are written to, and what they were told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from ris.domain.actors import TIMER
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.domain.patient_messages import SendPatientMessages
from ris.domain.patients import PatientReference
from ris.domain.scheduling import BookAppointment
from ris.models import Delivery, Order, PatientMessage
from ris.services import execute, outbox
from tests import make, people

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THERE = NOON + timedelta(days=7)


def build() -> None:
    make.site("UTC")
    make.device()
    make.device("CT2")
    make.definition(preparation="Nothing to eat.")


def carrier(protocol: Protocol = Protocol.MAIL) -> None:
    settings: dict[str, Any] = (
        {"transport": "folder"} if protocol is Protocol.MAIL else {"url": "https://sms.example/"}
    )
    execute(
        ConfigureEndpoint(
            name=f"To patients by {protocol.value}",
            protocol=protocol,
            direction=Direction.OUT,
            settings=settings,
        ),
        actor=people.admin,
    )


def person(**said: Any) -> PatientReference:
    return make.patient(**{"email": "anna@example.org", "language": "en", **said})


def booked(start_at: datetime = THERE, **said: Any) -> Order:
    order = make.order(patient=person(**said))
    execute(
        BookAppointment(step=str(make.step_of(order).public_id), device="CT1", start_at=start_at),
        actor=people.scheduler,
    )
    return order


def pass_time(clock: time_machine.Traveller, **by: float) -> None:
    """Changes become plans; some time later the timer comes by."""
    outbox.fan_out()
    clock.shift(timedelta(**(by or {"minutes": 3})))
    execute(SendPatientMessages(), actor=TIMER)
    outbox.fan_out()


def told() -> list[tuple[str, str]]:
    """What was handed over: for which occasion, and to whom."""
    rows = Delivery.objects.filter(message_type__startswith="patient").order_by("id")
    return [
        (row.message_type.removeprefix("patient "), json.loads(bytes(row.payload))["to"])
        for row in rows
    ]


def texts() -> list[str]:
    rows = Delivery.objects.filter(message_type__startswith="patient").order_by("id")
    return [json.loads(bytes(row.payload))["text"] for row in rows]


def dropped() -> list[str]:
    return list(
        PatientMessage.objects.filter(state="DROPPED")
        .order_by("id")
        .values_list("reason", flat=True)
    )
