"""Fifty clients, one time: over real HTTP exactly one gets it, on either database."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ris.models import Appointment, Booking, Order
from tests import make
from tests.integration.fhir.api import token
from tests.running import wait_until

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

CLIENTS = 50


@pytest.fixture
def base(live_server: Any) -> Iterator[str]:
    """The FHIR base of a running server; its requests have ended when the test has."""
    make.site()
    make.device()
    make.definition()
    yield f"{live_server.url}/fhir"
    wait_until(lambda: not _under_way(), "every request ends")


def _under_way() -> list[str]:
    return [each.name for each in threading.enumerate() if "process_request" in each.name]


def tomorrow() -> datetime:
    at = datetime.now(UTC) + timedelta(days=1)
    return at.replace(hour=12, minute=0, second=0, microsecond=0)


class Line:
    """One connection, opened before the race begins: the server's queue of new ones is short."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.headers = {
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/fhir+json",
        }
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self.connection.connect()

    def post(self, operation: str, body: Any) -> tuple[int, Any]:
        path = f"{self.path}/Appointment/{operation}"
        try:
            self.connection.request("POST", path, json.dumps(body), self.headers)
            response = self.connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            self.connection.close()


def parameters(**given: Any) -> dict[str, Any]:
    rows = []
    for name, value in given.items():
        key = "valueString" if isinstance(value, str) else "valueReference"
        rows.append({"name": name.replace("_", "-"), key: value})
    return {"resourceType": "Parameters", "parameter": rows}


def offer(base: str, secret: str) -> str:
    """The first time at noon tomorrow that is offered, by id."""
    low, high = tomorrow(), tomorrow() + timedelta(hours=1)
    body: dict[str, Any] = parameters(visit_type="CTHEAD")
    body["parameter"] += [
        {"name": "start", "valueDateTime": low.isoformat()},
        {"name": "end", "valueDateTime": high.isoformat()},
    ]
    status, found = Line(base, secret).post("$find", body)
    assert status == 200, found
    return f"Appointment/{found['entry'][0]['resource']['id']}"


def at_once(base: str, secrets: list[str], bodies: list[tuple[str, Any]]) -> list[tuple[int, Any]]:
    """All requests at the same moment, each on a connection of its own."""
    barrier = threading.Barrier(len(bodies))
    lines = [Line(base, secret) for secret in secrets]

    def send(line: Line, operation: str, body: Any) -> tuple[int, Any]:
        barrier.wait(timeout=30)
        return line.post(operation, body)

    with ThreadPoolExecutor(len(bodies)) as pool:
        waiting = [
            pool.submit(send, line, operation, body)
            for line, (operation, body) in zip(lines, bodies, strict=True)
        ]
        return [each.result(timeout=120) for each in waiting]


def overlapping() -> int:
    """Pairs of live, exclusive bookings of one resource that overlap."""
    rows = list(Booking.objects.filter(live=True, exclusive=True))
    return sum(
        one.pk < other.pk
        and one.resource_id == other.resource_id
        and one.start_at < other.end_at
        and other.start_at < one.end_at
        for one in rows
        for other in rows
    )


def test_one_of_fifty_gets_the_time_and_the_others_are_told(base: str) -> None:
    secret = token()
    orders = [make.order() for _ in range(CLIENTS)]
    reference = {"reference": offer(base, secret)}

    answers = at_once(
        base,
        [secret] * CLIENTS,
        [
            (
                "$book",
                parameters(
                    appointment_reference=reference,
                    based_on={"reference": f"ServiceRequest/{order.public_id}"},
                ),
            )
            for order in orders
        ],
    )

    assert Counter(status for status, _ in answers) == {200: 1, 409: CLIENTS - 1}
    refused = [body for status, body in answers if status == 409]
    assert {body["resourceType"] for body in refused} == {"OperationOutcome"}
    assert {body["issue"][0]["diagnostics"] for body in refused} == {"that time is taken"}
    assert Appointment.objects.filter(status="BOOKED").count() == 1
    assert Booking.objects.filter(live=True).count() == 2  # the device and its room
    assert overlapping() == 0


def test_one_of_many_holds_the_time_and_only_the_holder_books_it(base: str) -> None:
    secrets = [token(client=f"Portal {number}") for number in range(10)]
    orders = [make.order() for _ in secrets]
    reference = {"reference": offer(base, secrets[0])}

    held = at_once(
        base, secrets, [("$hold", parameters(appointment_reference=reference))] * len(secrets)
    )
    [winner] = [index for index, (status, _) in enumerate(held) if status == 200]
    mine = {"reference": f"Appointment/{held[winner][1]['id']}"}
    booked = at_once(
        base,
        secrets,
        [
            (
                "$book",
                parameters(
                    appointment_reference=mine,
                    based_on={"reference": f"ServiceRequest/{order.public_id}"},
                ),
            )
            for order in orders
        ],
    )

    assert Counter(status for status, _ in held) == {200: 1, 409: len(secrets) - 1}
    assert {body["issue"][0]["code"] for status, body in held if status == 409} == {"not-found"}
    assert [index for index, (status, _) in enumerate(booked) if status == 200] == [winner]
    assert Order.objects.filter(procedures__steps__status="SCHEDULED").count() == 1
    assert overlapping() == 0


def test_a_patient_is_not_booked_in_two_rooms_at_once(base: str) -> None:
    secret = token()
    make.device("MR1", "MR")
    make.definition(make.Code("MRHEAD", "TEST", "MR head"), modality="MR")
    reference = make.patient("P-ONCE")
    head = make.order(patient=reference)
    other = make.order(
        patient=reference,
        procedures=(
            make.ProcedureRequest(
                code=make.Code("MRHEAD", "TEST"), steps=(make.step_request(modality="MR"),)
            ),
        ),
    )
    start, end = tomorrow().isoformat(), (tomorrow() + timedelta(minutes=20)).isoformat()

    answers = at_once(
        base,
        [secret] * 2,
        [
            (
                "$book",
                {
                    "resourceType": "Parameters",
                    "parameter": [
                        {
                            "name": "appointment-resource",
                            "resource": {
                                "resourceType": "Appointment",
                                "status": "booked",
                                "start": start,
                                "end": end,
                                "basedOn": [{"reference": f"ServiceRequest/{order.public_id}"}],
                                "participant": [
                                    {
                                        "actor": {
                                            "reference": f"Patient/{order.patient.public_id}"
                                        },
                                        "status": "accepted",
                                    }
                                ],
                            },
                        }
                    ],
                },
            )
            for order in (head, other)
        ],
    )

    assert sorted(status for status, _ in answers) == [200, 409]
    [refused] = [body for status, body in answers if status == 409]
    assert refused["issue"][0]["diagnostics"] == "the patient has another appointment at that time"
    assert Appointment.objects.filter(status="BOOKED").count() == 1
