"""The waiting list: who waits, what is offered, and what becomes of an offer.

What became free is found by the clock (``offer_freed``) and offered one by one, each in a
transaction of its own that locks like a booking: the order first, then the room. Nothing is offered
inside the transaction that freed it, which holds locks of another order.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.utils import timezone

from ris.domain.actors import TIMER
from ris.domain.errors import InvalidValueError, RisError, StateConflictError, UnknownKeyError
from ris.domain.local_time import ended
from ris.domain.orders import OrderStatus, Priority, StepStatus
from ris.domain.places import Place
from ris.domain.scheduling import (
    AppointmentStatus,
    BookAppointment,
    RescheduleAppointment,
)
from ris.domain.waiting import (
    OFFER,
    WAITING,
    AcceptOffer,
    DayPart,
    DeclineOffer,
    OfferAccepted,
    OfferSlot,
    OfferStatus,
    OfferTrigger,
    SlotOffered,
    StopWaiting,
    WaitForSlot,
    WaitingStarted,
    WaitingStatus,
    WaitingStopped,
    WaitingTrigger,
)
from ris.models import Appointment, ScheduledProcedureStep, SlotOffer, WaitingEntry
from ris.selectors.openings import exam_of
from ris.selectors.waiting import WAITABLE, over, proposals
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import lock_appointment, lock_step, public_key
from ris.services._transition import move, touch
from ris.services.scheduling.appointments import book_appointment, reschedule_appointment
from ris.services.scheduling.offers import end, entry_of, let_go, open_offers, serve
from ris.services.scheduling.resources import find_device, require_patient_free, take
from ris.services.scheduling.rules import agree

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(minutes=15)
OFFER_HOURS = 2  # somebody is called, or looks at a message
HELD_BY = "waiting list"
# The most urgent is asked first.
_RANK = {Priority.STAT: 0, Priority.ASAP: 1, Priority.URGENT: 2, Priority.ROUTINE: 3}


def wait_for_slot(command: WaitForSlot, context: Context) -> str:
    step = lock_step(command.step)
    if step.status not in WAITABLE:
        raise StateConflictError("this exam is not to be booked any more")
    if not step.modality:
        raise StateConflictError("this step lacks its modality: complete it first")
    if command.earliest and command.latest and command.latest < command.earliest:
        raise InvalidValueError("the last day is before the first", path="latest")
    if not 0 <= command.notice_hours <= 30 * 24:
        raise InvalidValueError("the notice is at most 30 days", path="notice_hours")
    entry = entry_of(step)
    is_new = entry is None
    if entry is None:
        entry = WaitingEntry(step=step, since=context.now)
    entry.modality = step.modality
    entry.rank = _RANK[Priority(step.procedure.order.priority)]
    entry.earliest = command.earliest
    entry.latest = command.latest
    entry.day_parts = [DayPart(part).value for part in command.day_parts]
    entry.notice_hours = command.notice_hours
    entry.comment = command.comment.strip()[:200]
    entry.save()
    if is_new:
        _say(WaitingStarted, step, entry, context)
    return str(entry.public_id)


def stop_waiting(command: StopWaiting, context: Context) -> None:
    entry = _lock_entry(command.entry)
    for offer in open_offers(entry):
        end(offer, OfferTrigger.DECLINE, command.reason, context)
    move(entry, WAITING, WaitingTrigger.WITHDRAW)
    _say(WaitingStopped, entry.step, entry, context, reason=command.reason[:200])


# --- offers


def offer_freed() -> int:
    """Offer what became free lately; returns how many times were offered. Called by the clock."""
    for key in over():
        try:
            execute(StopWaiting(entry=key, reason="the exam is to be booked no more"), actor=TIMER)
        except RisError as error:
            log.info("an entry of the waiting list stays", reason=error.code.value)
    offered = 0
    for each in proposals(timezone.now() - LOOK_BACK):
        try:
            execute(
                OfferSlot(entry=each.entry, device=each.device, start_at=each.start_at),
                actor=TIMER,
            )
            offered += 1
        except RisError as error:
            # Somebody booked it meanwhile, or the entry is gone; the next look finds the next.
            log.info("a freed time was not offered", reason=error.code.value)
    return offered


def offer_slot(command: OfferSlot, context: Context) -> str:
    entry = _lock_entry(command.entry)
    step = entry.step
    is_active = step.procedure.order.status == OrderStatus.ACTIVE.value
    if step.status not in WAITABLE or not is_active or open_offers(entry):
        raise StateConflictError("this exam waits for no time now")
    device = find_device(command.device)
    exam = exam_of(step)
    agreed = agree(exam, device, command.start_at, context, open_only=True, but=step.appointment)
    end_at = ended(command.start_at, exam.minutes_on(device))
    require_patient_free(
        step.procedure.order.patient_id, command.start_at, end_at, but=step.appointment
    )
    expires_at = min(
        context.now + timedelta(hours=OFFER_HOURS), command.start_at - timedelta(minutes=5)
    )
    if expires_at <= context.now:
        raise InvalidValueError("there is no time left to ask anybody", path=Place.START_AT)
    hold = Appointment.objects.create(
        device=device,
        start_at=command.start_at,
        end_at=end_at,
        held_by=HELD_BY,
        expires_at=expires_at,
    )
    take(hold, agreed.resources, exclusive=True, before=agreed.before, after=agreed.after)
    offer = SlotOffer.objects.create(
        entry=entry,
        hold=hold,
        device=device,
        start_at=hold.start_at,
        end_at=hold.end_at,
        expires_at=expires_at,
    )
    order = step.procedure.order
    context.emit(
        SlotOffered(
            order=str(order.public_id),
            step=str(step.public_id),
            entry=str(entry.public_id),
            offer=str(offer.public_id),
            start_at=offer.start_at,
            station=device.ae_title,
            expires_at=expires_at,
        ),
        subject=step,
        order=order,
    )
    return str(offer.public_id)


def accept_offer(command: AcceptOffer, context: Context) -> str:
    offer, step = _lock_offer(command.offer)
    hold = offer.hold
    if hold is None or offer.expires_at <= context.now:
        raise StateConflictError("this offer is over")
    hold = lock_appointment(str(hold.public_id))
    if hold.status != AppointmentStatus.HELD.value:
        raise StateConflictError("this offer is over")
    status = step.procedure.order.status
    if status != OrderStatus.ACTIVE.value:
        raise StateConflictError(f"this order is {status.lower().replace('_', ' ')}")
    move(offer, OFFER, OfferTrigger.ACCEPT)
    if step.status == StepStatus.SCHEDULED.value and step.appointment is not None:
        let_go(hold, "the exam was moved there")
        appointment = reschedule_appointment(
            RescheduleAppointment(
                appointment=str(step.appointment.public_id),
                start_at=offer.start_at,
                device=str(offer.device.public_id),
            ),
            context,
        )
    else:
        # The list held it for this exam; whoever says yes books it.
        hold.held_by = context.actor.name[:200]
        touch(hold, "held_by")
        appointment = book_appointment(
            BookAppointment(appointment=str(hold.public_id), step=str(step.public_id)), context
        )
    serve(step, context)
    order = step.procedure.order
    context.emit(
        OfferAccepted(
            order=str(order.public_id),
            step=str(step.public_id),
            offer=str(offer.public_id),
            start_at=offer.start_at,
            station=offer.device.ae_title,
        ),
        subject=step,
        order=order,
    )
    return appointment


def decline_offer(command: DeclineOffer, context: Context) -> None:
    offer, _ = _lock_offer(command.offer)
    end(offer, OfferTrigger.DECLINE, command.reason, context)


# --- rows


def _lock_entry(key: str) -> WaitingEntry:
    """The entry with its step, whose order is locked first."""
    rows = WaitingEntry.objects.filter(public_id=public_key(key, "entry"))
    found = rows.values_list("step__public_id", flat=True).first()
    if found is None:
        raise UnknownKeyError("no such entry of the waiting list", path="entry")
    step = lock_step(str(found))
    entry = rows.get()
    if entry.status != WaitingStatus.WAITING.value:
        raise StateConflictError("this exam waits no longer")
    entry.step = step
    return entry


def _lock_offer(key: str) -> tuple[SlotOffer, ScheduledProcedureStep]:
    rows = SlotOffer.objects.filter(public_id=public_key(key, "offer"))
    found = rows.values_list("entry__step__public_id", flat=True).first()
    if found is None:
        raise UnknownKeyError("no such offer", path="offer")
    step = lock_step(str(found))
    offer = rows.select_related("entry", "hold", "device").get()
    if offer.status != OfferStatus.OPEN.value:
        raise StateConflictError("this offer is over")
    offer.entry.step = step
    return offer, step


def _say(
    kind: type[WaitingStarted] | type[WaitingStopped],
    step: ScheduledProcedureStep,
    entry: WaitingEntry,
    context: Context,
    **more: str,
) -> None:
    order = step.procedure.order
    said = kind(
        order=str(order.public_id),
        step=str(step.public_id),
        entry=str(entry.public_id),
        **more,
    )
    context.emit(said, subject=step, order=order)
