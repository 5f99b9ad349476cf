"""Invariants of resources: for each, what keeps it and what breaks it."""

from __future__ import annotations

from typing import Any

from tests.integration.fhir.invariants_of_types import DAY, NINE, TEN, Pairs, resource

TERMS = "http://terminology.hl7.org/CodeSystem"
ACTIVE, WRONG = "allergyintolerance-clinical", "allergyintolerance-verification"


def coded(system: str, *codes: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def observation(**elements: Any) -> dict[str, Any]:
    return resource("Observation", status="final", code=coded("urn:x", "a"), **elements)


def allergy(**elements: Any) -> dict[str, Any]:
    return resource("AllergyIntolerance", patient={"reference": "Patient/1"}, **elements)


def status(kind: str, code: str) -> dict[str, Any]:
    return coded(f"{TERMS}/{kind}", code)


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


# key → (what keeps it, what breaks it)
PAIRS: Pairs = {
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
    # those that are not rows of the table of invariants
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
