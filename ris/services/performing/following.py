"""The scheduled steps follow what was performed for them (dicom.md SPS-01 to SPS-04)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import BigIntegerField

from ris.domain.order_events import OrderCanceled, OrderHeld, OrderReleased, OrderReopened
from ris.domain.orders import (
    OPEN,
    ORDER,
    PERFORMED,
    STEP,
    OrderStatus,
    OrderTrigger,
    StepStatus,
    StepTrigger,
)
from ris.domain.performing import Match, PerformedStatus, step_status_from
from ris.domain.scheduling import APPOINTMENT, AppointmentStatus, AppointmentTrigger
from ris.models import (
    DomainEvent,
    Order,
    PerformedProcedureStep,
    ScheduledProcedureStep,
    StudyAlias,
)
from ris.models.prepared import Given, Select
from ris.services._context import Context
from ris.services._transition import move
from ris.services.scheduling import calendar

_ENDED = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})
_BEFORE_START = frozenset(
    {StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.CANCELED}
)
_GONE = frozenset({OrderStatus.CANCELED.value, OrderStatus.DISCONTINUED.value})


_LOCKED = ScheduledProcedureStep.objects.select_for_update(of=("self",)).select_related(
    "procedure", "appointment"
)
_STEP = Select(lambda: _LOCKED.filter(pk=Given("pk", BigIntegerField())))
_STEPS_PERFORMED = Select(
    lambda: _LOCKED.filter(performed=Given("performed", BigIntegerField())).order_by("id")
)
_STEPS_OF_ORDER = Select(
    lambda: _LOCKED.filter(procedure__order=Given("order", BigIntegerField())).order_by("id")
)


def steps_named(orders: Mapping[int, Order], keys: Iterable[int]) -> list[ScheduledProcedureStep]:
    """The steps with these primary keys as they are now that their ``orders`` are locked."""
    return _with(orders, [step for key in sorted(set(keys)) for step in _STEP.all(pk=key)])


def steps_performed(
    orders: Mapping[int, Order], performed: PerformedProcedureStep
) -> list[ScheduledProcedureStep]:
    return _with(orders, _STEPS_PERFORMED.all(performed=performed.pk))


def steps_of(orders: Mapping[int, Order], order: Order) -> list[ScheduledProcedureStep]:
    return _with(orders, _STEPS_OF_ORDER.all(order=order.pk))


def _with(
    orders: Mapping[int, Order], steps: list[ScheduledProcedureStep]
) -> list[ScheduledProcedureStep]:
    """With the locked orders in place, which spares reading order and patient once more."""
    for step in steps:
        order = orders.get(step.procedure.order_id)
        if order is not None:
            step.procedure.order = order
    return steps


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
    _release(step.procedure.order, context)
    step.status_before_start = (before if before in _BEFORE_START else StepStatus.SCHEDULED).value
    move(step, STEP, StepTrigger.START, "status_before_start")
    appointment = step.appointment
    if appointment is not None and appointment.status == AppointmentStatus.BOOKED.value:
        appointment.arrived_at = at
        move(appointment, APPOINTMENT, AppointmentTrigger.ARRIVE, "arrived_at")
    elif appointment is not None:
        calendar.let_go(appointment, "the exam began without an appointment")


def _reopen(order: Order, context: Context) -> None:
    """What was canceled here was performed there: the order is open again."""
    if order.status in _GONE:
        move(order, ORDER, OrderTrigger.REOPEN)
        context.emit(OrderReopened(order=str(order.public_id)), subject=order)


def _release(order: Order, context: Context) -> None:
    """What was on hold was performed all the same: it is to be read, reported and told of."""
    if order.status == OrderStatus.ON_HOLD.value:
        move(order, ORDER, OrderTrigger.RELEASE)
        context.emit(OrderReleased(order=str(order.public_id), begun=True), subject=order)


def follow(
    steps: Sequence[ScheduledProcedureStep], also: PerformedProcedureStep | None = None
) -> bool:
    """Give each step the state that follows from all that was performed for it (SPS-03).

    ``also`` is a performed step of all of them, as it is in memory. Returns whether there are
    others besides.
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
    return bool(states)


def _fulfill(step: ScheduledProcedureStep) -> None:
    appointment = step.appointment
    if appointment is not None and appointment.status == AppointmentStatus.ARRIVED.value:
        move(appointment, APPOINTMENT, AppointmentTrigger.FULFILL)


def performed_states(
    steps: Sequence[ScheduledProcedureStep], *, without: PerformedProcedureStep | None = None
) -> dict[int, list[PerformedStatus]]:
    """What was performed for each step, as people know it.

    What is in quarantine does not count, nor what was abandoned without an image.
    """
    found: dict[int, list[PerformedStatus]] = {}
    for step in steps:
        states = [
            PerformedStatus(row.effective_status)
            for row in _PERFORMED.all(step=step.pk)
            if (without is None or row.pk != without.pk) and row.counts
        ]
        if states:
            found[step.pk] = states
    return found


_PERFORMED = Select(
    lambda: (
        PerformedProcedureStep.objects.only("status", "revised_status", "abandoned")
        .filter(steps=Given("step", BigIntegerField()))
        .exclude(match=Match.QUARANTINED.value)
    )
)


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
    _hold_again(step.procedure.order, context)


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


def _hold_again(order: Order, context: Context) -> None:
    """The hold ended for this exam only, which was not its own after all."""
    if order.status != OrderStatus.ACTIVE.value or any(
        StepStatus(step.status) in PERFORMED for step in steps_of({order.pk: order}, order)
    ):
        return
    last = DomainEvent.objects.filter(order=order, name__in=["OrderHeld", "OrderReleased"]).last()
    if last is not None and last.payload.get("begun"):
        move(order, ORDER, OrderTrigger.HOLD)
        reason = "on hold before; the exam was not for it"
        context.emit(OrderHeld(order=str(order.public_id), reason=reason), subject=order)


def note_end(steps: Iterable[ScheduledProcedureStep], ended_at: datetime) -> None:
    """The last end is what lists sort by and what the worklist tells of the study (SPS-06)."""
    for procedure in {step.procedure_id: step.procedure for step in steps}.values():
        if procedure.performed_at is None or procedure.performed_at < ended_at:
            procedure.performed_at = ended_at
            procedure.save(update_fields=["performed_at", "updated_at"])


def correct_end(steps: Iterable[ScheduledProcedureStep]) -> None:
    """The last end of what is still theirs: something was taken away, or its end set right."""
    for procedure in {step.procedure_id: step.procedure for step in steps}.values():
        rows = (
            PerformedProcedureStep.objects.defer("dataset")
            .filter(steps__procedure=procedure)
            .exclude(match=Match.QUARANTINED.value)
            .distinct()
        )
        ends = [row.effective_end for row in rows if row.counts and row.effective_end]
        last = max(ends, default=None)
        if procedure.performed_at != last:
            procedure.performed_at = last
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
    return frozenset(order.pk for order in orders if not _OPEN_STEPS.all(order=order.pk))


_OPEN_STEPS = Select(
    lambda: ScheduledProcedureStep.objects.only("status").filter(
        procedure__order=Given("order", BigIntegerField()),
        status__in=[status.value for status in OPEN],
    )[:1]
)
