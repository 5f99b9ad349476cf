"""Hold, release, cancel, discontinue, void."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ris.domain.errors import StateConflictError
from ris.domain.order_events import (
    OrderCanceled,
    OrderDiscontinued,
    OrderHeld,
    OrderReleased,
    OrderVoided,
    StepCanceled,
)
from ris.domain.orders import (
    OPEN,
    ORDER,
    PERFORMED,
    STEP,
    CanceledOrder,
    CancelOrder,
    CancelStep,
    DiscontinueOrder,
    HoldOrder,
    NoteRefusedCancellation,
    OrderReference,
    OrderStatus,
    OrderTrigger,
    ReleaseOrder,
    ReplaceOrder,
    Stage,
    StepStatus,
    StepTrigger,
    VoidOrder,
)
from ris.domain.places import Place
from ris.models import Order, RequestedProcedure, ScheduledProcedureStep
from ris.services._context import Context, current_cause
from ris.services._locks import lock_step, steps_of_order
from ris.services._transition import move, touch
from ris.services.orders.early import was_canceled_early, were_canceled_early
from ris.services.orders.finding import require, require_all, require_live
from ris.services.orders.naming import named_in_part
from ris.services.scheduling import calendar

# What nobody began. What a patient missed is among it: nobody is to come for it any more.
_WAITING = OPEN - {StepStatus.STARTED}


def hold_order(command: HoldOrder, context: Context) -> str:
    orders = require_all(command.order)
    for order in orders:
        _refuse_if_started(order, "hold")
        move(order, ORDER, OrderTrigger.HOLD)
        _touch_steps(order)
        context.emit(OrderHeld(order=str(order.public_id), reason=command.reason), subject=order)
    return str(orders[0].public_id)


def release_order(command: ReleaseOrder, context: Context) -> str:
    orders = require_all(command.order)
    for order in orders:
        move(order, ORDER, OrderTrigger.RELEASE)
        _touch_steps(order)
        context.emit(OrderReleased(order=str(order.public_id)), subject=order)
    return str(orders[0].public_id)


def _touch_steps(order: Order) -> None:
    for step in steps_of_order(order):
        touch(step)


def _refuse_if_started(order: Order, doing: str) -> None:
    for step in steps_of_order(order):
        if StepStatus(step.status) in PERFORMED:
            raise StateConflictError(
                f"cannot {doing}: the exam was started",
                path=Place.ORDER_STATUS,
                details={"started": True},
            )


def cancel_order(command: CancelOrder, context: Context) -> CanceledOrder:
    orders = require_all(command.order)
    named = named_in_part(orders, command.procedures)
    for order, steps in _concerned(orders, named):
        if steps:
            _cancel_steps(order, steps, command.reason, context)
        elif not was_canceled_early(order):
            cancel(order, command.reason, context)
    return _canceled(orders, named)


def _concerned(
    orders: Sequence[Order], named: Sequence[RequestedProcedure]
) -> Iterator[tuple[Order, list[ScheduledProcedureStep]]]:
    """The orders meant, each with the steps that are; with none if all that is live of it is."""
    keys = {each.pk for each in named}
    for order in orders:
        own = set(order.procedures.values_list("pk", flat=True))
        live = order.procedures.exclude(stage=Stage.CANCELED.value)
        if named and not own & keys:
            continue
        in_part = named and live.exclude(pk__in=keys).exists()
        yield order, [s for s in steps_of_order(order) if in_part and s.procedure_id in keys]


def _canceled(orders: Sequence[Order], named: Sequence[RequestedProcedure]) -> CanceledOrder:
    return CanceledOrder(
        orders=tuple(str(order.public_id) for order in orders),
        procedures=tuple(str(each.public_id) for each in named),
    )


def _cancel_steps(
    order: Order, steps: Sequence[ScheduledProcedureStep], reason: str, context: Context
) -> None:
    """Cancel some exams of an order, which goes on with the others."""
    require_live(order)
    if any(StepStatus(step.status) in PERFORMED for step in steps):
        _leave_a_note(order, reason, context)
        raise StateConflictError(
            "cannot cancel: the exam was started",
            path=Place.ORDER_STATUS,
            details={"started": True},
        )
    if were_canceled_early(order, steps):
        return
    if not _drop_waiting(order, steps, reason, context):
        raise StateConflictError(
            "cannot cancel: the exam is canceled already", path=Place.ORDER_STATUS
        )


def _drop_waiting(
    order: Order, steps: Sequence[ScheduledProcedureStep], reason: str, context: Context
) -> bool:
    """Drop what nobody began; whether there was any."""
    waiting = [step for step in steps if StepStatus(step.status) in _WAITING]
    for step in waiting:
        drop_step(step, reason, context)
    if waiting:
        touch(order)
    return bool(waiting)


def cancel(
    order: Order, reason: str, context: Context, *, early: bool = False, replaced: bool = False
) -> None:
    """Cancel an order, which is locked, and all that is open of it; refused after a start."""
    try:
        _refuse_if_started(order, "cancel")
    except StateConflictError:
        _leave_a_note(order, reason, context)
        raise
    announced = any(step.announced for step in steps_of_order(order))
    was_held = order.status == OrderStatus.ON_HOLD.value
    move(order, ORDER, OrderTrigger.CANCEL)
    canceled = _cancel_open_steps(order, reason, context)
    context.emit(
        OrderCanceled(
            order=str(order.public_id),
            reason=reason,
            by_placer=context.is_machine,
            announced=announced,
            early=early,
            replaced=replaced,
            canceled_steps=tuple(str(step.public_id) for step in canceled),
            was_held=was_held,
        ),
        subject=order,
    )


def _leave_a_note(order: Order, reason: str, context: Context) -> None:
    """Have whoever works on the exam see what its placer wanted.

    Who clicks in the department is told at once, and can go and ask.
    """
    is_placer = current_cause() is not None or context.is_machine or context.actor.is_confined
    if is_placer:
        reference = OrderReference(public_id=str(order.public_id))
        context.leave(NoteRefusedCancellation(order=reference, reason=reason))


def replace_order(command: ReplaceOrder, context: Context) -> str:
    """Close what another order stands for; told again, it is closed already."""
    orders = require_all(command.order)
    for order in orders:
        if order.status == OrderStatus.CANCELED.value and order.replaced_by.exists():
            continue
        cancel(order, command.reason or "replaced by another order", context, replaced=True)
    return str(orders[0].public_id)


def discontinue_order(command: DiscontinueOrder, context: Context) -> CanceledOrder:
    orders = require_all(command.order)
    named = named_in_part(orders, command.procedures)
    for order, steps in _concerned(orders, named):
        if steps:
            _discontinue_steps(order, steps, command.reason, context)
        elif not was_canceled_early(order):
            _discontinue(order, command.reason, context)
    return _canceled(orders, named)


def _in_progress() -> StateConflictError:
    return StateConflictError(
        "cannot discontinue: the exam is in progress",
        path=Place.ORDER_STATUS,
        details={"started": True},
    )


def _discontinue_steps(
    order: Order, steps: Sequence[ScheduledProcedureStep], reason: str, context: Context
) -> None:
    """Stop some exams of an order: what waits is dropped, what runs is its technologist's."""
    require_live(order)
    if were_canceled_early(order, steps):
        return
    runs = any(step.status == StepStatus.STARTED.value for step in steps)
    if runs:
        _leave_a_note(order, reason, context)
    if _drop_waiting(order, steps, reason, context):
        return
    if runs:
        raise _in_progress()
    raise StateConflictError("cannot discontinue: the exam is over", path=Place.ORDER_STATUS)


def _discontinue(order: Order, reason: str, context: Context) -> None:
    steps = steps_of_order(order)
    if not any(StepStatus(step.status) in PERFORMED for step in steps):
        # Nothing was performed yet: to stop is to cancel (IHE RAD TF-2 4.2, 4.3).
        cancel(order, reason, context)
        return
    if any(step.status == StepStatus.STARTED.value for step in steps):
        _leave_a_note(order, reason, context)
        # What runs is for its technologist to end; nobody else need come in for the rest.
        if _drop_waiting(order, steps, reason, context):
            return
        raise _in_progress()
    announced = any(step.announced for step in steps)
    move(order, ORDER, OrderTrigger.DISCONTINUE)
    _cancel_open_steps(order, reason, context)
    context.emit(
        OrderDiscontinued(
            order=str(order.public_id),
            reason=reason,
            by_placer=context.is_machine,
            announced=announced,
        ),
        subject=order,
    )


def void_order(command: VoidOrder, context: Context) -> str:
    order = require(command.order)
    _refuse_if_started(order, "mark as entered in error")
    move(order, ORDER, OrderTrigger.VOID)
    _cancel_open_steps(order, command.reason, context)
    context.emit(OrderVoided(order=str(order.public_id), reason=command.reason), subject=order)
    return str(order.public_id)


def _cancel_open_steps(order: Order, reason: str, context: Context) -> list[ScheduledProcedureStep]:
    canceled = []
    for step in steps_of_order(order):
        if StepStatus(step.status) not in _WAITING:
            continue
        calendar.release(step, reason, context)
        move(step, STEP, StepTrigger.CANCEL)
        canceled.append(step)
    return canceled


def cancel_step(command: CancelStep, context: Context) -> None:
    step = lock_step(command.step)
    drop_step(step, command.reason, context)
    touch(step.procedure.order)


def drop_step(step: ScheduledProcedureStep, reason: str, context: Context) -> None:
    """Cancel one step of an order, which goes on without it."""
    calendar.release(step, reason, context)
    move(step, STEP, StepTrigger.CANCEL)
    order = step.procedure.order
    context.emit(
        StepCanceled(order=str(order.public_id), step=str(step.public_id), reason=reason),
        subject=step,
        order=order,
    )
