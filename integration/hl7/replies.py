"""What a reply to a message of ours asks for: an order's placer gives its number (ORR with NA).

Such a reply is a message like any other (HL7 v2.5.1 4.4.2, IHE RAD-3): it is kept in the inbox, is
shown there if it could not be applied or says that something was not done (UA), and can be applied
again. The edge of the outbox calls this in the transaction that notes the delivery.
"""

from __future__ import annotations

from integration.hl7 import carrying, profiles
from integration.hl7.acks import Ack
from integration.hl7.er7 import Header, Message
from integration.hl7.numbers import named_orders
from integration.hl7.routes import ROUTES
from integration.hl7.to_domain.request import Request
from ris.domain.actors import endpoint_actor
from ris.domain.errors import RisError
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.facility import site
from ris.services import inbox
from ris.services.inbox import Answer

# The application's own answers to orders; a plain ACK says no more than its MSA and ERR.
REPLIES = frozenset({"ORR", "ORG", "ORI"})


def says_more(ack: Ack) -> bool:
    """Whether an answer is one that :func:`take` applies."""
    header = ack.message.header
    return header.code in REPLIES and (header.code, header.trigger) in ROUTES


def take(reply: bytes, endpoint: EndpointInfo) -> None:
    """Apply a reply that says more than "received"; nothing happens for any other."""
    header = Header.read(reply)
    if header is None or header.code not in REPLIES:
        return
    route = ROUTES.get((header.code, header.trigger))
    if route is None:
        return
    actor = endpoint_actor(endpoint.name, endpoint.id, endpoint.host)

    application, facility = header.sending_application, header.sending_facility
    profile = profiles.profile(endpoint, site(), sender=(application, facility))
    requests: list[Request] = []
    references: list[tuple[str, str]] = []

    def apply() -> Answer:
        message = Message.from_bytes(reply, default_charset=profile.charset.label)
        references[:] = named_orders(message)
        requests[:] = route.translate(message, profile)
        carrying.carry_out(requests, actor)
        return Answer(payload=b"", outcome="reply")

    def refuse(error: RisError) -> Answer:
        if carrying.is_told(error):
            carrying.keep_granted(requests, actor)
        return Answer(payload=b"", outcome="reply")

    inbox.receive(
        protocol=Protocol.HL7,
        actor=actor,
        key=header.control_id.replace("\x00", "")[:160],
        raw=reply,
        message_type=f"{header.code}^{header.trigger}"[:60],
        apply=apply,
        refuse=refuse,
        references=references,
        sender=endpoint.protocol_name[:200],
        # Kept or undone together with the delivery it answers, so it is applied once as it is.
        dedupe=False,
    )
