"""What a performed step leaves for a person: raised by rules, settled by one click (SPS-05)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as noop

from ris.domain.corrections import (
    FollowUpRaised,
    FollowUpSettled,
    RevisePerformedStep,
    SettleFollowUp,
)
from ris.domain.critical import CriticalState
from ris.domain.discontinuation import (
    ACTIONS,
    FOLLOW_UPS,
    WORDS,
    FollowUpAction,
    FollowUpKind,
    reason_of,
)
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import PERFORMED, DiscontinueOrder, OrderReference, RepeatStep, StepStatus
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Match,
    Origin,
    PerformedDetails,
    PerformedStatus,
)
from ris.domain.reporting import LIVE, ReportStatus
from ris.domain.values import Code
from ris.models import (
    CodeMap,
    CriticalFinding,
    FollowUp,
    Order,
    PerformedProcedureStep,
    Report,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import public_key
from ris.services._transition import touch


def raise_follow_up(
    performed: PerformedProcedureStep,
    kind: FollowUpKind,
    context: Context,
    *,
    step: ScheduledProcedureStep | None = None,
    order: Order | None = None,
    reason: Code | None = None,
    detail: str = "",
) -> None:
    order = order or (step.procedure.order if step else None)
    row = FollowUp.objects.create(
        performed=performed,
        step=step,
        order=order,
        kind=kind.value,
        reason=reason.as_json() if reason else {},
        detail=detail[:300],
    )
    context.emit(
        FollowUpRaised(
            performed=str(performed.public_id),
            follow_up=str(row.public_id),
            kind=kind.value,
            order=str(order.public_id) if order else "",
            step=str(step.public_id) if step else "",
            reason=reason.value if reason else "",
        ),
        subject=performed,
        order=order,
        patient=performed.patient,
    )


def drop_follow_ups(
    performed: PerformedProcedureStep,
    context: Context,
    why: str,
    *,
    steps: Iterable[ScheduledProcedureStep] | None = None,
    kind: FollowUpKind | None = None,
) -> None:
    """Settle what has become pointless: the exam left these steps, or was set right."""
    rows = FollowUp.objects.filter(performed=performed, settled_at=None)
    if steps is not None:
        rows = rows.filter(step__in=[step.pk for step in steps])
    if kind is not None:
        rows = rows.filter(kind=kind.value)
    else:  # what its placer asked of an order is to be decided whatever becomes of the exam
        rows = rows.exclude(kind=FollowUpKind.ASKED.value)
    drop(rows, context, why)


def drop(rows: QuerySet[FollowUp], context: Context, why: str) -> None:
    rows.update(
        settled_at=context.now,
        settled_by=context.actor.name,
        action=FollowUpAction.DONE.value,
        note=why,
        updated_at=context.now,
    )


def drop_plans(steps: Iterable[ScheduledProcedureStep], context: Context) -> None:
    """What an earlier try left to be planned again has been done by now."""
    done = [step.pk for step in steps if step.status == StepStatus.COMPLETED.value]
    rows = FollowUp.objects.filter(step__in=done, kind=FollowUpKind.REBOOK.value, settled_at=None)
    drop(rows, context, "it was done at another try")


def for_reason(reason: Code) -> FollowUpKind | None:
    """What a reason asks for: by the site's table, else by ours."""
    if not reason.value:
        return None
    scheme = reason.scheme or "DCM"
    mapped: Mapping[str, str] | None = (
        CodeMap.objects.filter(
            table=FOLLOW_UPS,
            endpoint=None,
            source_value=reason.value,
            source_scheme__in=["", scheme],
        )
        .order_by("-source_scheme")
        .values_list("target", flat=True)
        .first()
    )
    if mapped is not None and mapped.get("value") in WORDS:
        return WORDS[mapped["value"]]
    known = reason_of(reason)
    # What a vendor means by a code of its own nobody here knows: the step leaves the worklist with
    # it, so a person says whether the exam is to be done still.
    return known.follow_up if known else FollowUpKind.REBOOK


def after_discontinuation(
    performed: PerformedProcedureStep,
    reason: Code,
    steps: Iterable[ScheduledProcedureStep],
    context: Context,
) -> None:
    kind = for_reason(reason)
    if kind is None:
        return
    for step in steps:
        raise_follow_up(performed, kind, context, step=step, reason=reason)


# --- what was said of an exam before it turned out to be another one's

_STANDING = tuple(status for status in LIVE if status != ReportStatus.DRAFT.value)
_REPORTED = noop("a report was signed on it: if it speaks of these images, it is to be withdrawn")
_CRITICAL = noop(
    "a critical finding was flagged on it: if it was seen in these images, withdraw it, and tell "
    "whoever treats the patient who was examined"
)


def after_return(
    performed: PerformedProcedureStep, steps: Iterable[ScheduledProcedureStep], context: Context
) -> None:
    """Steps are to be done still, and somebody reported on them, or told of a critical finding.

    What was told may be true of whoever was really examined, and only a person can tell them.
    """
    for step in steps:
        if StepStatus(step.status) in PERFORMED:
            continue
        signed = Report.objects.filter(procedures=step.procedure_id, status__in=_STANDING)
        flagged = CriticalFinding.objects.filter(procedure=step.procedure_id).exclude(
            status=CriticalState.WITHDRAWN.value
        )
        for detail, rows in ((_REPORTED, signed), (_CRITICAL, flagged)):
            if rows.exists():
                raise_follow_up(performed, FollowUpKind.NOTE, context, step=step, detail=detail)


# --- what was done against what was ordered (SPS-08)


def after_completion(
    performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep], context: Context
) -> None:
    """Flag an exam whose codes are of the order's own scheme and name something else."""
    done = [Code.from_json(code) for code in performed.procedure_codes]
    protocols = [Code.from_json(code) for code in performed.protocol_codes]
    for step in steps:
        procedure = step.procedure
        detail = _difference([_ordered(procedure)], done) or _difference(
            [Code.from_json(code) for code in step.protocol_codes], protocols
        )
        if detail:
            raise_follow_up(performed, FollowUpKind.DIFFERS, context, step=step, detail=detail)


def _ordered(procedure: RequestedProcedure) -> Code:
    return Code(procedure.code_value, procedure.code_scheme, procedure.code_meaning)


def _difference(ordered: Sequence[Code], done: Sequence[Code]) -> str:
    """In words, if none of ``done`` is among ``ordered`` though they speak the same scheme."""
    schemes = {code.scheme for code in ordered if code.value}
    comparable = [code for code in done if code.value and code.scheme in schemes]
    if not comparable or {code.value for code in comparable} & {code.value for code in ordered}:
        return ""
    words = noop("done: {done}; ordered: {ordered}")
    return words.format(done=_words(comparable), ordered=_words(ordered))


def _words(codes: Sequence[Code]) -> str:
    return ", ".join(f"{code.meaning or code.value} ({code.value})" for code in codes)


# --- settled by people


def settle_follow_up(command: SettleFollowUp, context: Context) -> None:
    row = (
        FollowUp.objects.select_for_update(of=("self",))
        .select_related("performed", "order__patient", "step")
        .filter(public_id=public_key(command.follow_up, "follow-up"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such follow-up")
    if row.settled_at is not None:
        raise StateConflictError("somebody settled this meanwhile")
    kind, note = FollowUpKind(row.kind), command.note.strip()
    if command.action not in ACTIONS[kind]:
        raise InvalidValueError("this is no answer to it", path="action")
    if kind is FollowUpKind.NOTE and not note:
        raise MissingValueError("write down what happened", path="note")
    _act(row, command.action, note, context)
    row.settled_at = context.now
    row.settled_by = context.actor.name
    row.action = command.action.value
    row.note = note[:500]
    touch(row, "settled_at", "settled_by", "action", "note")
    context.emit(
        FollowUpSettled(
            performed=str(row.performed.public_id),
            follow_up=str(row.public_id),
            kind=row.kind,
            action=row.action,
            note=row.note,
            order=str(row.order.public_id) if row.order else "",
            step=str(row.step.public_id) if row.step else "",
        ),
        subject=row.performed,
        order=row.order,
        patient=row.performed.patient,
    )


def _act(row: FollowUp, action: FollowUpAction, note: str, context: Context) -> None:
    """By commands of their own, so that the person needs the right for each."""
    actor, correlation = context.actor, context.correlation
    why = note or Code.from_json(row.reason).meaning or "follow-up of the exam"
    if action is FollowUpAction.PLAN_AGAIN:
        if row.step is None:
            raise StateConflictError("the step is gone")
        execute(RepeatStep(step=str(row.step.public_id)), actor=actor, correlation=correlation)
    elif action is FollowUpAction.CANCEL_ORDER:
        if row.order is None:
            raise StateConflictError("this exam has no order")
        execute(
            DiscontinueOrder(order=OrderReference(public_id=str(row.order.public_id)), reason=why),
            actor=actor,
            correlation=correlation,
        )
    elif action is FollowUpAction.ENDED_TOO:
        execute(_as_the_device_did(row.performed), actor=actor, correlation=correlation)
    elif action is FollowUpAction.WAS_COMPLETED:
        execute(
            RevisePerformedStep(
                performed=str(row.performed.public_id),
                status=PerformedStatus.COMPLETED,
                reason=note or "it was completed, the device did not say so",
            ),
            actor=actor,
            correlation=correlation,
        )


def _as_the_device_did(
    performed: PerformedProcedureStep,
) -> CompletePerformedStep | DiscontinuePerformedStep:
    """The end of what was begun by hand, as the last device told its own of the same steps."""
    ended = [
        row
        for row in PerformedProcedureStep.objects.filter(
            steps__in=performed.steps.all(), origin=Origin.MPPS.value
        )
        .exclude(status=PerformedStatus.IN_PROGRESS.value)
        .distinct()
        if row.effective_end is not None and row.counts and row.match != Match.QUARANTINED.value
    ]
    if not ended:
        raise StateConflictError("no device has told an end of this exam")
    last = max(ended, key=lambda row: (row.effective_end, row.pk))
    if last.effective_status == PerformedStatus.COMPLETED.value:
        return CompletePerformedStep(
            sop_instance_uid=performed.sop_instance_uid,
            details=PerformedDetails(ended_at=last.effective_end),
        )
    return DiscontinuePerformedStep(
        sop_instance_uid=performed.sop_instance_uid,
        details=PerformedDetails(
            ended_at=last.effective_end,
            discontinuation_reason=Code.from_json(last.discontinuation_reason),
        ),
    )
