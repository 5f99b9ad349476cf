"""Cancellations that come before their order (spec 1.2, ADR 0025).

Two channels of a placer may overtake each other. The cancellation is refused, for nobody knows the
order, and that is the truth; but it is remembered, so that the exam is not done when the order
comes after all.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import CharField, DateTimeField

from ris.domain.orders import ExpectCancellation, OrderStatus
from ris.domain.places import Place
from ris.domain.values import Identifier, require_text
from ris.models import EarlyCancellation, InboundMessage, Order
from ris.models.prepared import Given, Select
from ris.services._context import Context

_KEPT = timedelta(days=1)


def expect_cancellation(command: ExpectCancellation, context: Context) -> None:
    # What came to nothing is told by its refused message; the number may mean another order later.
    EarlyCancellation.objects.filter(
        expires_at__lt=context.now - _KEPT, order__isnull=True
    ).delete()
    EarlyCancellation.objects.create(
        placer_order_number=require_text(
            command.placer.value, path=Place.PLACER, limit=64, name="placer order number"
        ),
        placer_issuer=command.placer.issuer,
        reason=command.reason,
        message_id=context.message_id,
        received_at=context.now,
        expires_at=context.now + timedelta(minutes=command.minutes),
    )


_EXPECTED = Select(
    lambda: EarlyCancellation.objects.filter(
        placer_order_number=Given("number", CharField()),
        placer_issuer=Given("issuer", CharField()),
        expires_at__gt=Given("now", DateTimeField()),
    ).order_by("pk")
)


def expected(numbers: tuple[Identifier | None, ...], context: Context) -> EarlyCancellation | None:
    """The first cancellation that waits for an order of one of these numbers."""
    for number in numbers:
        if number is not None and number.value:
            found = _EXPECTED.first(number=number.value, issuer=number.issuer, now=context.now)
            if found is not None:
                return found
    return None


def settle(early: EarlyCancellation, order: Order, context: Context) -> None:
    """Note that the order came; its refused message needs nobody any more."""
    early.order = order
    early.save(update_fields=["order", "updated_at"])
    if early.message_id is None:
        return
    InboundMessage.objects.filter(pk=early.message_id, resolved_at__isnull=True).update(
        resolved_at=context.now, resolved_note="the order came and was canceled"
    )
    order.messages.add(early.message_id)


def was_canceled_early(order: Order) -> bool:
    """Whether the order is canceled by what came before it: asked again, that is done."""
    return order.status == OrderStatus.CANCELED.value and order.early_cancellations.exists()
