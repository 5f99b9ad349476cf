"""Orders whose placer wants them canceled when their exam has begun (dicom.md CHG-04).

The cancellation is refused, for what was begun cannot be made undone; but the technologist may
stop, and the radiologist should know before reading. The order bears it until it ends; what to do
about it is one entry in Exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from ris.domain.discontinuation import FollowUpKind
from ris.domain.order_events import (
    CancellationRefused,
    OrderCanceled,
    OrderCompleted,
    OrderDiscontinued,
    OrderVoided,
)
from ris.domain.orders import NoteRefusedCancellation, OrderStatus
from ris.models import FollowUp, Order, PerformedProcedureStep
from ris.services._context import Context, Emitted
from ris.services._execute import register_consequence
from ris.services._transition import touch
from ris.services.orders.finding import require
from ris.services.performing.follow_ups import drop, raise_follow_up

_GOES_ON = {OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value}


def note_refused_cancellation(command: NoteRefusedCancellation, context: Context) -> None:
    order = require(command.order)
    if order.status not in _GOES_ON:  # its report is signed: there is nothing to decide
        context.about(order, order)
        return
    reason = command.reason.strip()[:300]
    order.cancel_asked = {"at": context.now.isoformat(), "reason": reason}
    touch(order, "cancel_asked")
    context.emit(CancellationRefused(order=str(order.public_id), reason=reason), subject=order)
    performed = (
        PerformedProcedureStep.objects.filter(steps__procedure__order=order)
        .order_by("-started_at", "-pk")
        .first()
    )
    if performed is None or _open(order).exists():
        return  # asked again, it is one thing to decide
    raise_follow_up(performed, FollowUpKind.ASKED, context, order=order, detail=reason)


def forget(emitted: Sequence[Emitted], context: Context) -> None:
    """The order has ended, one way or the other: what was asked is history."""
    for each in emitted:
        order = each.order
        if order is None or order.cancel_asked is None:
            continue
        order.cancel_asked = None
        touch(order, "cancel_asked")
        drop(_open(order), context, "the order has ended")


def _open(order: Order) -> QuerySet[FollowUp]:
    return FollowUp.objects.filter(order=order, kind=FollowUpKind.ASKED.value, settled_at=None)


register_consequence((OrderCanceled, OrderDiscontinued, OrderVoided, OrderCompleted), forget)
