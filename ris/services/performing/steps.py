"""Start, update and end performed steps.

Step and performed step move in one transaction (PS3.4 F.7; IHE RAD TF-2 4.6, 4.7). A scanner is
never refused because of what we do not know: what fits no step is kept and shown as an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ris.domain.errors import (
    DuplicateKeyError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import require_uid
from ris.domain.orders import StepStatus
from ris.domain.performing import (
    INCORRECT_WORKLIST_ENTRY,
    PERFORMED_STEP,
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Match,
    PerformedDetails,
    PerformedStatus,
    PerformedStepCompleted,
    PerformedStepDiscontinued,
    PerformedStepStarted,
    PerformedStepUpdated,
    PerformedTrigger,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.domain.values import Code
from ris.models import (
    Order,
    PerformedProcedureStep,
    PerformedSeries,
)
from ris.services._context import Context
from ris.services._locks import lock_orders
from ris.services._transition import move
from ris.services.performing.following import (
    all_done,
    bring_to_start,
    follow,
    note_end,
    reload,
    take_back,
)
from ris.services.performing.matching import belongs, find_patient, find_steps, steps_named


def start_performed_step(command: StartPerformedStep, context: Context) -> str:
    uid = require_uid(command.sop_instance_uid, "(0000,1000)")
    if PerformedProcedureStep.objects.filter(sop_instance_uid=uid).exists():
        raise DuplicateKeyError("this SOP Instance UID is known already", path="(0000,1000)")
    steps = steps_named(command.steps) if command.steps else find_steps(command.references)
    flags = list(command.flags)
    match = Match.MATCHED
    if not steps:
        named = any(r.step_id or r.accession_number or r.procedure_id for r in command.references)
        match = Match.UNMATCHED if named else Match.UNSCHEDULED
    elif any(
        not belongs(command.patient_identifier, step.procedure.order.patient) for step in steps
    ):
        match = Match.MISMATCH
        flags.append("the patient is not the one of the scheduled step")
    orders = lock_orders(step.procedure.order_id for step in steps)
    steps = reload(steps)
    if match is Match.MATCHED and all(s.status == StepStatus.CANCELED.value for s in steps):
        match = Match.UNMATCHED
        flags.append("the scheduled step had been canceled")
    linked = steps if match is Match.MATCHED else []
    performed = _create(command, uid, match, flags, orders if linked else [], context)
    performed.steps.set(linked)
    _replace_series(performed, command.details)
    for step in linked:
        if step.status == StepStatus.COMPLETED.value:
            performed.flags = [*performed.flags, "appended to a completed step"]
            performed.save(update_fields=["flags"])
        bring_to_start(step, performed.started_at)
    context.emit(
        PerformedStepStarted(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in linked),
            match=match.value,
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )
    return str(performed.public_id)


def _create(
    command: StartPerformedStep,
    uid: str,
    match: Match,
    flags: list[str],
    orders: list[Order],
    context: Context,
) -> PerformedProcedureStep:
    order = orders[0] if orders else None
    identifier = command.patient_identifier
    details = command.details
    study_uid = next((r.study_instance_uid for r in command.references if r.study_instance_uid), "")
    return PerformedProcedureStep.objects.create(
        sop_instance_uid=uid,
        match=match.value,
        origin=command.origin.value,
        order=order,
        patient=order.patient if order else find_patient(identifier),
        started_at=command.started_at,
        ended_at=None,
        station_ae_title=command.station_ae_title[:16],
        station_name=command.station_name[:16],
        location=command.location[:16],
        modality=command.modality[:16],
        performed_step_id=command.performed_step_id[:64],
        study_id=command.study_id[:64],
        study_instance_uid=study_uid,
        patient_identifier=identifier.value if identifier else "",
        patient_issuer=identifier.issuer if identifier else "",
        patient_name=command.patient_name,
        patient_birth_date=command.patient_birth_date,
        references=[
            {
                "study_instance_uid": r.study_instance_uid,
                "accession_number": r.accession_number,
                "procedure_id": r.procedure_id,
                "step_id": r.step_id,
            }
            for r in command.references
        ],
        description=(details.description or "")[:200],
        procedure_codes=[code.as_json() for code in details.procedure_codes or ()],
        protocol_codes=[code.as_json() for code in details.protocol_codes or ()],
        comments=details.comments or "",
        dataset=command.dataset,
        flags=flags,
    )


def _replace_series(performed: PerformedProcedureStep, details: PerformedDetails) -> None:
    """A sequence replaces the stored one whole (PS3.4 F.7.2.2.2)."""
    if details.series is None:
        return
    performed.series.all().delete()
    unique = {series.series_instance_uid: series for series in details.series}
    PerformedSeries.objects.bulk_create(
        [
            PerformedSeries(
                performed=performed,
                series_instance_uid=series.series_instance_uid,
                protocol_name=series.protocol_name[:64],
                description=series.description[:64],
                modality=series.modality[:16],
                retrieve_ae_title=series.retrieve_ae_title[:16],
                performing_physician=series.performing_physician[:324],
                operators=list(series.operators),
                instance_count=series.instance_count,
            )
            for series in unique.values()
        ]
    )


def _lock_performed(sop_instance_uid: str) -> PerformedProcedureStep:
    order_ids = list(
        PerformedProcedureStep.objects.filter(
            sop_instance_uid=sop_instance_uid, steps__isnull=False
        ).values_list("steps__procedure__order_id", flat=True)
    )
    lock_orders(order_ids)
    performed = (
        PerformedProcedureStep.objects.select_for_update(of=("self",))
        .select_related("order__patient", "patient")
        .filter(sop_instance_uid=sop_instance_uid)
        .first()
    )
    if performed is None:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path="(0000,1001)")
    return performed


_DETAIL_FIELDS = (
    "ended_at",
    "description",
    "procedure_codes",
    "protocol_codes",
    "comments",
    "discontinuation_reason",
    "dataset",
    "flags",
)


def _apply(
    performed: PerformedProcedureStep,
    details: PerformedDetails,
    dataset: dict[str, Any],
    flags: Sequence[str],
) -> None:
    if performed.status != PerformedStatus.IN_PROGRESS.value:
        raise StateConflictError(
            "performed procedure step may no longer be updated",
            path="(0040,0252)",
            details={"final": True},
        )
    added = list(flags)
    if details.ended_at is not None:
        performed.ended_at = max(details.ended_at, performed.started_at)
        if details.ended_at < performed.started_at:
            added.append("the end time sent was before the start time")
    if details.description is not None:
        performed.description = details.description[:200]
    if details.procedure_codes is not None:
        performed.procedure_codes = [code.as_json() for code in details.procedure_codes]
    if details.protocol_codes is not None:
        performed.protocol_codes = [code.as_json() for code in details.protocol_codes]
    if details.comments is not None:
        performed.comments = details.comments
    if details.discontinuation_reason is not None:
        performed.discontinuation_reason = details.discontinuation_reason.as_json()
    performed.dataset = {**performed.dataset, **dataset}
    performed.flags = list(dict.fromkeys([*performed.flags, *added]))
    _replace_series(performed, details)


def update_performed_step(command: UpdatePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    move(performed, PERFORMED_STEP, PerformedTrigger.UPDATE, *_DETAIL_FIELDS)
    context.emit(
        PerformedStepUpdated(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )


def complete_performed_step(command: CompletePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    if performed.ended_at is None:
        performed.ended_at = max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.COMPLETE, *_DETAIL_FIELDS)
    steps = reload(list(performed.steps.all()))
    for step in steps:
        follow(step)
        note_end(step, performed.ended_at)
    context.emit(
        PerformedStepCompleted(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in steps),
            all_done=all_done(performed.order),
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )


def discontinue_performed_step(command: DiscontinuePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    if performed.ended_at is None:
        performed.ended_at = max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.DISCONTINUE, *_DETAIL_FIELDS)
    reason = Code.from_json(performed.discontinuation_reason)
    steps = reload(list(performed.steps.all()))
    if reason.value == INCORRECT_WORKLIST_ENTRY:
        performed.match = Match.QUARANTINED.value
        performed.save(update_fields=["match"])
        for step in steps:
            if step.performed.exclude(pk=performed.pk).exists():
                follow(step)
            elif step.status == StepStatus.STARTED.value:
                take_back(step)
    else:
        for step in steps:
            follow(step)
            note_end(step, performed.ended_at)
    context.emit(
        PerformedStepDiscontinued(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in steps),
            reason=reason.value,
            all_done=all_done(performed.order),
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )
