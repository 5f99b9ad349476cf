"""The scheduled steps follow what was performed for them (dicom.md SPS-01 to SPS-04)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ris.domain.orders import (
    OPEN,
    ORDER,
    PERFORMED,
    STEP,
    OrderCanceled,
    OrderReopened,
    OrderStatus,
    OrderTrigger,
    StepStatus,
    StepTrigger,
)
from ris.domain.performing import Match, PerformedStatus, step_status_from
from ris.domain.scheduling import APPOINTMENT, AppointmentStatus, AppointmentTrigger
from ris.models import Order, PerformedProcedureStep, ScheduledProcedureStep, StudyAlias
from ris.services._context import Context
from ris.services._transition import move

_OPEN = [status.value for status in OPEN]
_ENDED = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})
_BEFORE_START = frozenset(
    {StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.CANCELED}
)
_GONE = frozenset({OrderStatus.CANCELED.value, OrderStatus.DISCONTINUED.value})


def reload(orders: Mapping[int, Order], **condition: object) -> list[ScheduledProcedureStep]:
    """The steps as they are now that their ``orders`` are locked."""
    rows = list(
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .select_related("procedure", "appointment")
        .filter(**condition)
        .order_by("id")
    )
    for step in rows:
        order = orders.get(step.procedure.order_id)
        if order is not None:
            step.procedure.order = order  # spares reading order and patient once more
    return rows


def bring_to_start(step: ScheduledProcedureStep, at: datetime, context: Context) -> None:
    """Take a step to STARTED by the transitions there are, whatever it was."""
    status = StepStatus(step.status)
    if status is StepStatus.STARTED:
        return
    before: StepStatus = status
    if status in _ENDED:
        move(step, STEP, StepTrigger.REVERT)  # appended to what was done before
        before = StepStatus(step.status_before_start or StepStatus.SCHEDULED.value)
    elif status is StepStatus.CANCELED:
        step.start_at = step.start_at or at
        move(step, STEP, StepTrigger.REVERT, "start_at")
        _reopen(step.procedure.order, context)
    elif status in {StepStatus.PENDING, StepStatus.NO_SHOW}:
        step.start_at = step.start_at or at  # a walk-in: scheduled the moment it begins
        move(step, STEP, StepTrigger.SCHEDULE, "start_at")
    step.status_before_start = (before if before in _BEFORE_START else StepStatus.SCHEDULED).value
    move(step, STEP, StepTrigger.START, "status_before_start")
    appointment = step.appointment
    if appointment is not None and appointment.status == AppointmentStatus.BOOKED.value:
        appointment.arrived_at = at
        move(appointment, APPOINTMENT, AppointmentTrigger.ARRIVE, "arrived_at")


def _reopen(order: Order, context: Context) -> None:
    """What was canceled here was performed there: the order is open again."""
    if order.status in _GONE:
        move(order, ORDER, OrderTrigger.REOPEN)
        context.emit(OrderReopened(order=str(order.public_id)), subject=order)


def follow(
    steps: Sequence[ScheduledProcedureStep], also: PerformedProcedureStep | None = None
) -> None:
    """Give each step the state that follows from all that was performed for it (SPS-03).

    ``also`` is a performed step of all of them, as it is in memory.
    """
    states = performed_states(steps, without=also)
    for step in steps:
        own = [PerformedStatus(also.effective_status)] if also is not None else []
        status = step_status_from([*states.get(step.pk, ()), *own])
        current = StepStatus(step.status)
        if status is None or current is StepStatus.CANCELED:
            continue
        if status is not current and current in _ENDED:
            move(step, STEP, StepTrigger.REVERT)
            move(step, STEP, StepTrigger.START)
        if status is StepStatus.COMPLETED and step.status == StepStatus.STARTED.value:
            move(step, STEP, StepTrigger.COMPLETE)
        elif status is StepStatus.DISCONTINUED and step.status == StepStatus.STARTED.value:
            move(step, STEP, StepTrigger.DISCONTINUE)
        if StepStatus(step.status) in _ENDED:
            _fulfill(step)


def _fulfill(step: ScheduledProcedureStep) -> None:
    appointment = step.appointment
    if appointment is not None and appointment.status == AppointmentStatus.ARRIVED.value:
        move(appointment, APPOINTMENT, AppointmentTrigger.FULFILL)


def performed_states(
    steps: Sequence[ScheduledProcedureStep], *, without: PerformedProcedureStep | None = None
) -> dict[int, list[PerformedStatus]]:
    """What was performed for each step, as people know it; what is in quarantine does not count."""
    links = PerformedProcedureStep.steps.through.objects.filter(
        scheduledprocedurestep__in=[step.pk for step in steps]
    ).exclude(performedprocedurestep__match=Match.QUARANTINED.value)
    if without is not None:
        links = links.exclude(performedprocedurestep=without)
    found: dict[int, list[PerformedStatus]] = {}
    for key, revised, said in links.values_list(
        "scheduledprocedurestep_id",
        "performedprocedurestep__revised_status",
        "performedprocedurestep__status",
    ):
        found.setdefault(key, []).append(PerformedStatus(revised or said))
    return found


def take_back(step: ScheduledProcedureStep, context: Context) -> None:
    """Return a step to what it was before it was started by mistake (SPS-04)."""
    if StepStatus(step.status) not in PERFORMED:
        return
    before = StepStatus(step.status_before_start or StepStatus.SCHEDULED.value)
    move(step, STEP, StepTrigger.REVERT)
    if before is StepStatus.CANCELED:
        move(step, STEP, StepTrigger.CANCEL)
        _cancel_again(step.procedure.order, context)
    if before in {StepStatus.ARRIVED, StepStatus.READY}:
        move(step, STEP, StepTrigger.ARRIVE)
    if before is StepStatus.READY:
        move(step, STEP, StepTrigger.PREPARE)


def _cancel_again(order: Order, context: Context) -> None:
    """The order was opened for this exam only, which was not its own after all."""
    live = ScheduledProcedureStep.objects.filter(procedure__order=order).exclude(
        status=StepStatus.CANCELED.value
    )
    if order.status == OrderStatus.ACTIVE.value and not live.exists():
        move(order, ORDER, OrderTrigger.CANCEL)
        context.emit(
            OrderCanceled(
                order=str(order.public_id),
                reason="canceled before; the exam was not for it",
                by_placer=False,
                announced=False,
            ),
            subject=order,
        )


def note_end(steps: Iterable[ScheduledProcedureStep], ended_at: datetime) -> None:
    """The last end is what lists sort by and what the worklist tells of the study (SPS-06)."""
    for procedure in {step.procedure_id: step.procedure for step in steps}.values():
        if procedure.performed_at is None or procedure.performed_at < ended_at:
            procedure.performed_at = ended_at
            procedure.save(update_fields=["performed_at", "updated_at"])


def note_aliases(
    performed: PerformedProcedureStep, steps: Iterable[ScheduledProcedureStep]
) -> None:
    """Remember the study a procedure was performed as, where that is not the one ordered."""
    uid = performed.study_instance_uid
    procedures = {
        step.procedure_id for step in steps if uid and step.procedure.study_instance_uid != uid
    }
    if procedures:
        StudyAlias.objects.bulk_create(
            [
                StudyAlias(study_instance_uid=uid, procedure_id=key, performed=performed)
                for key in sorted(procedures)
            ],
            ignore_conflicts=True,
        )


def done_with(orders: Sequence[Order]) -> frozenset[int]:
    """The orders of which no step is open any more."""
    keys = [order.pk for order in orders]
    if not keys:
        return frozenset()
    left = ScheduledProcedureStep.objects.filter(
        procedure__order__in=keys, status__in=_OPEN
    ).values_list("procedure__order_id", flat=True)
    return frozenset(keys) - set(left)
