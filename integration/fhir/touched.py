"""Which resources an event of the core may have changed, for history and subscriptions.

:func:`touched` says it for one event, :func:`touched_by` for many at once in no more queries. The
answer is generous: that a resource is named does not mean that it looks different now, or that it
exists (a study nobody performed yet); whoever renders them sees by the version. A merge of many
orders names the first :data:`MOST` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.systems import Systems
from ris.domain.protocol import StoredEvent
from ris.selectors import search as selectors
from ris.selectors import touched as selected

MOST = 100

Name = tuple[str, str]  # resource type, id

# Table of the event's subject → resource type.
_SUBJECTS: Mapping[str, str] = {
    "Appointment": "Appointment",
    "Device": "Device",
    "FhirSubscription": "Subscription",
    "DoseRecord": "Observation",
    "Order": "ServiceRequest",
    "Patient": "Patient",
    "PerformedProcedureStep": "Procedure",
    "Practitioner": "Practitioner",
    "Report": "DiagnosticReport",
    "Room": "Location",
    "ScheduledProcedureStep": "Task",
    "Site": "Organization",
    "Visit": "Encounter",
}
# Field of the event → resource type of the ids in it, beside its subject.
_FIELDS: Mapping[str, str] = {
    "appointment": "Appointment",
    "critical_result": "Observation",
    "other": "Patient",
    "patient": "Patient",
    "subsumed": "Patient",
    "visit": "Encounter",
    "visits": "Encounter",
}


def touched(event: StoredEvent) -> list[Name]:
    """(resource type, id) of all that the event may have changed, each once."""
    return touched_by([event])


def touched_by(events: Sequence[StoredEvent]) -> list[Name]:
    """What all these events may have changed, each once."""
    found: dict[Name, None] = {}
    orders: dict[str, None] = {}
    for event in events:
        found.update(dict.fromkeys(_named(event)))
        if event.order:
            orders[event.order] = None
        orders.update(dict.fromkeys(_orders(event)))
    found.update(dict.fromkeys(_of_orders(list(orders))))
    return [each for each in found if each[0] in KINDS]


def rendered(names: Iterable[Name]) -> list[Resource]:
    """The resources as they are shown now; what there is not is left out."""
    wanted: dict[str, list[str]] = {}
    for kind, public_id in names:
        wanted.setdefault(kind, []).append(public_id)
    kinds = [KINDS[kind] for kind in wanted]
    shown = shown_for(kinds, Systems(selectors.issuers()))
    return [each for kind in kinds for each in load(kind, wanted[kind.name], shown)]


def _named(event: StoredEvent) -> Iterable[Name]:
    """What the event itself names."""
    if event.subject_type == "FhirResource":
        yield str(event.payload["type"]), str(event.payload["resource"])
        return
    if event.subject_type in _SUBJECTS:
        yield _SUBJECTS[event.subject_type], event.subject_id
    of_patient = event.subject_type in {"Patient", "Visit"}
    for field, kind in _FIELDS.items():
        said = event.payload.get(field)
        # That an order's event tells whose it is does not mean that the patient changed.
        if not said or (kind == "Patient" and not of_patient):
            continue
        for public_id in said if isinstance(said, list) else [said]:
            yield kind, str(public_id)
    if event.name == "PatientsMerged":
        yield from selected.kept_numbered(event.payload["moved"].get("kept", ()), MOST)


def _orders(event: StoredEvent) -> Iterable[str]:
    """Orders the event tells of beside its own."""
    if event.name == "PatientsMerged":
        return selected.orders_numbered(event.payload["moved"].get("orders", ()), MOST)
    several = event.payload.get("orders") or event.payload.get("replaced")
    return [str(each) for each in several] if isinstance(several, list) else []


def _of_orders(orders: list[str]) -> Iterable[Name]:
    parts = selected.parts_of(orders)
    for kind, public_ids in (
        ("ServiceRequest", parts.requests),
        ("Task", parts.steps),
        ("Appointment", parts.appointments),
        ("Procedure", (*parts.performed, *parts.steps)),
        ("ImagingStudy", parts.procedures),
        ("DiagnosticReport", (*parts.reports, *parts.procedures)),
        # What is signed later supersedes or withdraws the documents before it.
        ("DocumentReference", parts.versions),
    ):
        for public_id in public_ids:
            yield kind, public_id
