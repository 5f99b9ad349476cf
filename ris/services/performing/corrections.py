"""Corrections by people."""

from __future__ import annotations

from ris.domain.errors import (
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import StepStatus
from ris.domain.performing import (
    Match,
    PerformedStepRelinked,
    RelinkPerformedStep,
)
from ris.models import (
    PerformedProcedureStep,
)
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services.performing.following import bring_to_start, follow, note_end, reload, take_back
from ris.services.performing.matching import steps_named


def relink_performed_step(command: RelinkPerformedStep, context: Context) -> None:
    performed = (
        PerformedProcedureStep.objects.filter(
            public_id=public_key(command.performed, "performed step")
        )
        .prefetch_related("steps")
        .first()
    )
    if performed is None:
        raise UnknownKeyError("no such performed step")
    if not command.reason.strip():
        raise MissingValueError("a correction needs a reason", path="reason")
    before = list(performed.steps.all())
    after = steps_named(command.steps)
    lock_orders([step.procedure.order_id for step in [*before, *after]])
    performed = PerformedProcedureStep.objects.select_for_update(of=("self",)).get(pk=performed.pk)
    if len({step.procedure.order.patient_id for step in after}) > 1:
        raise StateConflictError("these steps belong to different patients")
    order = after[0].procedure.order if after else None
    performed.steps.set(after)
    performed.order = order
    performed.patient = order.patient if order else performed.patient
    performed.match = Match.MATCHED.value if after else Match.UNMATCHED.value
    performed.resolved_note = command.reason[:500] if after else ""
    performed.resolved_at = context.now if after else None
    performed.save()
    for step in reload(before):
        if step.pk in {kept.pk for kept in after}:
            continue
        if step.performed.exists():
            follow(step)
        elif StepStatus(step.status) in {
            StepStatus.STARTED,
            StepStatus.COMPLETED,
            StepStatus.DISCONTINUED,
        }:
            take_back(step)
    for step in reload(after):
        bring_to_start(step, performed.started_at)
        follow(step)
        if performed.ended_at is not None:
            note_end(step, performed.ended_at)
    context.emit(
        PerformedStepRelinked(
            performed=str(performed.public_id),
            order=str(order.public_id) if order else "",
            steps=tuple(str(step.public_id) for step in after),
            previous_steps=tuple(str(step.public_id) for step in before),
            reason=command.reason,
        ),
        subject=performed,
        order=order,
        patient=performed.patient,
    )
