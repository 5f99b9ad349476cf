"""What an order's page says of safety, protocol and payer."""

from __future__ import annotations

from typing import Any

from ris.selectors import authorization, protocoling, safety
from ris.selectors.views import OrderView
from ris.web.access import PageRequest
from ris.web.navigation import PROTOCOL


def clearance_context(request: PageRequest, view: OrderView) -> dict[str, Any]:
    """For ``protocoling/_order.html``; ten queries at most."""
    rows = safety.steps_of(view.public_id)
    return {
        "safety": safety.of_steps(rows),
        "protocols": protocoling.of_rows(rows),
        "can_protocol": request.actor.has(*PROTOCOL),
        "authorization": authorization.of_order(view.public_id),
        "coverages": authorization.coverages(view.patient.public_id),
    }
