"""Appointments over FHIR, as a client makes and changes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ris.models import Order
from tests.integration.fhir.api import Answer, Api

NOBODY = "00000000-0000-0000-0000-000000000000"
NOON, END = "2026-03-02T12:00:00Z", "2026-03-02T12:20:00Z"


def appointment(order: Order | None = None, **elements: Any) -> dict[str, Any]:
    """An appointment for an order; an element given as None is left out."""
    body: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": NOON,
        "end": END,
        "participant": [],
    }
    if order is not None:
        body["basedOn"] = [{"reference": f"ServiceRequest/{order.public_id}"}]
        actor = {"reference": f"Patient/{order.patient.public_id}"}
        body["participant"] = [{"actor": actor, "status": "accepted"}]
    return {name: value for name, value in {**body, **elements}.items() if value is not None}


def free_slot(api: Api, at: str = NOON) -> str:
    answer = api.get(f"/Slot?start={quote(at)}&service-type=CTHEAD&status=free")
    [slot] = answer.of("match")
    return f"Slot/{slot['id']}"


def create(api: Api, order: Order | None = None, **elements: Any) -> dict[str, Any]:
    answer = api.post("/Appointment", appointment(order, **elements))
    assert answer.status == 201, answer.body
    return dict(answer.body)


def change(api: Api, before: dict[str, Any], **elements: Any) -> Answer:
    body = {name: value for name, value in {**before, **elements}.items() if value is not None}
    return api.put(f"/Appointment/{before['id']}", body)
