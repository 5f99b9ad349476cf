"""The record of worklist queries: who asked what, and which steps were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from ris.domain.actors import Actor
from ris.models import AuditEvent, ScheduledProcedureStep, WorklistQueryLog, WorklistSighting
from ris.selectors.views import WorklistEntry
from ris.services._execute import transactional


@transactional
def record_worklist_query(
    actor: Actor,
    *,
    keys: Mapping[str, Any],
    entries: Sequence[WorklistEntry],
    status: int,
    started_at: datetime,
    duration_ms: float,
    called_ae: str = "",
    truncated: bool = False,
) -> None:
    """Keep one query with its audit (PS3.15 A.5.3.10), and that each step was shown.

    Sightings are one row per (step, device, version), counted up, so that a scanner asking every
    minute does not fill the database.
    """
    versions = {entry.step.public_id: entry.step.version for entry in entries}
    ids = dict(
        ScheduledProcedureStep.objects.filter(public_id__in=list(versions)).values_list(
            "public_id", "id"
        )
    )
    pairs = [(row_id, versions[str(public_id)]) for public_id, row_id in ids.items()]
    WorklistQueryLog.objects.create(
        at=started_at,
        calling_ae_title=actor.name,
        called_ae_title=called_ae,
        address=actor.address,
        keys=dict(keys),
        matches=len(entries),
        steps=[row_id for row_id, _ in pairs],
        status=status,
        truncated=truncated,
        duration_ms=duration_ms,
    )
    AuditEvent.objects.create(
        at=started_at,
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action="QueryWorklist",
        patients=sorted({entry.patient.public_id for entry in entries}),
        outcome="success" if status == 0 else f"{status:04X}",
        detail={"matches": len(entries)},
    )
    if not pairs:
        return
    known = {
        (step_id, version)
        for step_id, version in WorklistSighting.objects.filter(
            ae_title=actor.name, step_id__in=[row_id for row_id, _ in pairs]
        ).values_list("step_id", "step_version")
    }
    again = [step_id for step_id, version in pairs if (step_id, version) in known]
    if again:
        WorklistSighting.objects.filter(
            ae_title=actor.name,
            step_id__in=again,
            step_version__in={version for pair_id, version in pairs if pair_id in set(again)},
        ).update(last_at=started_at, count=F("count") + 1)
    WorklistSighting.objects.bulk_create(
        [
            WorklistSighting(
                step_id=step_id,
                ae_title=actor.name,
                step_version=version,
                first_at=started_at,
                last_at=started_at,
            )
            for step_id, version in pairs
            if (step_id, version) not in known
        ],
        ignore_conflicts=True,
    )
