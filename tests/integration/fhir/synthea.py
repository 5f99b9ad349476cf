"""A transaction shaped like those that Synthea exports: one patient and years of care.

Everything is invented. Entries are called by ``urn:uuid``, practitioners are meant by a search, and
each entry says by which number it is found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

from tests.integration.fhir import resources

STAFF = "http://hospital.example/staff"
SYNTHETIC = "http://synthetic.example/records"
PRACTITIONER = f"Practitioner?identifier={STAFF}|7"


def transaction(years: int = 30, *, seed: int = 1) -> dict[str, Any]:
    """Ten entries a year, and the patient."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(_entries(years, seed))}


def _entries(years: int, seed: int) -> Iterator[dict[str, Any]]:
    numbers = count(seed * 1_000_000)

    def entry(resource: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        number = next(numbers)
        full_url = UUID(int=number, version=4).urn
        if resource["resourceType"] not in {"Patient", "ServiceRequest"}:
            resource["identifier"] = [{"system": SYNTHETIC, "value": f"S{number}"}]
        kind = resource["resourceType"]
        asked = resource["identifier"][0]
        found = f"identifier={asked['system']}|{asked['value']}"
        return full_url, {
            "fullUrl": full_url,
            "resource": resource,
            "request": {"method": "POST", "url": kind, "ifNoneExist": found},
        }

    patient, first = entry(resources.patient(f"S{seed}"))
    yield first
    subject = {"reference": patient}
    _, insured = entry(
        {
            "resourceType": "Coverage",
            "status": "active",
            "beneficiary": subject,
            "payor": [{"display": "Krankenkasse"}],
        }
    )
    yield insured
    for year in range(1990, 1990 + years):
        condition, told = entry(
            {
                "resourceType": "Condition",
                "clinicalStatus": _status("condition-clinical", "resolved"),
                "code": _concept("25064002", "Headache"),
                "subject": subject,
                "onsetDateTime": f"{year}-03-01T08:00:00+01:00",
            }
        )
        visit, came = entry(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                    "code": "AMB",
                },
                "subject": subject,
            }
        )
        # The request comes before what it is for: order within the bundle says nothing.
        _, ordered = entry(
            resources.service_request(
                f"S{seed}-{year}",
                contained=None,
                subject=subject,
                requester={"reference": PRACTITIONER},
                encounter={"reference": visit},
                reasonReference=[{"reference": condition}],
                reasonCode=None,
            )
        )
        yield ordered
        yield told
        yield came
        for kind, value in (("8302-2", 172.5), ("29463-7", 70.25), ("8867-4", 61), ("9279-1", 14)):
            yield entry(
                {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"coding": [{"system": "http://loinc.org", "code": kind}]},
                    "subject": subject,
                    "encounter": {"reference": visit},
                    "effectiveDateTime": f"{year}-03-01T08:10:00+01:00",
                    "performer": [{"reference": PRACTITIONER}],
                    "valueQuantity": {"value": value, "unit": "1"},
                }
            )[1]
        yield entry(
            {
                "resourceType": "AllergyIntolerance",
                "clinicalStatus": _status("allergyintolerance-clinical", "active"),
                "patient": subject,
                "code": _concept("293637006", "Allergy to contrast media"),
            }
        )[1]
        document = {"contentType": "text/plain", "data": "SGVhZGFjaGU="}
        yield entry(
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "subject": subject,
                "content": [{"attachment": document}],
                "context": {"related": [subject]},
            }
        )[1]
        yield entry(
            {
                "resourceType": "Specimen",
                "subject": subject,
                "type": _concept("119297000", "Blood specimen"),
            }
        )[1]


def _concept(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]}


def _status(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}
