"""Transactions and batches as a client asks for them, and the statuses of their entries."""

from __future__ import annotations

from typing import Any

from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def entry(method: str, url: str, resource: Any = None, full_url: str = "", **request: str) -> dict:
    found: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        found["resource"] = resource
    if full_url:
        found["fullUrl"] = full_url
    return found


def bundle(*entries: dict, kind: str = "transaction") -> dict:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def order_of(reference: str, number: str = "", **elements: Any) -> dict:
    """An order for a patient who is referred to."""
    return resources.service_request(
        number, contained=None, subject={"reference": reference}, **elements
    )


def statuses(answer: Answer) -> list[str]:
    return [each["response"]["status"] for each in answer.body["entry"]]


def final_report(**more: Any) -> dict[str, Any]:
    """A signed report on an exam that was performed, from an EHR that is trusted to send one."""
    make.site()
    make.device()
    order = make.performed()
    execute(
        ConfigureEndpoint(
            name="EHR over FHIR",
            protocol=Protocol.FHIR,
            direction=Direction.IN,
            protocol_name="EHR",
            settings={"results": "final"},
        ),
        actor=OPERATOR,
    )
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "CT head"},
        "subject": {"reference": f"Patient/{order.patient.public_id}"},
        "basedOn": [{"reference": f"ServiceRequest/{order.public_id}"}],
        "resultsInterpreter": [{"display": "Dr. Elsa Fern"}],
        **more,
    }
