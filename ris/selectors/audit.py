"""The audit trail for the people who answer for it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from ris.models import AuditEvent, Patient, PatientIdentifier
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    at: datetime
    actor_kind: str
    actor: str
    address: str
    action: str
    subject: str
    outcome: str
    order: str
    accession_number: str
    patients: tuple[PatientLine, ...]
    reason: str


def events(
    *, actor: str = "", action: str = "", outcome: str = "", patient: str = ""
) -> QuerySet[AuditEvent]:
    """Newest first, narrowed by who, what, how it ended and about whom (public id or number)."""
    rows = AuditEvent.objects.order_by("-id")
    if actor:
        rows = rows.filter(actor_name__iexact=actor.strip())
    if action:
        rows = rows.filter(action__icontains=action.strip())
    if outcome == "refused":
        rows = rows.exclude(outcome="success")
    elif outcome:
        rows = rows.filter(outcome=outcome)
    if patient:
        rows = rows.filter(patient__in=_patients(patient.strip()))
    return rows


def _patients(text: str) -> QuerySet[Any, Any]:
    numbered = PatientIdentifier.objects.filter(value=text).values("patient")
    with contextlib.suppress(ValueError):
        # Two sets, each found by its index: "or" over both tables would read them whole.
        return numbered.union(Patient.objects.filter(public_id=uuid.UUID(text)).values("pk"))
    return numbered


def lines(rows: Iterable[AuditEvent]) -> list[AuditLine]:
    """The rows with the patients they name, in one query more."""
    found = list(rows)
    keys = {key for row in found for key in row.patients[:5]}
    patients = {
        str(patient.public_id): line(patient)
        for patient in Patient.objects.filter(public_id__in=keys)
        .select_related("merged_into")
        .prefetch_related(IDENTIFIERS)
    }
    return [
        AuditLine(
            at=row.at,
            actor_kind=row.actor_kind,
            actor=row.actor_name,
            address=row.address,
            action=row.action,
            subject=row.subject,
            outcome=row.outcome,
            order=str(row.order.public_id) if row.order else "",
            accession_number=row.order.accession_number if row.order else "",
            patients=tuple(patients[key] for key in row.patients[:5] if key in patients),
            reason=str(row.detail.get("reason", "")),
        )
        for row in found
    ]
