"""Take back a cancellation of ours."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.errors import RisError, StateConflictError
from ris.domain.order_events import OrderHeld, OrderReopened
from ris.domain.orders import ORDER, STEP, OrderTrigger, StepStatus, StepTrigger
from ris.domain.safety import Gate
from ris.domain.scheduling import AppointmentStatus
from ris.domain.undoing import RestoreOrder
from ris.models import Appointment, Order, ScheduledProcedureStep
from ris.selectors.undoing import cancellation_of, why_not_restored
from ris.services._context import Context
from ris.services._execute import together
from ris.services._locks import steps_of_order
from ris.services._transition import move
from ris.services.orders.finding import require
from ris.services.safety import require_answered
from ris.services.scheduling import calendar
from ris.services.scheduling.resources import lock, resources_of
from ris.services.scheduling.rules import agree_again, candidates_of


def restore_order(command: RestoreOrder, context: Context) -> tuple[str, ...]:
    order = require(command.order)
    if command.expected_version is not None and command.expected_version != order.version:
        raise StateConflictError("somebody else changed this order meanwhile")
    canceled = cancellation_of(order.pk)
    why_not = why_not_restored(order.status, canceled, context.now)
    if why_not or canceled is None:
        raise StateConflictError(why_not)
    move(order, ORDER, OrderTrigger.REOPEN)
    context.emit(OrderReopened(order=str(order.public_id)), subject=order)
    steps = [step for step in steps_of_order(order) if str(step.public_id) in canceled.steps]
    _lock_places(steps)
    waiting = [str(step.public_id) for step in steps if not _restore(step, order, context)]
    if canceled.was_held:
        move(order, ORDER, OrderTrigger.HOLD)
        context.emit(
            OrderHeld(order=str(order.public_id), reason="as before it was canceled"),
            subject=order,
        )
    return tuple(waiting)


def _restore(step: ScheduledProcedureStep, order: Order, context: Context) -> bool:
    """Open the step again; whether nothing of what it was is lost."""
    if step.status != StepStatus.CANCELED.value:
        return True  # opened again by other means
    step.procedure.order = order  # as it is now, not as the step's query found it
    former, had_time = step.appointment, _had_time(step)
    step.appointment = None
    fields = ["appointment"]
    if former is not None:
        step.start_at = step.device = None
        step.station_ae_title = step.station_name = step.location = ""
        # The archive was told that it is gone: the next booking is new to it.
        step.announced = False
        fields += ["start_at", "device", "station_ae_title", "station_name", "location"]
        fields.append("announced")
    move(step, STEP, StepTrigger.RESTORE, *fields)
    return former is None or not had_time or _book_again(step, former, context)


def _had_time(step: ScheduledProcedureStep) -> bool:
    """Whether its appointment was booked, and not only held or asked for."""
    former = step.appointment
    return former is not None and former.start_at == step.start_at


def _lock_places(steps: Sequence[ScheduledProcedureStep]) -> None:
    """All that any of them may take again, in one order, before the first is looked at."""
    places = []
    for step in steps:
        if step.device is not None and _had_time(step):
            places += [*resources_of(step.device), *candidates_of(step)]
    lock(places)


def _book_again(step: ScheduledProcedureStep, former: Appointment, context: Context) -> bool:
    """The time it had, if it is to come and still free; whoever books decides that."""
    device = former.device
    if device is None or former.start_at <= context.now:
        return False
    if former.status == AppointmentStatus.NO_SHOW.value:
        return False
    minutes = round((former.end_at - former.start_at).total_seconds() / 60)
    try:
        require_answered(step, Gate.BOOKING)
        agreed = agree_again(step, former, device, context)
        together(
            lambda: calendar.book(
                step,
                device,
                former.start_at,
                minutes,
                context,
                overbook=former.overbooked,
                reason=former.reason if former.overbooked else "",
                agreed=agreed,
                comment=former.comment,
            )
        )
    except RisError:
        return False
    return True
