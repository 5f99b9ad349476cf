"""Which steps an exam belongs to, changed: the steps follow, the change can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ris.domain.corrections import CorrectionKind
from ris.domain.errors import StateConflictError
from ris.domain.performing import Match, PerformedStepRelinked
from ris.models import (
    Order,
    Patient,
    PerformedCorrection,
    PerformedProcedureStep,
    Report,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services.performing import by_hand
from ris.services.performing.follow_ups import after_return, drop_follow_ups
from ris.services.performing.following import (
    bring_to_start,
    correct_end,
    follow,
    note_aliases,
    note_end,
    performed_states,
    take_back,
)
from ris.services.performing.taking import Taken
from ris.services.performing.telling import public_ids

Snapshot = dict[str, Any]


def snapshot(
    performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep]
) -> Snapshot:
    """What a correction may change, as JSON."""

    def moment(value: datetime | None) -> str:
        return value.isoformat() if value else ""

    return {
        "match": performed.match,
        "patient": str(performed.patient.public_id) if performed.patient else "",
        "order": str(performed.order.public_id) if performed.order else "",
        "steps": list(public_ids(steps)),
        "revised_status": performed.revised_status,
        "revised_ended_at": moment(performed.revised_ended_at),
        "resolved_note": performed.resolved_note,
        "resolved_at": moment(performed.resolved_at),
    }


def record(
    performed: PerformedProcedureStep,
    kind: CorrectionKind,
    before: Snapshot,
    after: Snapshot,
    reason: str,
    context: Context,
    order: Order | None = None,
) -> PerformedCorrection:
    return PerformedCorrection.objects.create(
        performed=performed,
        kind=kind.value,
        before=before,
        after=after,
        reason=reason.strip()[:500],
        actor_name=context.actor.display or context.actor.name,
        at=context.now,
        order=order,
    )


def tie(
    taken: Taken,
    after: Sequence[ScheduledProcedureStep],
    context: Context,
    reason: str,
    *,
    patient: Patient | None = None,
    match: Match | None = None,
) -> None:
    """Give the exam to other steps, or to none; every step then has the state that follows.

    ``taken`` holds the orders of both locked. Without ``match`` what follows from ``after``.
    """
    performed, before = taken.performed, taken.steps
    kept = {step.pk for step in after}
    leaving = [step for step in before if step.pk not in kept]
    _refuse_if_reported(performed, leaving)
    order = after[0].procedure.order if after else None
    previous = [order.pk for order in taken.orders]
    performed.steps.set(after)
    performed.aliases.all().delete()
    performed.order = order
    performed.patient = order.patient if order else patient
    performed.match = (match or (Match.MATCHED if after else Match.UNMATCHED)).value
    performed.resolved_note = reason[:500] if after else ""
    performed.resolved_at = context.now if after else None
    performed.save()
    drop_follow_ups(performed, context, "the exam was taken from this step", steps=leaving)
    by_hand.ask_no_more(leaving, context, "the exam was taken from this step")
    let_go(leaving, context)
    after_return(performed, leaving, context)
    if after and performed.counts:
        for step in after:
            bring_to_start(step, performed.started_at, context)
        end = performed.effective_end
        if end is not None:
            note_end(after, end)
        if performed.match != Match.QUARANTINED.value:
            follow(after, performed)
        note_aliases(performed, after)
        by_hand.ask(performed, after, context)
    taken.steps = list(after)
    _say(taken, sorted({*previous, *(order.pk for order in taken.orders)}), before, context, reason)


def let_go(
    steps: Sequence[ScheduledProcedureStep],
    context: Context,
    performed: PerformedProcedureStep | None = None,
) -> None:
    """Give steps the state they have without this exam."""
    others = performed_states(steps, without=performed)
    follow([step for step in steps if step.pk in others])
    for step in steps:
        if step.pk not in others:
            take_back(step, context)
    correct_end(steps)


def _refuse_if_reported(
    performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep]
) -> None:
    """A signed report would be left without its exam."""
    if not steps:
        return
    others = performed_states(steps, without=performed)
    bare = {step.procedure_id for step in steps if step.pk not in others}
    signed = Report.objects.filter(
        procedures__in=bare, status__in=["PRELIMINARY", "FINAL", "AMENDED"]
    )
    if bare and signed.exists():
        raise StateConflictError("a report was signed for this exam; withdraw it first")


def _say(
    taken: Taken,
    orders: Sequence[int],
    before: Sequence[ScheduledProcedureStep],
    context: Context,
    reason: str,
) -> None:
    """Tell each order concerned what it lost and what it won."""
    performed = taken.performed
    told = [taken.locked[key] for key in orders if key in taken.locked]

    def of(order: Order, steps: Sequence[ScheduledProcedureStep]) -> tuple[str, ...]:
        return public_ids(step for step in steps if step.procedure.order_id == order.pk)

    for number, order in enumerate(told):
        context.emit(
            PerformedStepRelinked(
                performed=str(performed.public_id),
                order=str(order.public_id),
                steps=of(order, taken.steps),
                previous_steps=of(order, before),
                reason=reason,
                leading=number == 0,
            ),
            subject=performed,
            order=order,
            patient=order.patient,
        )
    if not told:
        context.emit(
            PerformedStepRelinked(performed=str(performed.public_id), reason=reason),
            subject=performed,
            patient=performed.patient,
        )
