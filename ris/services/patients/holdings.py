"""What is a patient's, table by table, and how it changes hands: all with its order, or not at all.

Reports, doses and follow-ups belong to an order or an exam and go with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import F, Model, QuerySet

from ris.domain.errors import StateConflictError
from ris.models import (
    Appointment,
    Coverage,
    Document,
    FhirIndex,
    FhirResource,
    Order,
    Patient,
    PatientMessage,
    PatientObservation,
    PerformedProcedureStep,
    Report,
    SafetyAnswer,
    ScheduledProcedureStep,
    Visit,
)

Moved = dict[str, list[int]]

# Every table with a patient of its own, by its name in ``PatientsMerged.moved``.
TABLES: dict[str, type[Model]] = {
    "orders": Order,
    "visits": Visit,
    "appointments": Appointment,
    "performed": PerformedProcedureStep,
    "documents": Document,
    "kept": FhirResource,
    "safety_answers": SafetyAnswer,
    "observations": PatientObservation,
    "coverages": Coverage,
    "messages_to": PatientMessage,
}


def keys(rows: QuerySet[Order] | QuerySet[Visit]) -> list[int]:
    return list(rows.order_by("id").values_list("id", flat=True))


def everything(patient: Patient) -> Moved:
    """All rows of a patient, by table."""
    return {
        name: list(
            model._default_manager.filter(patient=patient)
            .order_by("id")
            .values_list("id", flat=True)
        )
        for name, model in TABLES.items()
    }


def give(moved: Moved, patient: Patient, now: datetime) -> None:
    """Let all these rows be the patient's."""
    for name in TABLES:
        _give(name, moved.get(name, ()), patient, now)


def _give(name: str, ids: Iterable[int], patient: Patient, now: datetime) -> None:
    rows = TABLES[name]._default_manager.filter(pk__in=list(ids))
    if name == "kept":
        _find_by(list(ids), patient)
    if name in {"orders", "appointments", "kept"}:  # whose changes are counted
        rows.update(patient=patient, version=F("version") + 1, updated_at=now)
    else:
        rows.update(patient=patient, updated_at=now)


def _find_by(ids: Sequence[int], patient: Patient) -> None:
    """Kept resources that named another patient are found by this one."""
    rows = FhirResource.objects.filter(pk__in=ids, patient__isnull=False)
    named: dict[uuid.UUID, list[uuid.UUID]] = {}
    for public_id, former in rows.values_list("public_id", "patient__public_id"):
        if former is not None:
            named.setdefault(former, []).append(public_id)
    for former, public_ids in named.items():
        FhirIndex.objects.filter(public_id__in=public_ids, target=former).update(
            target=patient.public_id
        )


def give_orders(orders: Sequence[int], patient: Patient, now: datetime) -> None:
    """Let the orders, their appointments, exams and documents be the patient's."""
    give(with_theirs(orders), patient, now)


def give_visits(visits: Sequence[int], patient: Patient, now: datetime) -> None:
    _give("visits", visits, patient, now)


def with_theirs(orders: Sequence[int]) -> Moved:
    """The orders with the appointments, the exams and the documents that are theirs."""
    steps = ScheduledProcedureStep.objects.filter(procedure__order__in=orders)
    appointments = Appointment.objects.filter(steps__in=steps).values_list("id", flat=True)
    performed = PerformedProcedureStep.objects.filter(order__in=orders)
    documents = Document.objects.filter(order__in=orders)
    answers = SafetyAnswer.objects.filter(order__in=orders)
    results = PatientObservation.objects.filter(order__in=orders)
    return {
        "orders": sorted(orders),
        "appointments": sorted(set(appointments)),
        "performed": sorted(performed.values_list("id", flat=True)),
        "documents": sorted(documents.values_list("id", flat=True)),
        "safety_answers": sorted(answers.values_list("id", flat=True)),
        "observations": sorted(results.values_list("id", flat=True)),
    }


def refuse_shared(orders: Sequence[int], path: str = "") -> None:
    """Refuse to part what orders of two patients have together; a person parts it first."""
    here = set(orders)
    found = with_theirs(orders)
    around = [
        ("appointment", "steps__procedure__order", Appointment, found["appointments"]),
        ("exam", "steps__procedure__order", PerformedProcedureStep, found["performed"]),
        (
            "report",
            "procedures__order",
            Report,
            list(Report.objects.filter(procedures__order__in=orders).values_list("id", flat=True)),
        ),
    ]
    for what, through, model, ids in around:
        others = model._default_manager.filter(pk__in=ids).values_list(through, flat=True)
        if {other for other in others if other is not None} - here:
            raise StateConflictError(
                f"an {what} is for other orders of the patient as well; part them first"
                if what[0] in "ae"
                else f"a {what} is on other orders of the patient as well; part them first",
                path=path,
            )


def tie_to_visit(orders: Sequence[int], visit: Visit) -> None:
    """The orders were placed in this visit."""
    Order.objects.filter(pk__in=list(orders)).update(visit=visit, version=F("version") + 1)


def public_ids(orders: Sequence[int]) -> tuple[str, ...]:
    rows = Order.objects.filter(pk__in=list(orders)).order_by("id")
    return tuple(str(public_id) for public_id in rows.values_list("public_id", flat=True))
