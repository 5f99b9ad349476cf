"""What is asked and told of an order besides changes: its status, the placer's number."""

from __future__ import annotations

from ris.domain.errors import DuplicateKeyError, MissingValueError
from ris.domain.order_events import PlacerNumberAssigned
from ris.domain.orders import AskOrder, AttachPlacerNumber, OrderReference, PlacedOrder
from ris.domain.places import Place
from ris.domain.values import require_text
from ris.services._context import Context, current_cause
from ris.services._transition import touch
from ris.services.orders.finding import find, placed, require, require_all


def ask_order(command: AskOrder, context: Context) -> PlacedOrder:
    order = require_all(command.order)[0]
    context.about(order, order)
    cause = current_cause()
    if cause is not None:
        cause.orders.add(order.pk)  # the message that asked belongs to the order's timeline
    return placed(order, created=False)


def attach_placer_number(command: AttachPlacerNumber, context: Context) -> str:
    """Told again it changes nothing; an order that has another number keeps it."""
    order = require(command.order)
    number = require_text(
        command.placer.value, path=Place.PLACER, limit=64, name="placer order number"
    )
    if not number:
        raise MissingValueError("the placer order number is required", path=Place.PLACER)
    if (order.placer_order_number, order.placer_issuer) == (number, command.placer.issuer):
        context.about(order, order)
        return str(order.public_id)
    if order.placer_order_number:
        raise DuplicateKeyError("this order has another placer order number", path=Place.PLACER)
    if find(OrderReference(placer=command.placer), lock=False) is not None:
        raise DuplicateKeyError("another order has this placer order number", path=Place.PLACER)
    order.placer_order_number, order.placer_issuer = number, command.placer.issuer
    touch(order, "placer_order_number", "placer_issuer")
    context.emit(PlacerNumberAssigned(order=str(order.public_id)), subject=order)
    return str(order.public_id)
