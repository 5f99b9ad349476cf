"""What a placer wanted of an order and was refused, for its exam had begun."""

from __future__ import annotations

from datetime import datetime

from ris.models import Order
from ris.selectors.views import CancelAsked


def cancel_asked(order: Order) -> CancelAsked | None:
    """When the placer last asked to cancel it, and why; nothing once the order has ended."""
    said = order.cancel_asked
    if not said:
        return None
    return CancelAsked(at=datetime.fromisoformat(said["at"]), reason=said["reason"])
