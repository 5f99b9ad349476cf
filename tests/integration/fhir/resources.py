"""Resources as an EHR sends them; invented people."""

from __future__ import annotations

from itertools import count
from typing import Any

MRN = "http://hospital.example/mrn"
ORDERS = "http://hospital.example/orders"
_numbers = count(1)


def patient(number: str = "", **elements: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [
            {"system": MRN, "value": number or f"M{next(_numbers):05d}", "type": typed("MR")}
        ],
        "name": [{"use": "official", "family": "Lindqvist", "given": ["Åsa", "Maria"]}],
        "gender": "female",
        "birthDate": "1961-11-08",
    }
    return {**found, **elements}


def typed(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/v2-0203"
    return {"coding": [{"system": system, "code": code}]}


def service_request(number: str = "", **elements: Any) -> dict[str, Any]:
    """A CT order with its patient contained; an element given as None is left out."""
    found: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "contained": [patient(id="p")],
        "identifier": [
            {"type": typed("PLAC"), "system": ORDERS, "value": number or f"O{next(_numbers):05d}"}
        ],
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "code": {
            "coding": [{"system": "urn:ris:scheme:TEST", "code": "CTHEAD", "display": "CT head"}]
        },
        "orderDetail": [{"text": "CT"}],
        "subject": {"reference": "#p"},
        "requester": {
            "identifier": {"system": "http://hospital.example/staff", "value": "7"},
            "display": "Dr. Nils Holm",
        },
        "reasonCode": [{"text": "sudden headache"}],
        "note": [{"text": "is afraid of narrow rooms"}],
    }
    return {name: value for name, value in {**found, **elements}.items() if value is not None}


def encounter(number: str, patient: str, **elements: Any) -> dict[str, Any]:
    """A visit that goes on, of a patient by id."""
    found: dict[str, Any] = {
        "resourceType": "Encounter",
        "identifier": [{"system": "urn:ris:issuer:HOSP", "value": number}],
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return {**found, **elements}
