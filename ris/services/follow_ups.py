"""Follow-up recommendations: noted beside a report, then led by the patient's later orders.

What a recommendation waits for happens in other areas; a moment after its event left it is looked
at here (ris.services.afterwards), and the clock looks again at what a process did not come to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.utils import timezone

from ris.domain.actors import TIMER, Role
from ris.domain.corrections import CorrectionUndone, PerformedStepRevised
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.follow_ups import (
    FOLLOW_UP,
    LIVE,
    DeclineFollowUp,
    Fit,
    FollowUpDeclined,
    FollowUpMoved,
    FollowUpOrderLinked,
    FollowUpOrderProposed,
    FollowUpOrderUnlinked,
    FollowUpRecommended,
    FollowUpReminded,
    FollowUpReopened,
    FollowUpTrigger,
    LapseFollowUps,
    LinkFollowUpOrder,
    MatchFollowUps,
    NoteFollowUpReminder,
    RecommendFollowUp,
    ReopenFollowUp,
    UnlinkFollowUpOrder,
)
from ris.domain.order_events import OrderCanceled, OrderDiscontinued, OrderVoided
from ris.domain.patients import PatientsUnmerged, VisitsMoved
from ris.domain.performing import PerformedStepDiscontinued, PerformedStepRelinked
from ris.domain.protocol import StoredEvent
from ris.domain.reporting import ReportStatus
from ris.models import FollowUpRecommendation, Order, ProcedureDefinition
from ris.selectors import follow_ups as selected
from ris.services._context import Context, Emitted
from ris.services._execute import execute, register_consequence
from ris.services._locks import lock_beside, lock_orders, public_key
from ris.services._transition import move, touch
from ris.services.reporting.parts import lock as lock_report

LOOK_BACK = timedelta(minutes=15)
AT_ONCE = 200
_REMINDERS = 50
_YEARS = 15


# --- noted


def recommend_follow_up(command: RecommendFollowUp, context: Context) -> str:
    report = lock_report(command.report)
    if report.status in {ReportStatus.DISCARDED.value, ReportStatus.RETRACTED.value}:
        raise StateConflictError("this report is closed")
    definition = _definition(command.procedure)
    words = command.words.strip() or (definition.meaning if definition else "")
    if not words:
        raise MissingValueError("say which exam is recommended", path="words")
    today = timezone.localdate(context.now)
    if command.due_to < today or command.due_to > today + timedelta(days=366 * _YEARS):
        raise InvalidValueError("by when is a day to come", path="due_to")
    if command.due_from and command.due_from > command.due_to:
        raise InvalidValueError("it ends before it begins", path="due_to")
    row = FollowUpRecommendation(
        order=report.order,
        report=report,
        words=words[:200],
        reason=command.reason.strip()[:500],
        definition=definition,
        code_value=definition.code if definition else "",
        modality=(definition.modality if definition else command.modality.strip().upper())[:16],
        body_part=(definition.body_part if definition else command.body_part.strip().upper())[:64],
        due_from=command.due_from,
        due_to=command.due_to,
        arranger=command.arranger.value,
        recommended_at=context.now,
        recommended_by=(context.actor.display or context.actor.name)[:150],
    )
    row.save()
    context.emit(
        FollowUpRecommended(
            order=str(row.order.public_id),
            follow_up=str(row.public_id),
            report=str(report.public_id),
            due_to=row.due_to,
        ),
        subject=row,
        order=row.order,
    )
    return str(row.public_id)


def _definition(key: str) -> ProcedureDefinition | None:
    if not key:
        return None
    found = ProcedureDefinition.objects.filter(public_id=public_key(key, "procedure")).first()
    if found is None:
        raise UnknownKeyError("no such procedure in the catalog", path="procedure")
    return found


def _locked(public_id: str) -> FollowUpRecommendation:
    """The recommendation, the order of its report locked first."""
    return lock_beside(
        FollowUpRecommendation.objects.all(),
        public_id,
        "recommendation",
        order="order_id",
        related=("order__patient", "linked", "proposed"),
    )


def _require_live(row: FollowUpRecommendation) -> None:
    if row.status not in LIVE:
        raise StateConflictError("this recommendation is closed")


# --- its order


def link_follow_up_order(command: LinkFollowUpOrder, context: Context) -> None:
    row = _locked(command.follow_up)
    _require_live(row)
    if row.linked is not None:
        raise StateConflictError("it has an order already")
    order = Order.objects.filter(public_id=public_key(command.order, "order")).first()
    if order is None:
        raise UnknownKeyError("no such order", path="order")
    if order.patient_id != row.order.patient_id:
        raise StateConflictError("that order is of another patient")
    if order.pk == row.order_id:
        raise InvalidValueError("that is the order whose report recommends it", path="order")
    row.refused = [each for each in row.refused if each != str(order.public_id)]
    _link(row, order, context)
    _advance(row, context)


def _link(row: FollowUpRecommendation, order: Order, context: Context) -> None:
    row.linked = order
    row.proposed = None
    move(row, FOLLOW_UP, FollowUpTrigger.ORDER, "linked", "proposed", "refused")
    context.emit(
        FollowUpOrderLinked(
            order=str(row.order.public_id),
            follow_up=str(row.public_id),
            linked=str(order.public_id),
        ),
        subject=row,
        order=row.order,
    )


def unlink_follow_up_order(command: UnlinkFollowUpOrder, context: Context) -> None:
    row = _locked(command.follow_up)
    _require_live(row)
    key = str(public_key(command.order, "order"))
    row.refused = [*dict.fromkeys([*row.refused, key])][-100:]
    if row.linked is not None and str(row.linked.public_id) == key:
        _lose(row, context)
        return
    if row.proposed is None or str(row.proposed.public_id) != key:
        raise StateConflictError("that order is not proposed for it")
    row.proposed = None
    touch(row, "proposed", "refused")
    _say_unlinked(row, key, context)


def _lose(row: FollowUpRecommendation, context: Context) -> None:
    key = str(row.linked.public_id) if row.linked else ""
    row.linked = None
    move(row, FOLLOW_UP, FollowUpTrigger.LOSE, "linked", "refused")
    _say_unlinked(row, key, context)


def _say_unlinked(row: FollowUpRecommendation, key: str, context: Context) -> None:
    context.emit(
        FollowUpOrderUnlinked(
            order=str(row.order.public_id), follow_up=str(row.public_id), linked=key
        ),
        subject=row,
        order=row.order,
    )


# --- closed, opened again, reminded


def decline_follow_up(command: DeclineFollowUp, context: Context) -> None:
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why it will not be done", path="reason")
    row = _locked(command.follow_up)
    row.closed_reason = reason
    row.proposed = None
    move(row, FOLLOW_UP, FollowUpTrigger.DECLINE, "closed_reason", "proposed")
    context.emit(
        FollowUpDeclined(
            order=str(row.order.public_id), follow_up=str(row.public_id), reason=reason[:200]
        ),
        subject=row,
        order=row.order,
    )


def reopen_follow_up(command: ReopenFollowUp, context: Context) -> None:
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why it is to be done after all", path="reason")
    row = _locked(command.follow_up)
    row.closed_reason = ""
    if row.linked is not None:
        # That exam was not the one, or did not answer the question.
        row.refused = [*dict.fromkeys([*row.refused, str(row.linked.public_id)])]
        row.linked = None
    move(row, FOLLOW_UP, FollowUpTrigger.REOPEN, "closed_reason", "linked", "refused")
    context.emit(
        FollowUpReopened(
            order=str(row.order.public_id), follow_up=str(row.public_id), reason=reason[:200]
        ),
        subject=row,
        order=row.order,
    )


def note_follow_up_reminder(command: NoteFollowUpReminder, context: Context) -> None:
    who = command.who.strip()[:200]
    if not who:
        raise MissingValueError("say who was reminded", path="who")
    row = _locked(command.follow_up)
    _require_live(row)
    said = {
        "at": context.now.isoformat(),
        "how": command.how.value,
        "who": who,
        "by": (context.actor.display or context.actor.name)[:150],
        "note": command.note.strip()[:300],
    }
    row.reminders = [*row.reminders, said][-_REMINDERS:]
    row.reminded_at = context.now
    touch(row, "reminders", "reminded_at")
    context.emit(
        FollowUpReminded(
            order=str(row.order.public_id), follow_up=str(row.public_id), how=command.how.value
        ),
        subject=row,
        order=row.order,
    )


# --- what became of it


def match_follow_ups(command: MatchFollowUps, context: Context) -> int:
    found = selected.concerned([str(public_key(key, "order")) for key in command.orders])
    lock_orders(seen.order_id for seen in found)  # all at once, in the order of their keys
    moved = 0
    for seen in found:
        row = _locked(str(seen.public_id))
        if row.status not in LIVE:
            continue
        before = (row.status, row.linked_id, row.proposed_id)
        if row.linked is None:
            _look_for_order(row, context)
        _advance(row, context)
        moved += before != (row.status, row.linked_id, row.proposed_id)
    return moved


def _look_for_order(row: FollowUpRecommendation, context: Context) -> None:
    likely = selected.likely(row)
    if likely is None:
        return
    order, how = likely
    if how is Fit.SAME:
        _link(row, order, context)
    elif row.proposed_id != order.pk:
        row.proposed = order
        touch(row, "proposed")
        context.emit(
            FollowUpOrderProposed(
                order=str(row.order.public_id),
                follow_up=str(row.public_id),
                proposed=str(order.public_id),
            ),
            subject=row,
            order=row.order,
        )


def _advance(row: FollowUpRecommendation, context: Context) -> None:
    """Where its order stands by now."""
    trigger = selected.step_to(row)
    if trigger is None:
        return
    if trigger is FollowUpTrigger.LOSE:
        _lose(row, context)
        return
    move(row, FOLLOW_UP, trigger)
    _say_moved(row, context)


def _say_moved(row: FollowUpRecommendation, context: Context) -> None:
    context.emit(
        FollowUpMoved(
            order=str(row.order.public_id), follow_up=str(row.public_id), state=row.status
        ),
        subject=row,
        order=row.order,
    )


def undone(emitted: Sequence[Emitted], context: Context) -> None:
    """Take up again what was done by an exam that is another's or was none, as these events tell.

    In their transaction: nobody sees the exam gone and its recommendation still done.
    """
    orders = {each.order.pk for each in emitted if each.order is not None}
    events = [each.event for each in emitted]
    patients = {
        key
        for event in events
        if isinstance(event, PatientsUnmerged | VisitsMoved)
        for key in (event.patient, _other_patient(event))
    }
    rows = selected.done_by(orders, patients).select_related("order__patient", "linked")
    for row in rows.select_for_update(of=("self",)):
        reason = selected.why_not_done(row)
        if reason:
            _undo(row, reason, context)


def _other_patient(event: PatientsUnmerged | VisitsMoved) -> str:
    return event.subsumed if isinstance(event, PatientsUnmerged) else event.previous


def _undo(row: FollowUpRecommendation, reason: str, context: Context) -> None:
    """Its order goes on being the one for it, unless it was given up or is another patient's."""
    order = row.linked
    is_lost = selected.step_to(row) is FollowUpTrigger.LOSE
    if is_lost:
        row.linked = None
    row.closed_reason = ""
    move(row, FOLLOW_UP, FollowUpTrigger.REOPEN, "linked", "closed_reason")
    context.emit(
        FollowUpReopened(
            order=str(row.order.public_id), follow_up=str(row.public_id), reason=reason
        ),
        subject=row,
        order=row.order,
    )
    if not is_lost and order is not None:
        _link(row, order, context)
        _advance(row, context)


def lapse_follow_ups(command: LapseFollowUps, context: Context) -> int:
    today = timezone.localdate(context.now)
    due = list(selected.lapsed(today).values_list("public_id", "order_id")[:AT_ONCE])
    lock_orders(order for _, order in due)
    lapsed = 0
    for key, _ in due:
        row = _locked(str(key))
        if not selected.lapsed(today).filter(pk=row.pk).exists():
            continue
        move(row, FOLLOW_UP, FollowUpTrigger.LAPSE)
        _say_moved(row, context)
        lapsed += 1
    return lapsed


def follow(events: Sequence[StoredEvent]) -> None:
    """Look at what these events may be the end of (ris.services.afterwards)."""
    orders = {each.order for each in events if each.order and not each.name.startswith("FollowUp")}
    if orders and selected.anything_live():
        _match(selected.concerned(sorted(orders)))


def run_due() -> None:
    """The clock: what is overdue, and what changed lately while nobody followed."""
    if not selected.anything_live():
        return
    now = timezone.now()
    _match(selected.changed_since(now - LOOK_BACK))
    if selected.lapsed(timezone.localdate(now)).exists():
        execute(LapseFollowUps(), actor=TIMER)


def _match(rows: Iterable[FollowUpRecommendation]) -> None:
    for row in rows:
        order = selected.moved_by(row)
        if order is not None:
            execute(MatchFollowUps(orders=(str(order.public_id),)), actor=TIMER)


register_consequence(
    (
        OrderCanceled,
        OrderDiscontinued,
        OrderVoided,
        PatientsUnmerged,
        PerformedStepDiscontinued,
        PerformedStepRelinked,
        PerformedStepRevised,
        CorrectionUndone,
        VisitsMoved,
    ),
    undone,
)

HANDLERS = {
    RecommendFollowUp: recommend_follow_up,
    LinkFollowUpOrder: link_follow_up_order,
    UnlinkFollowUpOrder: unlink_follow_up_order,
    DeclineFollowUp: decline_follow_up,
    ReopenFollowUp: reopen_follow_up,
    NoteFollowUpReminder: note_follow_up_reminder,
    MatchFollowUps: match_follow_ups,
    LapseFollowUps: lapse_follow_ups,
}

_READERS = {Role.RADIOLOGIST, Role.RESIDENT}
_WORKERS = _READERS | {Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER}

PERMISSIONS = {
    RecommendFollowUp: _READERS,
    LinkFollowUpOrder: _WORKERS,
    UnlinkFollowUpOrder: _WORKERS,
    DeclineFollowUp: _WORKERS,
    ReopenFollowUp: _WORKERS,
    NoteFollowUpReminder: _WORKERS,
    MatchFollowUps: {Role.SYSTEM},
    LapseFollowUps: {Role.SYSTEM},
}
