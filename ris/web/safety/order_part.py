"""What an order's page says of safety, protocol and payer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ris.models import Order, ScheduledProcedureStep
from ris.selectors import authorization, protocoling, safety
from ris.web.access import PageRequest
from ris.web.navigation import PROTOCOL


def clearance_context(
    request: PageRequest, order: Order, rows: Sequence[ScheduledProcedureStep]
) -> dict[str, Any]:
    """For ``protocoling/_order.html``, with the order's steps; eight queries at most."""
    agreed, coverages = authorization.of_steps(rows, order)
    return {
        "safety": safety.of_steps(rows),
        "protocols": protocoling.of_rows(rows),
        "can_protocol": request.actor.has(*PROTOCOL),
        "authorization": agreed,
        "coverages": coverages,
    }
