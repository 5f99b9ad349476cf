"""What an assessment asks for, until it is done; and what pathology found."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.mammography import (
    RECALL,
    BreastRecallRaised,
    BreastRecallSettled,
    Category,
    CloseRecall,
    PathologyRecorded,
    PathologyWithdrawn,
    RecallKind,
    RecallState,
    RecallTrigger,
    RecordPathology,
    ReopenRecall,
    WithdrawPathology,
    recall_of,
)
from ris.models import BreastAssessment, BreastOutcome, BreastRecall
from ris.selectors.mammography import assessed_of, rules
from ris.services._context import Context
from ris.services._locks import lock_beside, public_key
from ris.services._transition import move

# A look after half a year may be a little early; one after a week is another exam.
_EARLY = timedelta(days=60)


def follow(row: BreastAssessment, context: Context) -> BreastRecall | None:
    """The recall that the assessment asks for; what it asked for before does not hold any more."""
    wanted = assessed_of(row).recall
    present = None
    for one in row.recalls.exclude(state=RecallState.WITHDRAWN.value).order_by("id"):
        if wanted is not None and one.kind == wanted.value and present is None:
            present = one
        else:
            _settle(one, RecallTrigger.WITHDRAW, "the assessment changed", context, row)
    if wanted is None or present is not None:
        return present
    recall = BreastRecall.objects.create(
        assessment=row, kind=wanted.value, due_on=rules().due(wanted, row.examined_on)
    )
    order = row.report.order
    context.emit(
        BreastRecallRaised(
            order=str(order.public_id),
            recall=str(recall.public_id),
            kind=recall.kind,
            due_on=recall.due_on,
            note=recall.due_on.isoformat(),
        ),
        subject=recall,
        order=order,
    )
    return recall


def answer(row: BreastAssessment, context: Context) -> None:
    """Earlier recalls of the patient that this exam is the answer to: of the sides it looked at."""
    earlier = (
        BreastRecall.objects.select_for_update(of=("self",))
        .select_related("assessment__report__order__patient")
        .filter(
            state=RecallState.OPEN.value,
            kind__in=[RecallKind.ADDITIONAL_IMAGING.value, RecallKind.SHORT_INTERVAL.value],
            assessment__report__order__patient=row.report.order.patient_id,
            assessment__examined_on__lte=row.examined_on,
        )
        .exclude(assessment=row)
        .order_by("id")
    )
    for recall in earlier:
        is_early = row.examined_on < recall.due_on - _EARLY
        if recall.kind == RecallKind.SHORT_INTERVAL.value and is_early:
            continue
        if all(getattr(row, side) for side in _sides(recall)):
            recall.answered_by = row
            _settle(
                recall, RecallTrigger.DO, "a later exam", context, recall.assessment, "answered_by"
            )


def _sides(recall: BreastRecall) -> list[str]:
    """The sides that the recall is about; both where only the whole exam was called so."""
    examined = [side for side in ("right", "left") if getattr(recall.assessment, side)]
    meant = [
        side
        for side in examined
        if recall_of(Category(getattr(recall.assessment, side))) is RecallKind(recall.kind)
    ]
    return meant or examined


def withdraw(row: BreastAssessment, context: Context) -> None:
    """The report was withdrawn: its recalls fall, and those it answered are open again."""
    why = "the report was withdrawn"
    for recall in row.recalls.exclude(state=RecallState.WITHDRAWN.value).order_by("id"):
        _settle(recall, RecallTrigger.WITHDRAW, why, context, row)
    for recall in row.answers.filter(state=RecallState.DONE.value).order_by("id"):
        recall.answered_by = None
        _settle(recall, RecallTrigger.REOPEN, why, context, recall.assessment, "answered_by")


def _settle(
    recall: BreastRecall,
    trigger: RecallTrigger,
    note: str,
    context: Context,
    assessment: BreastAssessment,
    *fields: str,
) -> None:
    opens = trigger is RecallTrigger.REOPEN
    recall.note = note[:500]
    recall.settled_at = None if opens else context.now
    recall.settled_by = "" if opens else context.actor.name[:150]
    move(recall, RECALL, trigger, "note", "settled_at", "settled_by", *fields)
    order = assessment.report.order
    context.emit(
        BreastRecallSettled(
            order=str(order.public_id),
            recall=str(recall.public_id),
            kind=recall.kind,
            state=recall.state,
            note=recall.note,
        ),
        subject=recall,
        order=order,
    )


# --- by people


def close_recall(command: CloseRecall, context: Context) -> None:
    """Done elsewhere, or awaited no more; the note says why."""
    recall = _locked(command.recall)
    note = _required(command.note)
    trigger = RecallTrigger.DO if command.done else RecallTrigger.CLOSE
    _settle(recall, trigger, note, context, recall.assessment)


def reopen_recall(command: ReopenRecall, context: Context) -> None:
    recall = _locked(command.recall)
    note = _required(command.note)
    if recall.assessment.recalls.filter(state=RecallState.OPEN.value).exists():
        raise StateConflictError("another recall of this exam is open")
    recall.answered_by = None
    _settle(recall, RecallTrigger.REOPEN, note, context, recall.assessment, "answered_by")


def record_pathology(command: RecordPathology, context: Context) -> str:
    """Note what was found in the tissue; the recall for it is done then."""
    row = lock_assessment(command.assessment)
    if row.signed_at is None or row.withdrawn_at is not None:
        raise StateConflictError("there is no signed assessment that this could follow")
    today = timezone.localtime(context.now).date()
    if not row.examined_on <= command.taken_on <= today:
        raise InvalidValueError("the tissue was taken between the exam and today", path="taken_on")
    if command.side not in {"", "R", "L", "B"}:
        raise InvalidValueError("the side is R, L or B", path="side")
    outcome = BreastOutcome.objects.create(
        assessment=row,
        result=command.result.value,
        taken_on=command.taken_on,
        side=command.side,
        source=command.source.strip()[:200],
        note=command.note.strip()[:500],
        recorded_by=context.actor.name[:150],
    )
    order = row.report.order
    context.emit(
        PathologyRecorded(
            order=str(order.public_id),
            outcome=str(outcome.public_id),
            result=outcome.result,
            taken_on=outcome.taken_on,
            note=outcome.result.lower(),
        ),
        subject=outcome,
        order=order,
    )
    waiting = row.recalls.filter(state=RecallState.OPEN.value, kind=RecallKind.BIOPSY.value).first()
    if waiting is not None:
        _settle(waiting, RecallTrigger.DO, "pathology was recorded", context, row)
    return str(outcome.public_id)


def withdraw_pathology(command: WithdrawPathology, context: Context) -> None:
    """Take back what was noted by mistake; it stays to be read, and counts no more."""
    key = public_key(command.outcome, "outcome")
    named = BreastOutcome.objects.filter(public_id=key).values_list(
        "assessment__public_id", flat=True
    )
    row = lock_assessment(str(named.first() or ""))
    outcome = BreastOutcome.objects.get(public_id=key)
    note = _required(command.reason)
    if outcome.withdrawn_at is not None:
        raise StateConflictError("it was taken back already")
    outcome.withdrawn_at, outcome.withdrawn_note = context.now, note
    outcome.save(update_fields=["withdrawn_at", "withdrawn_note", "updated_at"])
    order = row.report.order
    context.emit(
        PathologyWithdrawn(order=str(order.public_id), outcome=str(outcome.public_id), note=note),
        subject=outcome,
        order=order,
    )
    others = row.outcomes.filter(withdrawn_at__isnull=True).exists()
    done = row.recalls.filter(state=RecallState.DONE.value, kind=RecallKind.BIOPSY.value).first()
    if done is not None and not others:
        _settle(done, RecallTrigger.REOPEN, "pathology was taken back", context, row)


def lock_assessment(public_id: str) -> BreastAssessment:
    """The assessment, with its order locked first."""
    return lock_beside(
        BreastAssessment.objects.all(),
        public_id,
        "assessment",
        order="report__order_id",
        related=("report__order__patient",),
    )


def _locked(public_id: str) -> BreastRecall:
    return lock_beside(
        BreastRecall.objects.all(),
        public_id,
        "recall",
        order="assessment__report__order_id",
        related=("assessment__report__order__patient",),
    )


def _required(text: str) -> str:
    note = text.strip()[:500]
    if not note:
        raise MissingValueError("say why", path="note")
    return note
