"""Invariants of data types: for each, what keeps it and what breaks it."""

from __future__ import annotations

from typing import Any

UCUM = "http://unitsofmeasure.org"
DAY = "2026-01-02"
NINE, TEN = f"{DAY}T09:00:00Z", f"{DAY}T10:00:00Z"

Pairs = dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]


def resource(kind: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, **elements}


def extended(**value: Any) -> dict[str, Any]:
    return resource("Patient", extension=[{"url": "urn:x", **value}])


def repeat(**elements: Any) -> dict[str, Any]:
    return extended(valueTiming={"repeat": elements})


def quantity(name: str, **elements: Any) -> dict[str, Any]:
    return extended(**{f"value{name}": elements})


def trigger(**elements: Any) -> dict[str, Any]:
    return extended(valueTriggerDefinition=elements)


def filtered(name: str, **elements: Any) -> dict[str, Any]:
    return extended(valueDataRequirement={"type": "Patient", name: [elements]})


# key → (what keeps it, what breaks it)
PAIRS: Pairs = {
    "ext-1": [(extended(valueCode="a"), extended())],
    "att-1": [
        (
            extended(valueAttachment={"data": "AAAA", "contentType": "image/png"}),
            extended(valueAttachment={"data": "AAAA"}),
        )
    ],
    "cpt-2": [
        (
            resource("Patient", telecom=[{"system": "phone", "value": "1"}]),
            resource("Patient", telecom=[{"value": "1"}]),
        )
    ],
    "exp-1": [
        (
            extended(valueExpression={"language": "text/fhirpath", "expression": "true"}),
            extended(valueExpression={"language": "text/fhirpath"}),
        )
    ],
    "per-1": [
        (
            extended(valuePeriod={"start": NINE, "end": TEN}),
            extended(valuePeriod={"start": TEN, "end": NINE}),
        ),
        # A day in another zone, and parts of years, are given the doubt.
        (
            extended(valuePeriod={"start": TEN, "end": DAY}),
            extended(valuePeriod={"start": TEN, "end": "2025"}),
        ),
        (
            extended(valuePeriod={"start": "2026-02", "end": "2026"}),
            extended(valuePeriod={"start": "2026-02", "end": "2026-01"}),
        ),
        (
            extended(valuePeriod={"start": "9999-12-31", "end": "9999"}),
            extended(valuePeriod={"start": f"{DAY}T09:00:00+01:00", "end": f"{DAY}T07:59:59Z"}),
        ),
        (
            extended(valuePeriod={"start": f"{DAY}T09:00:00.1234567Z", "end": TEN}),
            extended(
                valuePeriod={"start": f"{DAY}T09:00:00.5-14:00", "end": f"{DAY}T09:00:00.25Z"}
            ),
        ),
    ],
    "qty-3": [
        (
            quantity("Quantity", value=1, code="mm", system=UCUM),
            quantity("Quantity", value=1, code="mm"),
        )
    ],
    "age-1": [
        (
            quantity("Age", value=3, code="a", system=UCUM),
            quantity("Age", value=0, code="a", system=UCUM),
        ),
        (quantity("Age", unit="years"), quantity("Age", value=3)),
    ],
    "cnt-3": [
        (
            quantity("Count", value=3, code="1", system=UCUM),
            quantity("Count", value=3.5, code="1", system=UCUM),
        )
    ],
    "dis-1": [
        (
            quantity("Distance", value=3, code="m", system=UCUM),
            quantity("Distance", value=3, code="m", system="urn:x"),
        )
    ],
    "drt-1": [
        (
            quantity("Duration", value=3, code="min", system=UCUM),
            quantity("Duration", value=3, code="min", system="urn:x"),
        )
    ],
    "rng-2": [
        (
            quantity("Range", low={"value": 1}, high={"value": 2}),
            quantity("Range", low={"value": 2}, high={"value": 1}),
        ),
        (
            quantity("Range", low={"value": 2, "unit": "cm"}, high={"value": 30, "unit": "mm"}),
            quantity("Range", low={"value": 1.5}, high={"value": 1}),
        ),
    ],
    "rat-1": [
        (
            quantity("Ratio", numerator={"value": 1}, denominator={"value": 2}),
            quantity("Ratio", numerator={"value": 1}),
        )
    ],
    "tim-1": [(repeat(duration=1, durationUnit="h"), repeat(duration=1))],
    "tim-2": [(repeat(period=1, periodUnit="d"), repeat(period=1))],
    "tim-4": [(repeat(duration=0, durationUnit="h"), repeat(duration=-1, durationUnit="h"))],
    "tim-5": [(repeat(period=0, periodUnit="d"), repeat(period=-1, periodUnit="d"))],
    "tim-6": [(repeat(period=1, periodMax=2, periodUnit="d"), repeat(periodMax=2))],
    "tim-7": [(repeat(duration=1, durationMax=2, durationUnit="h"), repeat(durationMax=2))],
    "tim-8": [(repeat(count=1, countMax=2), repeat(countMax=2))],
    "tim-9": [(repeat(offset=5, when=["HS"]), repeat(offset=5, when=["C"]))],
    "tim-10": [(repeat(timeOfDay=["09:00:00"]), repeat(timeOfDay=["09:00:00"], when=["HS"]))],
    "trd-1": [
        (
            trigger(type="data-added", data=[{"type": "Patient"}]),
            trigger(type="data-added", data=[{"type": "Patient"}], timingDate=DAY),
        )
    ],
    "trd-2": [
        (
            trigger(type="named-event", name="x"),
            trigger(
                type="named-event",
                name="x",
                condition={"language": "text/fhirpath", "expression": "true"},
            ),
        )
    ],
    "trd-3": [
        (trigger(type="periodic", timingDate=DAY), trigger(type="periodic")),
        (trigger(type="data-added", data=[{"type": "Patient"}]), trigger(type="data-added")),
    ],
    "drq-1": [(filtered("codeFilter", path="code"), filtered("codeFilter", valueSet="urn:x"))],
    "drq-2": [
        (
            filtered("dateFilter", searchParam="date"),
            filtered("dateFilter", searchParam="date", path="date"),
        )
    ],
}
