"""Creates, updates and patches: one stored message, one transaction (DESIGN 8)."""

from __future__ import annotations

from integration.fhir.exchange import Incoming, refuse
from integration.fhir.systems import Systems
from integration.fhir.to_domain.servicerequest import Profile
from integration.fhir.writing.request import Writer, last_modified
from ris.domain.actors import Actor
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.exchange import find_sender
from ris.services import inbox

__all__ = ["last_modified", "profile_for", "receive", "replay"]


def profile_for(name: str, endpoint: EndpointInfo | None) -> Profile:
    """What is done with the requests of a client, by the settings of its endpoint."""
    settings = endpoint.settings if endpoint else {}
    return Profile(
        issuer=Systems().issuer(str(settings.get("issuer") or name)),
        wait_for_scheduler=bool(settings.get("wait_for_scheduler")),
        strict_catalog=bool(settings.get("strict_catalog")),
    )


def receive(
    incoming: Incoming,
    actor: Actor,
    profile: Profile,
    *,
    request_id: str,
    may_search: bool,
) -> inbox.Receipt:
    """Store the request, apply it, store the answer."""
    writer = Writer(incoming, actor, profile, may_search)
    prepared = writer.prepare()
    key = incoming.header("Idempotency-Key")
    return inbox.receive(
        protocol=Protocol.FHIR,
        actor=actor,
        key=key or request_id,
        raw=incoming.to_bytes(),
        message_type=f"{incoming.method} {writer.kind.name}",
        apply=lambda: prepared.todo().to_answer(),
        refuse=refuse,
        sender=actor.name,
        references=prepared.references,
        dedupe=bool(key),
    )


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    """A stored request to be applied once more (``ReplayMessage``)."""
    profile = profile_for(sender, find_sender(Protocol.FHIR, sender))
    prepared = Writer(Incoming.from_bytes(raw), actor, profile, may_search=True).prepare()
    return lambda: prepared.todo().to_answer(), refuse
