"""The audit of reads; changes are audited by the door itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import UUIDField

from ris.domain.actors import Actor
from ris.models import AuditEvent, Order, Patient
from ris.models.prepared import Given, Select
from ris.services import _clock

_PATIENT = Select(
    lambda: Patient.objects.filter(public_id=Given("public_id", UUIDField())).only("id")[:1]
)


def _patient(public_id: str) -> Patient | None:
    try:
        return _PATIENT.first(public_id=UUID(public_id))
    except ValueError:
        return None  # a resource may name somebody who is not here


def record_access(
    actor: Actor,
    *,
    action: str,
    patients: Sequence[str] = (),
    order: str = "",
    subject: str = "",
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Keep who read what: ``patients`` and ``order`` are public ids (PS3.15 A.5.3)."""
    patient_row = None
    if len(patients) == 1:
        patient_row = _patient(patients[0])
    order_row = Order.objects.filter(public_id=order).only("id").first() if order else None
    AuditEvent.objects.create(
        at=_clock.now(),
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action=action,
        subject=subject,
        patient=patient_row,
        patients=list(patients),
        order=order_row,
        outcome=outcome,
        detail=dict(detail or {}),
    )


def record_security(actor: Actor, *, action: str, detail: Mapping[str, Any]) -> None:
    """Keep a refused connection, a failed login, a wrong token (PS3.15 A.5.3.11)."""
    AuditEvent.objects.create(
        at=_clock.now(),
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action=action,
        outcome="refused",
        detail=dict(detail),
    )
