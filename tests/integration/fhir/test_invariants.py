"""The invariants of R4: for each, what keeps it and what breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir import structure
from integration.fhir.invariants import INVARIANTS

UCUM = "http://unitsofmeasure.org"
TERMS = "http://terminology.hl7.org/CodeSystem"
DAY = "2026-01-02"
NINE, TEN = f"{DAY}T09:00:00Z", f"{DAY}T10:00:00Z"


def resource(kind: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, **elements}


def extended(**value: Any) -> dict[str, Any]:
    return resource("Patient", extension=[{"url": "urn:x", **value}])


def observation(**elements: Any) -> dict[str, Any]:
    return resource("Observation", status="final", code=coded("urn:x", "a"), **elements)


def coded(system: str, *codes: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def repeat(**elements: Any) -> dict[str, Any]:
    return extended(valueTiming={"repeat": elements})


def allergy(**elements: Any) -> dict[str, Any]:
    return resource("AllergyIntolerance", patient={"reference": "Patient/1"}, **elements)


def status(kind: str, code: str) -> dict[str, Any]:
    return coded(f"{TERMS}/{kind}", code)


ACTIVE, WRONG = "allergyintolerance-clinical", "allergyintolerance-verification"


def condition(**elements: Any) -> dict[str, Any]:
    return resource("Condition", subject={"reference": "Patient/1"}, **elements)


def appointment(code: str, **elements: Any) -> dict[str, Any]:
    actor = {"actor": {"reference": "Patient/1"}, "status": "accepted"}
    return resource("Appointment", status=code, **{"participant": [actor], **elements})


def audit(**entity: Any) -> dict[str, Any]:
    return resource(
        "AuditEvent",
        type={"code": "rest"},
        recorded=NINE,
        agent=[{"requestor": True}],
        source={"observer": {"display": "x"}},
        entity=[{"what": {"display": "x"}, **entity}],
    )


def bundle(kind: str, *entries: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return resource("Bundle", type=kind, **elements, **({"entry": [*entries]} if entries else {}))


PATIENT = resource("Patient", active=True)
HEADER = resource("MessageHeader", eventUri="urn:x", source={"endpoint": "urn:y", "name": "x"})
COMPOSITION = resource(
    "Composition", status="final", type={"text": "x"}, date=DAY, title="x",
    author=[{"display": "x"}],
)  # fmt: skip
ASKED = {"request": {"method": "GET", "url": "Patient/1"}}
ANSWERED = {"response": {"status": "200"}}
PAPERS: dict[str, Any] = {
    "identifier": {"system": "urn:x", "value": "1"}, "timestamp": NINE
}  # fmt: skip


def composition(**section: Any) -> dict[str, Any]:
    return {**COMPOSITION, "section": [section]}


def listed(mode: str, entry: dict[str, Any], **elements: Any) -> dict[str, Any]:
    found = {"item": {"display": "x"}, **entry}
    return resource("List", status="current", mode=mode, entry=[found], **elements)


def quantity(name: str, **elements: Any) -> dict[str, Any]:
    return extended(**{f"value{name}": elements})


def trigger(**elements: Any) -> dict[str, Any]:
    return extended(valueTriggerDefinition=elements)


def filtered(name: str, **elements: Any) -> dict[str, Any]:
    return extended(valueDataRequirement={"type": "Patient", name: [elements]})


# key → (what keeps it, what breaks it)
PAIRS: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
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
    "ait-1": [
        (allergy(clinicalStatus=status(ACTIVE, "active")), allergy()),
        (
            allergy(verificationStatus=status(WRONG, "entered-in-error")),
            allergy(verificationStatus=status(WRONG, "refuted")),
        ),
    ],
    "ait-2": [
        (
            allergy(
                clinicalStatus=status(ACTIVE, "active"),
                verificationStatus=status(WRONG, "confirmed"),
            ),
            allergy(
                clinicalStatus=status(ACTIVE, "active"),
                verificationStatus=status(WRONG, "entered-in-error"),
            ),
        )
    ],
    "app-1": [
        (
            appointment("proposed", participant=[{"type": [{"text": "x"}], "status": "accepted"}]),
            appointment("proposed", participant=[{"status": "accepted"}]),
        )
    ],
    "app-2": [(appointment("booked", start=NINE, end=TEN), appointment("proposed", start=NINE))],
    "app-3": [(appointment("waitlist"), appointment("booked"))],
    "app-4": [
        (
            appointment("cancelled", cancelationReason={"text": "x"}),
            appointment("proposed", cancelationReason={"text": "x"}),
        ),
        (
            appointment("noshow", start=NINE, end=TEN, cancelationReason={"text": "x"}),
            appointment("booked", start=NINE, end=TEN, cancelationReason={"text": "x"}),
        ),
    ],
    "apr-1": [
        (
            resource(
                "AppointmentResponse",
                appointment={"reference": "Appointment/1"},
                actor={"reference": "Patient/1"},
                participantStatus="accepted",
            ),
            resource(
                "AppointmentResponse",
                appointment={"reference": "Appointment/1"},
                participantStatus="accepted",
            ),
        )
    ],
    "sev-1": [(audit(name="x"), audit(name="x", query="AAAA"))],
    "bdl-1": [(bundle("searchset", total=0), bundle("collection", total=0))],
    "bdl-2": [
        (
            bundle("searchset", {"resource": PATIENT, "search": {"mode": "match"}}),
            bundle("collection", {"resource": PATIENT, "search": {"mode": "match"}}),
        )
    ],
    "bdl-3": [
        (bundle("transaction", ASKED), bundle("transaction", {"resource": PATIENT})),
        (bundle("collection", {"resource": PATIENT}), bundle("collection", ASKED)),
    ],
    "bdl-4": [
        (bundle("batch-response", ANSWERED), bundle("batch-response", {"resource": PATIENT})),
        (bundle("history", {**ASKED, **ANSWERED}), bundle("history", ASKED)),
    ],
    "bdl-5": [
        (
            bundle("collection", {"resource": PATIENT}),
            bundle("collection", {"fullUrl": "urn:x"}),
        )
    ],
    "bdl-7": [
        (
            bundle(
                "collection",
                {"fullUrl": "urn:x", "resource": {**PATIENT, "meta": {"versionId": "1"}}},
                {"fullUrl": "urn:x", "resource": {**PATIENT, "meta": {"versionId": "2"}}},
            ),
            bundle(
                "collection",
                {"fullUrl": "urn:x", "resource": PATIENT},
                {"fullUrl": "urn:x", "resource": PATIENT},
            ),
        )
    ],
    "bdl-8": [
        (
            bundle("collection", {"fullUrl": "http://x/Patient/1", "resource": PATIENT}),
            bundle("collection", {"fullUrl": "http://x/Patient/1/_history/1", "resource": PATIENT}),
        )
    ],
    "bdl-9": [
        (
            bundle("document", {"resource": COMPOSITION}, **PAPERS),
            bundle("document", {"resource": COMPOSITION}, timestamp=NINE),
        )
    ],
    "bdl-10": [
        (
            bundle("document", {"resource": COMPOSITION}, **PAPERS),
            bundle("document", {"resource": COMPOSITION}, identifier=PAPERS["identifier"]),
        )
    ],
    "bdl-11": [
        (
            bundle("document", {"resource": COMPOSITION}, **PAPERS),
            bundle("document", {"resource": PATIENT}, **PAPERS),
        )
    ],
    "bdl-12": [(bundle("message", {"resource": HEADER}), bundle("message", {"resource": PATIENT}))],
    "con-1": [
        (
            condition(stage=[{"summary": {"text": "x"}}]),
            condition(stage=[{"type": {"text": "x"}}]),
        )
    ],
    "con-2": [
        (
            condition(evidence=[{"code": [{"text": "x"}]}]),
            condition(evidence=[{"extension": [{"url": "urn:x", "valueCode": "a"}]}]),
        )
    ],
    "con-4": [
        (
            condition(abatementString="x", clinicalStatus=status("condition-clinical", "resolved")),
            condition(abatementString="x", clinicalStatus=status("condition-clinical", "active")),
        )
    ],
    "con-5": [
        (
            condition(verificationStatus=status("condition-ver-status", "entered-in-error")),
            condition(
                clinicalStatus=status("condition-clinical", "active"),
                verificationStatus=status("condition-ver-status", "entered-in-error"),
            ),
        )
    ],
    "cmp-1": [(composition(entry=[{"display": "x"}]), composition(title="x"))],
    "cmp-2": [
        (
            composition(entry=[{"display": "x"}]),
            composition(entry=[{"display": "x"}], emptyReason={"text": "x"}),
        )
    ],
    "grp-1": [
        (
            resource("Group", type="person", actual=True, member=[{"entity": {"display": "x"}}]),
            resource("Group", type="person", actual=False, member=[{"entity": {"display": "x"}}]),
        )
    ],
    "lst-1": [(listed("working", {}), listed("working", {}, emptyReason={"text": "x"}))],
    "lst-2": [(listed("changes", {"deleted": True}), listed("working", {"deleted": True}))],
    "lst-3": [(listed("working", {"date": DAY}), listed("snapshot", {"date": DAY}))],
    "obs-3": [
        (
            observation(referenceRange=[{"text": "x"}]),
            observation(referenceRange=[{"type": {"text": "x"}}]),
        )
    ],
    "obs-6": [
        (
            observation(dataAbsentReason={"text": "x"}),
            observation(dataAbsentReason={"text": "x"}, valueString="y"),
        )
    ],
    "obs-7": [
        (
            observation(valueString="y", component=[{"code": coded("urn:x", "b")}]),
            observation(valueString="y", component=[{"code": coded("urn:x", "b", "a")}]),
        )
    ],
    "org-1": [(resource("Organization", name="x"), resource("Organization", active=True))],
    "org-2": [
        (
            resource("Organization", name="x", address=[{"use": "work"}]),
            resource("Organization", name="x", address=[{"use": "home"}]),
        )
    ],
    "org-3": [
        (
            resource("Organization", name="x", telecom=[{"use": "work"}]),
            resource("Organization", name="x", telecom=[{"use": "home"}]),
        )
    ],
    "pat-1": [
        (
            resource("Patient", contact=[{"name": {"family": "x"}}]),
            resource("Patient", contact=[{"gender": "male"}]),
        )
    ],
    "qrs-1": [
        (
            resource(
                "QuestionnaireResponse",
                status="completed",
                item=[{"linkId": "1", "item": [{"linkId": "2"}]}],
            ),
            resource(
                "QuestionnaireResponse",
                status="completed",
                item=[
                    {"linkId": "1", "item": [{"linkId": "2"}], "answer": [{"valueBoolean": True}]}
                ],
            ),
        )
    ],
    "prr-1": [
        (
            resource(
                "ServiceRequest",
                status="active",
                intent="order",
                subject={"reference": "Patient/1"},
                code={"text": "x"},
                orderDetail=[{"text": "y"}],
            ),
            resource(
                "ServiceRequest",
                status="active",
                intent="order",
                subject={"reference": "Patient/1"},
                orderDetail=[{"text": "y"}],
            ),
        )
    ],
    "inv-1": [
        (
            resource("Task", status="ready", intent="order", authoredOn=NINE, lastModified=TEN),
            resource("Task", status="ready", intent="order", authoredOn=TEN, lastModified=NINE),
        ),
        (
            resource("Parameters", parameter=[{"name": "a", "valueCode": "b"}]),
            resource("Parameters", parameter=[{"name": "a"}]),
        ),
    ],
    # those that are not rows of the table
    "dom-2": [
        (
            observation(contained=[{**PATIENT, "id": "p"}], subject={"reference": "#p"}),
            observation(
                contained=[{**PATIENT, "id": "p", "contained": [{**PATIENT, "id": "q"}]}],
                subject={"reference": "#p"},
            ),
        )
    ],
    "dom-3": [
        (
            observation(contained=[{**PATIENT, "id": "p"}], subject={"reference": "#p"}),
            observation(contained=[{**PATIENT, "id": "p"}]),
        )
    ],
    "dom-4": [
        (
            observation(
                contained=[{**PATIENT, "id": "p", "meta": {"source": "urn:x"}}],
                subject={"reference": "#p"},
            ),
            observation(
                contained=[{**PATIENT, "id": "p", "meta": {"versionId": "1"}}],
                subject={"reference": "#p"},
            ),
        )
    ],
    "dom-5": [
        (
            observation(
                contained=[{**PATIENT, "id": "p", "meta": {"tag": [{"code": "x"}]}}],
                subject={"reference": "#p"},
            ),
            observation(
                contained=[{**PATIENT, "id": "p", "meta": {"security": [{"code": "x"}]}}],
                subject={"reference": "#p"},
            ),
        )
    ],
    "ref-1": [(observation(subject={"display": "x"}), observation(subject={"reference": "#p"}))],
    "ele-1": [
        (
            resource("Patient", name=[{"id": "a", "family": "x"}]),
            resource("Patient", name=[{"id": "a"}]),
        )
    ],
}


def broken(found: dict[str, Any]) -> list[str]:
    """The keys of the invariants a resource breaks."""
    faults = structure.faults(found["resourceType"], found)
    return [fault.message.partition(":")[0] for fault in faults]


@pytest.mark.parametrize("key", PAIRS)
def test_what_keeps_an_invariant_passes_and_what_breaks_it_is_refused(key: str) -> None:
    for good, bad in PAIRS[key]:
        assert broken(good) == []
        assert broken(bad) == [key]


def test_every_invariant_has_its_pair() -> None:
    known = {invariant.key for rows in INVARIANTS.values() for invariant in rows}

    assert known <= PAIRS.keys()
    assert len(PAIRS) >= 60
