"""What becomes of offers of the waiting list when their time is taken, over or not wanted."""

from __future__ import annotations

from ris.domain.commands import Event
from ris.domain.scheduling import APPOINTMENT, AppointmentStatus, AppointmentTrigger
from ris.domain.waiting import (
    OFFER,
    WAITING,
    OfferDeclined,
    OfferExpired,
    OfferStatus,
    OfferTrigger,
    WaitingStatus,
    WaitingTrigger,
)
from ris.models import Appointment, ScheduledProcedureStep, SlotOffer, WaitingEntry
from ris.services._context import Context
from ris.services._locks import lock_appointment
from ris.services._transition import move
from ris.services.scheduling.resources import give_back


def serve(step: ScheduledProcedureStep, context: Context) -> None:
    """A step that was booked waits no longer; what is held for it is given back."""
    entry = entry_of(step)
    if entry is None:
        return
    for offer in open_offers(entry):
        end(offer, OfferTrigger.DECLINE, "booked otherwise", context)
    move(entry, WAITING, WaitingTrigger.SERVE)


def expire_offers(holds: list[Appointment], context: Context) -> None:
    """Say of the offers whose held time ran out that they are over."""
    rows = SlotOffer.objects.filter(hold__in=holds, status=OfferStatus.OPEN.value)
    for offer in rows.select_related("entry__step__procedure__order__patient", "device"):
        end(offer, OfferTrigger.EXPIRE, "", context)


def end(offer: SlotOffer, trigger: OfferTrigger, reason: str, context: Context) -> None:
    # The hold before the offer, as when holds run out: what ended meanwhile is over.
    hold = lock_appointment(str(offer.hold.public_id)) if offer.hold is not None else None
    offer.refresh_from_db(fields=["status"])
    if offer.status != OfferStatus.OPEN.value:
        return
    offer.reason = reason[:200]
    move(offer, OFFER, trigger, "reason")
    if hold is not None and hold.status == AppointmentStatus.HELD.value:
        let_go(hold, reason or "the offer was declined")
    step = offer.entry.step
    order = step.procedure.order
    said: Event
    if trigger is OfferTrigger.EXPIRE:
        said = OfferExpired(
            order=str(order.public_id), step=str(step.public_id), offer=str(offer.public_id)
        )
    else:
        said = OfferDeclined(
            order=str(order.public_id),
            step=str(step.public_id),
            offer=str(offer.public_id),
            reason=reason[:200],
        )
    context.emit(said, subject=step, order=order)


def let_go(hold: Appointment, reason: str) -> None:
    hold.reason = reason[:200]
    move(hold, APPOINTMENT, AppointmentTrigger.CANCEL, "reason")
    give_back(hold)


def entry_of(step: ScheduledProcedureStep) -> WaitingEntry | None:
    return WaitingEntry.objects.filter(step=step, status=WaitingStatus.WAITING.value).first()


def open_offers(entry: WaitingEntry) -> list[SlotOffer]:
    found = list(
        SlotOffer.objects.filter(entry=entry, status=OfferStatus.OPEN.value).select_related(
            "hold", "device"
        )
    )
    for offer in found:
        offer.entry = entry
    return found
