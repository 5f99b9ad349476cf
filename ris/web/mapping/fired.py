"""What the mapping of its sender does to a stored message, for the message's own page."""

from __future__ import annotations

from ris.domain.actors import Actor
from ris.domain.errors import RisError
from ris.domain.exchange import Direction, Protocol
from ris.models import InboundMessage
from ris.selectors.exchange import info
from ris.services import rehearsal


def on_the_bench(message: InboundMessage, actor: Actor) -> dict[str, object]:
    """Whether it can be tried, and the rules and tables in force now that change it."""
    protocol = Protocol(message.protocol)
    can_try = rehearsal.can_rehearse(protocol) and actor.has(*rehearsal.MAY_TRY)
    found: dict[str, object] = {"can_try": can_try}
    endpoint = message.endpoint
    if endpoint is not None and endpoint.direction == Direction.IN.value:
        try:
            found["explanation"] = rehearsal.explain(protocol, bytes(message.raw), info(endpoint))
        except RisError:
            found["explanation"] = None  # it cannot be read at all, which the page shows
    return found
