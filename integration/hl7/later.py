"""Application acknowledgements that come later, as messages of their own (HL7 v2.5.1 2.9.3).

In enhanced mode the sender is told at once that its message is stored (CA). What became of it
leaves through the outbox, to the endpoint we send to that has the peer's name, if MSH-16 asks.
"""

from __future__ import annotations

import structlog

from integration.hl7 import acks
from integration.hl7.er7 import Header
from integration.hl7.settings import Settings
from ris.domain.actors import Actor
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo, Outgoing
from ris.selectors.exchange import endpoints
from ris.services import outbox
from ris.services.inbox import Answer

log = structlog.get_logger(__name__)

LANE = "acknowledgements"
# The peer must say that it has our acknowledgement, and nothing about what it makes of it.
CONDITIONS = ("AL", "NE")


def is_strict(header: Header, settings: Settings) -> bool:
    """Whether the message is answered in enhanced mode."""
    return settings.acknowledgement == "accept" and acks.is_enhanced(header)


def is_deferred(header: Header, settings: Settings) -> bool:
    """Whether the message is answered when it is stored, and applied after that."""
    return settings.acknowledge_after == "stored" or is_strict(header, settings)


def accept_is_silent(header: Header, *, failed: bool) -> bool:
    """Whether the sender wants no accept acknowledgement; who says nothing about it gets one."""
    return bool(header.raw_field(15)) and not acks.accept_wanted(header, failed=failed)


def queue(header: Header, settings: Settings, actor: Actor, name: str, answer: Answer) -> Answer:
    """Queue the application's answer if it is wanted; the word for lists says if nobody gets it."""
    failed = answer.outcome != "AA"
    if not is_strict(header, settings) or not acks.application_wanted(header, failed=failed):
        return answer
    own = Header.read(answer.payload)
    receiver = _receiver(actor.name, name)
    if receiver is None or own is None:
        log.warning("nobody to send an application acknowledgement to", sender=actor.name)
        return Answer(payload=answer.payload, outcome=f"{answer.outcome}, not sent")
    outbox.enqueue(
        receiver,
        Outgoing(
            lane=LANE,
            control_id=own.control_id,
            message_type=f"{own.code}^{own.trigger}".rstrip("^"),
            payload=answer.payload,
        ),
    )
    return answer


def _receiver(endpoint: str, sender: str) -> EndpointInfo | None:
    """The endpoint we send to that has the name of the one we receive from, or goes by it."""
    for each in endpoints(Protocol.HL7, Direction.OUT):
        if each.name == endpoint or (each.protocol_name and each.protocol_name == sender):
            return each
    return None
