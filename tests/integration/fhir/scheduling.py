"""The operations of the scheduling specification, asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ris.models import Order
from tests.integration.fhir.api import Answer, Api

MONDAY = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
START, END = "2026-03-02", "2026-03-02"


def parameters(**given: Any) -> dict[str, Any]:
    """Parameters; ``a___b`` is ``a-b``, the type of a value follows from what it is."""
    rows: list[dict[str, Any]] = []
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            row: dict[str, Any] = {"name": name.replace("___", "-")}
            if isinstance(each, str):
                is_date = row["name"] in {"start", "end"}
                row["valueDateTime" if is_date else "valueString"] = each
            elif "resourceType" in each:
                row["resource"] = each
            elif "reference" in each:
                row["valueReference"] = each
            elif "repeat" in each:
                row["valueTiming"] = each
            else:
                row["valueIdentifier"] = each
            rows.append(row)
    return {"resourceType": "Parameters", "parameter": rows}


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def find(api: Api, **given: Any) -> Answer:
    answer = api.post("/Appointment/$find", parameters(**{"start": START, "end": END, **given}))
    assert answer.status == 200, answer.body
    return answer


def hold(api: Api, offer: dict[str, Any]) -> Answer:
    body = parameters(appointment___reference=to(f"Appointment/{offer['id']}"))
    return api.post("/Appointment/$hold", body)


def book(api: Api, **given: Any) -> Answer:
    return api.post("/Appointment/$book", parameters(**given))


def patient_of(order: Order) -> dict[str, str]:
    return to(f"Patient/{order.patient.public_id}")


def booked(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    [found] = answer.of("match")
    return found
