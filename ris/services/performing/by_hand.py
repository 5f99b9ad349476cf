"""One exam that a person began in the room and that its device told of as well: it ends once.

Nobody ends a second time what the device has ended, so what was begun by hand would go on for ever.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as noop

from ris.domain.discontinuation import FollowUpKind
from ris.domain.performing import (
    PERFORMED_STEP,
    Match,
    Origin,
    PerformedStatus,
    PerformedStepCompleted,
    PerformedStepDiscontinued,
    PerformedTrigger,
)
from ris.domain.values import Code
from ris.models import FollowUp, PerformedProcedureStep, ScheduledProcedureStep
from ris.services._context import Context
from ris.services._transition import move
from ris.services.performing.follow_ups import drop_follow_ups, raise_follow_up
from ris.services.performing.following import follow
from ris.services.performing.taking import Taken
from ris.services.performing.telling import MakeEvent, public_ids, tell

_ENDED = noop("ended with what the device told of it")


def complete(taken: Taken, context: Context, *, before: datetime | None = None) -> None:
    """Whether all is done the device's own end says, which follows.

    Where the clock ended it, what was begun since ``before`` goes on.
    """
    for row in _same_exam(taken, before):
        follow(_end(taken, row, PerformedTrigger.COMPLETE, context))
        _tell_completed(taken, row, context)


def discontinue(
    taken: Taken,
    context: Context,
    *,
    mistaken: bool,
    abandoned: bool,
    before: datetime | None = None,
) -> list[PerformedProcedureStep]:
    """End it with the effect that it has where the device alone began; what was ended.

    With nothing made, or made under the wrong entry, it counts for none of its steps, so that they
    go back to the worklist, where the operator picks them again. It goes on while a device tells of
    another try, and where it was begun at another station: somebody else may be at work there, who
    is asked, unless the entry was picked by mistake.
    """
    rows = _same_exam(taken, before)
    if not rows or _goes_on_elsewhere(taken):
        return []
    performed = taken.performed
    here = [row for row in rows if row.station_ae_title in {"", performed.station_ae_title}]
    for row in here:
        row.discontinuation_reason = performed.discontinuation_reason
        row.abandoned = mistaken or abandoned
        _end(taken, row, PerformedTrigger.DISCONTINUE, context)
    if not mistaken:
        ask(performed, taken.steps, context)
    return here


def tell_discontinued(
    taken: Taken,
    rows: Iterable[PerformedProcedureStep],
    returned: Sequence[ScheduledProcedureStep],
    context: Context,
) -> None:
    back = set(public_ids(returned))
    for row in rows:
        _tell_discontinued(taken, row, back, context)


def ask(
    performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep], context: Context
) -> None:
    """A device's exam is over and a person's of the same step goes on: are they the same?

    Else nobody would be asked before the exam counts as stuck. What was begun since is another.
    """
    ended_at = performed.effective_end
    if (
        performed.origin != Origin.MPPS.value
        or performed.status == PerformedStatus.IN_PROGRESS.value
        or performed.match == Match.QUARANTINED.value
        or ended_at is None
    ):
        return
    own = {step.pk: step for step in steps}
    for row in _running(own).filter(started_at__lte=ended_at):
        step = next(own[key] for key in row.steps.values_list("pk", flat=True) if key in own)
        detail = f"{performed.station_ae_title}: {performed.effective_status}"
        drop_follow_ups(row, context, "asked anew", kind=FollowUpKind.BY_HAND)
        raise_follow_up(row, FollowUpKind.BY_HAND, context, step=step, detail=detail)


def ask_no_more(steps: Iterable[ScheduledProcedureStep], context: Context, why: str) -> None:
    """The device's exam was taken from these steps."""
    rows = FollowUp.objects.filter(
        kind=FollowUpKind.BY_HAND.value, settled_at=None, step__in=[step.pk for step in steps]
    )
    for row in rows.select_related("performed"):
        drop_follow_ups(row.performed, context, why, kind=FollowUpKind.BY_HAND)


def _running(steps: Iterable[int]) -> QuerySet[PerformedProcedureStep]:
    """What people began for any of these steps and nobody has ended."""
    tied = PerformedProcedureStep.steps.through.objects.filter(
        scheduledprocedurestep__in=list(steps)
    )
    return PerformedProcedureStep.objects.filter(
        pk__in=tied.values("performedprocedurestep"),
        origin=Origin.MANUAL.value,
        status=PerformedStatus.IN_PROGRESS.value,
    ).order_by("pk")


def _same_exam(taken: Taken, before: datetime | None) -> list[PerformedProcedureStep]:
    """What was begun by hand for steps of this exam of a device, and for no others."""
    if taken.performed.origin != Origin.MPPS.value or not taken.steps:
        return []
    own = {step.pk for step in taken.steps}
    rows = _running(own)
    if before is not None:
        rows = rows.filter(started_at__lt=before)
    return [row for row in rows.select_for_update(of=("self",)) if _keys(row) <= own]


def _goes_on_elsewhere(taken: Taken) -> bool:
    tied = PerformedProcedureStep.steps.through.objects.filter(
        scheduledprocedurestep__in=[step.pk for step in taken.steps]
    )
    others = PerformedProcedureStep.objects.filter(
        pk__in=tied.values("performedprocedurestep"),
        origin=Origin.MPPS.value,
        status=PerformedStatus.IN_PROGRESS.value,
    )
    return others.exclude(pk=taken.performed.pk).exists()


def _keys(row: PerformedProcedureStep) -> set[int]:
    return set(row.steps.values_list("pk", flat=True))


def _steps(taken: Taken, row: PerformedProcedureStep) -> list[ScheduledProcedureStep]:
    keys = _keys(row)
    return [step for step in taken.steps if step.pk in keys]


def _end(
    taken: Taken, row: PerformedProcedureStep, trigger: PerformedTrigger, context: Context
) -> list[ScheduledProcedureStep]:
    row.ended_at = max(taken.performed.ended_at or context.now, row.started_at)
    row.flags = [*row.flags, _ENDED]
    move(
        row,
        PERFORMED_STEP,
        trigger,
        *("ended_at", "flags", "discontinuation_reason", "abandoned"),
    )
    drop_follow_ups(row, context, _ENDED, kind=FollowUpKind.BY_HAND)
    return _steps(taken, row)


def _tell_completed(taken: Taken, row: PerformedProcedureStep, context: Context) -> None:
    _tell(
        taken,
        row,
        context,
        lambda order, named, leading: PerformedStepCompleted(
            performed=str(row.public_id), order=order, steps=named, leading=leading
        ),
    )


def _tell_discontinued(
    taken: Taken, row: PerformedProcedureStep, back: Container[str], context: Context
) -> None:
    _tell(
        taken,
        row,
        context,
        lambda order, named, leading: PerformedStepDiscontinued(
            performed=str(row.public_id),
            order=order,
            steps=named,
            reason=Code.from_json(row.discontinuation_reason).value,
            returned=tuple(step for step in named if step in back),
            leading=leading,
        ),
    )


def _tell(taken: Taken, row: PerformedProcedureStep, context: Context, make: MakeEvent) -> None:
    steps = _steps(taken, row)
    own = {step.procedure.order_id for step in steps}
    tell(context, row, [order for order in taken.orders if order.pk in own], steps, make)
